#include "monitor/window.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Writes the path of baton-window. Returns 0 or -ENOENT. */
static int find(char *path, size_t room)
{
	static const char *const places[] = {"baton-window", "src/monitor/baton-window"};
	char self[PATH_MAX];
	char *slash;

	if (!process_self(self)) {
		slash = strrchr(self, '/');
		slash[1] = 0;
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(path, room, "%s%s", self, places[i]);
			if (!access(path, X_OK))
				return 0;
		}
	}
	snprintf(path, room, "%s/baton-window", BATON_LIBEXEC);
	return access(path, X_OK) ? -ENOENT : 0;
}

pid_t window_start(void)
{
	char path[PATH_MAX + 64];
	int ends[2], error = find(path, sizeof(path));
	pid_t child;

	if (error)
		return error;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fflush(stdout);
	child = fork();
	if (child < 0) {
		error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (!child) {
		dup2(ends[0], STDIN_FILENO);
		execl(path, path, (char *)NULL);
		fprintf(stderr, "baton: can't run %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	dup2(ends[1], STDOUT_FILENO);
	close(ends[0]);
	close(ends[1]);
	return child;
}

void window_wait(pid_t window)
{
	fclose(stdout);
	while (waitpid(window, NULL, 0) < 0 && errno == EINTR)
		continue;
}

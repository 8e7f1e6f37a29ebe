#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Feeds `input` and takes what comes until both pipes are done with. */
static void converse(int in, int out, const char *input, struct buffer *output)
{
	size_t left = input ? strlen(input) : 0;

	while (out >= 0) {
		struct pollfd both[2] = {{.fd = out, .events = POLLIN},
					 {.fd = left ? in : -1, .events = POLLOUT}};

		if (poll(both, 2, -1) < 0 && errno != EINTR)
			break;
		if (left && both[1].revents) {
			ssize_t put = write(in, input, left);

			if (put > 0) {
				input += put;
				left -= (size_t)put;
			}
			if (put < 0 && errno != EAGAIN && errno != EINTR)
				left = 0;
		}
		if (!left && in >= 0) {
			close(in);
			in = -1;
		}
		if (both[0].revents) {
			char block[4096];
			ssize_t got = read(out, block, sizeof(block));

			if (got > 0 && output)
				buffer_add(output, block, (size_t)got);
			if (!got || (got < 0 && errno != EINTR && errno != EAGAIN))
				break;
		}
	}
	if (in >= 0)
		close(in);
	close(out);
}

int process_run(const char *const argv[], const char *input, struct buffer *output)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return -errno;
	if (pipe2(out, O_CLOEXEC)) {
		int error = -errno;

		close(in[0]);
		close(in[1]);
		return error;
	}
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], (char *const *)argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (pid < 0) {
		int error = -errno;

		close(in[1]);
		close(out[0]);
		return error;
	}
	signal(SIGPIPE, SIG_IGN);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	converse(in[1], out[0], input, output);
	return wait_for(pid);
}

int netns_enter(const char *name)
{
	char path[256];
	int fd, error = 0;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET))
		error = -errno;
	close(fd);
	return error;
}

int process_within(const char *netns, int (*work)(void *context), void *context)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		int code = netns && netns_enter(netns) ? 127 : work(context);

		fflush(NULL);
		_exit(code);
	}
	return wait_for(pid);
}

pid_t process_start(const char *netns, const char *const argv[], const char *log)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : pid;
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644),
	    in = open("/dev/null", O_RDONLY);
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(in, 0);
	if (out >= 0) {
		dup2(out, 1);
		dup2(out, 2);
	}
	if (netns) {
		int error = netns_enter(netns);

		if (error) {
			dprintf(2, "network namespace %s: %s\n", netns, strerror(-error));
			_exit(127);
		}
	}
	execvp(argv[0], (char *const *)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int process_self(char *path)
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

	path[length > 0 ? length : 0] = 0;
	return length < 0 ? -errno : 0;
}

unsigned long process_raise_files(unsigned long least)
{
	struct rlimit files, more;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return 0;
	more.rlim_cur = more.rlim_max = files.rlim_max > least ? files.rlim_max : least;
	if (!setrlimit(RLIMIT_NOFILE, &more))
		return more.rlim_cur;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) ? 0 : files.rlim_cur;
}

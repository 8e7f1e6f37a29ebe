#include "measure/center.h"

#include "base/process.h"
#include "measure/network.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	const char *file = context;
	struct MHD_Response *response;
	enum MHD_Result result;
	struct stat what;
	int fd;

	(void)version, (void)upload, (void)upload_size, (void)state;
	if (strcmp(method, "GET") || strcmp(url, "/package"))
		return MHD_NO;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &what))
		return MHD_NO;
	response = MHD_create_response_from_fd64((uint64_t)what.st_size, fd);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* In the child: says one byte when it listens. */
static int serve(const char *netns, const char *file, int ready)
{
	struct MHD_Daemon *daemon;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (netns_enter(netns))
		return 1;
	daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, CENTER_PORT, NULL, NULL, answer,
				  (void *)file, MHD_OPTION_END);
	if (!daemon || write(ready, "", 1) != 1)
		return 1;
	for (;;)
		pause();
}

pid_t center_start(const char *run, const char *file, struct buffer *why)
{
	char netns[64], byte;
	int ready[2];
	pid_t pid;

	network_netns(run, "external", netns);
	if (pipe2(ready, O_CLOEXEC)) {
		buffer_text(why, "no pipe for the Center");
		return -1;
	}
	pid = fork();
	if (!pid)
		_exit(serve(netns, file, ready[1]));
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1) {
		center_stop(pid);
		pid = -1;
	}
	close(ready[0]);
	if (pid < 0)
		buffer_text(why, "the Center can't be started");
	return pid;
}

void center_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

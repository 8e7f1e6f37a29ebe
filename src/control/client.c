#include "control/client.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "control/paths.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_MS = 60000, ANSWER_MOST = 256 << 20 };

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		bytes += sent;
		length -= (size_t)sent;
	}
	return 0;
}

/* Reads up to the line's end. */
static int receive_line(int fd, struct buffer *line)
{
	uint64_t end = clock_now() + WAIT_MS * NS_PER_MS;

	for (;;) {
		uint64_t now = clock_now();
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		char *room = buffer_reserve(line, 65536);
		ssize_t got;

		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&ready, 1, (int)((end - now) / NS_PER_MS) + 1) < 1)
			continue;
		got = read(fd, room, 65536);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got || line->length > ANSWER_MOST)
			return -EPROTO;
		if (got > 0)
			line->length += (size_t)got;
		if (got > 0 && memchr(room, '\n', (size_t)got))
			return 0;
	}
}

/* One try, of the daemon whose socket is `path`. */
static int call(const char *path, const json_t *request, json_t **answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *text = json_dumps(request, JSON_COMPACT);
	struct buffer line = BUFFER_EMPTY;
	int fd, error;

	if (!text)
		out_of_memory();
	buffer_format(&line, "%s\n", text);
	free(text);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		error = -errno;
		goto no_socket;
	}
	error = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(address.sun_path))
		goto out;
	strcpy(address.sun_path, path);
	error = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	if (!error)
		error = send_all(fd, line.data, line.length);
	buffer_clear(&line);
	if (!error)
		error = receive_line(fd, &line);
	if (!error) {
		*answer = json_loadb(line.data, line.length, 0, NULL);
		error = json_is_object(*answer) ? 0 : -EPROTO;
		if (error)
			json_decref(*answer);
	}
out:
	close(fd);
no_socket:
	buffer_release(&line);
	return error;
}

int client_call(const char *cluster, const char *host, json_t *request, json_t **answer)
{
	char path[PATH_ROOM];
	int error = call(path_socket(path, cluster, host), request, answer);
	glob_t others;

	/* Of several fronts each is on a host of its own, under its name. */
	if ((error == -ENOENT || error == -ECONNREFUSED) && !strcmp(host, "front") &&
	    !glob(path_socket(path, cluster, "front-*"), 0, NULL, &others)) {
		for (size_t i = 0; i < others.gl_pathc && error; i++)
			error = call(others.gl_pathv[i], request, answer);
		globfree(&others);
	}
	json_decref(request);
	return error;
}

json_t *client_ask(const char *cluster, const char *host, json_t *request)
{
	const char *problem;
	char path[PATH_ROOM];
	json_t *answer;
	int error;

	error = client_call(cluster, host, request, &answer);
	path_socket(path, cluster, host);
	switch (error) {
	case 0:
		break;
	case -ENOENT:
	case -ECONNREFUSED:
		failed("no daemon answers at %s; is the cluster '%s' running? --name gives another",
		       path, cluster);
		return NULL;
	case -EACCES:
		failed("%s may only be used by its owner; run this as root", path);
		return NULL;
	case -ETIMEDOUT:
		failed("the daemon at %s did not answer within a minute", path);
		return NULL;
	case -EPROTO:
		failed("the daemon at %s went away before it answered; try again", path);
		return NULL;
	default:
		failed_errno(error, "asking the daemon at %s", path);
		return NULL;
	}
	problem = json_string_value(json_object_get(answer, "error"));
	if (problem) {
		failed("%s", problem);
		json_decref(answer);
		return NULL;
	}
	return answer;
}

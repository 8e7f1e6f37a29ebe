#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "echo/echo.h"
#include "echo/session.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	uint64_t port, timeout;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"port", 'p', OPTION_COUNT, "PORT", "port of the server [1234]", AT(port), NULL, 1, 65535},
	{"timeout", 't', OPTION_DURATION, "TIME", "wait so long for a reply [10s]", AT(timeout),
	 NULL, 0.001, 3600},
	{NULL},
};

/* Returns a connected descriptor; else prints and returns -1. */
static int reach(const char *host, unsigned int port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	int fd = -1, error, on = 1;
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	error = getaddrinfo(host, text, &hints, &found);
	if (error) {
		failed("%s: %s", host, gai_strerror(error));
		return -1;
	}
	for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen)) {
			error = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	if (fd < 0)
		failed_errno(error, "can't connect to %s port %u", host, port);
	else
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Reads one line into `in` (which may hold what came behind the last one). Returns its length with
 * the newline, 0 at the end, -errno. */
static ssize_t read_reply(int fd, struct buffer *in, uint64_t timeout)
{
	for (;;) {
		const char *newline = in->length ? memchr(in->data, '\n', in->length) : NULL;
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t got;
		int count;

		if (newline)
			return newline - in->data + 1;
		count = poll(&ready, 1, (int)(timeout / NS_PER_MS));
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -ETIMEDOUT;
		got = read(fd, buffer_reserve(in, 4096), 4096);
		if (got <= 0)
			return got ? -errno : 0;
		in->length += (size_t)got;
		in->data[in->length] = 0;
	}
}

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t put = send(fd, bytes, length, MSG_NOSIGNAL);

		if (put < 0)
			return -errno;
		bytes += put;
		length -= (size_t)put;
	}
	return 0;
}

static int talk(int fd, uint64_t timeout)
{
	struct buffer in = BUFFER_EMPTY, shown = BUFFER_EMPTY;
	bool human = isatty(STDIN_FILENO);
	char *line = NULL;
	size_t room = 0;
	ssize_t length, got = 1;
	int error = 0;

	while (!error && got > 0) {
		uint64_t sent;

		if (human) {
			fputs("> ", stdout);
			fflush(stdout);
		}
		length = getline(&line, &room, stdin);
		if (length <= 0)
			break;
		sent = clock_now();
		error = send_all(fd, line, (size_t)length);
		if (!error && line[length - 1] != '\n')
			error = send_all(fd, "\n", 1);
		got = error ? error : read_reply(fd, &in, timeout);
		if (got > 0) {
			uint64_t rtt = clock_now() - sent;

			text_printable(&shown, in.data, (size_t)got);
			printf("%sRTT %llu us\n", shown.data,
			       (unsigned long long)(rtt / NS_PER_US));
			fflush(stdout);
			buffer_clear(&shown);
			buffer_consume(&in, (size_t)got);
		}
	}
	free(line);
	buffer_release(&in);
	buffer_release(&shown);
	if (got < 0)
		return failed_errno((int)got, "no reply");
	if (!got)
		return failed("the server has closed the connection");
	return EXIT_DONE;
}

static int run_talk(const struct command *self, int argc, char **argv)
{
	struct options options = {.port = 1234, .timeout = 10 * NS_PER_S};
	int first = command_parse(self, argc, argv, &options), fd, result;
	const char *host = first < argc ? argv[first] : "localhost";

	if (argc - first > 1)
		return misused("one HOST only");
	fd = reach(host, (unsigned int)options.port);
	if (fd < 0)
		return EXIT_FAILED;
	result = talk(fd, options.timeout);
	close(fd);
	return result;
}

const struct command echo_talk = {
	.name = "talk",
	.operands = "[HOST]",
	.summary = "Send lines to an echo server; print each reply and its round trip in "
		   "microseconds",
	.options = specs,
	.run = run_talk,
};

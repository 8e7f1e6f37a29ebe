/* The guest's TCP server: a process for each connection, so that one slow client holds up none. */
#include "guest/inside/guest.h"

#include "guest/agent.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int read_whole(int fd, void *bytes, size_t length)
{
	char *at = bytes;

	while (length) {
		ssize_t got = read(fd, at, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

static int write_whole(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t put = write(fd, at, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		at += put;
		length -= (size_t)put;
	}
	return 0;
}

static uint64_t number(const unsigned char *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static void up(int fd, char *block)
{
	unsigned char answer[8];
	uint64_t total = 0;
	ssize_t got;

	struct pollfd wait = {.fd = fd, .events = POLLIN};

	/* Waiting and reading are two calls, as they are for any server of many connections. */
	while (poll(&wait, 1, -1) > 0 && (got = read(fd, block, TALK_BLOCK)) > 0)
		total += (uint64_t)got;
	for (int i = 0; i < 8; i++)
		answer[i] = (unsigned char)(total >> (56 - 8 * i));
	write_whole(fd, answer, sizeof(answer));
}

static void talk(int fd)
{
	char *block = malloc(TALK_BLOCK);
	unsigned char kind, bytes[8];
	uint64_t length = 0;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!block || read_whole(fd, &kind, 1))
		return;
	/* Memory never written to is one page of zeros, which is faster to send than any data. */
	memset(block, kind, TALK_BLOCK);
	if (kind == TALK_DOWN || kind == TALK_ECHO) {
		if (read_whole(fd, bytes, sizeof(bytes)))
			return;
		length = number(bytes);
	}
	if (kind == TALK_UP)
		up(fd, block);
	if (kind == TALK_CONNECT)
		write_whole(fd, &kind, 1);
	while (kind == TALK_DOWN && length) {
		size_t part = length < TALK_BLOCK ? (size_t)length : TALK_BLOCK;

		if (write_whole(fd, block, part))
			return;
		length -= part;
	}
	while (kind == TALK_ECHO && length && length <= TALK_BLOCK &&
	       !read_whole(fd, block, length))
		if (write_whole(fd, block, length))
			return;
}

int guest_serve(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024))
		return 1;
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			continue;
		if (!fork()) {
			close(fd);
			talk(client);
			_exit(0);
		}
		close(client);
	}
}

#include "echo/server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

volatile sig_atomic_t server_stopping;
volatile int server_serving = -1;

int server_accept(struct server *server, struct sockaddr_storage *peer, int flags)
{
	for (;;) {
		socklen_t length = sizeof(*peer);
		int fd;

		if (server_stopping)
			return -ECANCELED;
		fd = accept4(server->listener, (struct sockaddr *)peer, &length,
			     flags | SOCK_CLOEXEC);
		if (fd >= 0)
			return fd;
		switch (errno) {
		case EINTR: /* maybe a child's end: the caller looks */
			return server_stopping ? -ECANCELED : -EINTR;
		case EINVAL: /* shut down */
			return server_stopping ? -ECANCELED : -EINVAL;
		case ECONNABORTED:
		case EPROTO:
		case ENETDOWN:
		case EHOSTDOWN:
		case EHOSTUNREACH:
		case ENETUNREACH:
			continue;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			/* Connections wait in the queue until one of ours has gone. */
			usleep(10000);
			continue;
		default:
			return -errno;
		}
	}
}

void server_say(const struct server *server, const char *bytes, size_t length)
{
	struct buffer text = BUFFER_EMPTY;

	if (server->options->quiet)
		return;
	text_printable(&text, bytes, length);
	/* One write: the lines of several processes don't mix. A full disk or closed terminal is no
	 * reason to stop serving. */
	if (write(STDOUT_FILENO, text.data, text.length) < 0)
		errno = 0;
	buffer_release(&text);
}

void server_say_connected(const struct server *server, const struct session *session,
			  const char *who, long number)
{
	char text[160];
	int length;

	if (server->options->quiet)
		return;
	length = snprintf(text, sizeof(text), "%s %ld: %s %u connected\n", who, number,
			  session->address, session->port);
	server_say(server, text, (size_t)length);
}

void server_account(struct server *server, const struct session *session, bool broken)
{
	struct server_totals *totals = server->totals;

	__atomic_fetch_add(&totals->connections, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&totals->messages, session->messages, __ATOMIC_RELAXED);
	__atomic_fetch_add(&totals->overlong, session->overlong, __ATOMIC_RELAXED);
	__atomic_fetch_add(&totals->broken, broken, __ATOMIC_RELAXED);
}

/* Returns false when the client can't be written to any more. */
static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t put = send(fd, bytes, length, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		bytes += put;
		length -= (size_t)put;
	}
	return true;
}

/* Reads away what still comes, for a second at most between two pieces. */
static void discard(struct session *session, int fd)
{
	static const struct timeval patience = {1, 0};
	char bytes[16384];
	ssize_t got;

	shutdown(fd, SHUT_WR);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	do
		got = read(fd, bytes, sizeof(bytes));
	while (got > 0 && !session_discard(session, (size_t)got));
}

void server_talk(struct server *server, int fd, const struct sockaddr_storage *peer,
		 const char *who, long number)
{
	struct buffer out = BUFFER_EMPTY;
	struct session session;
	char bytes[16384];
	bool broken = false;

	session_init(&session, peer, server->options->close_after);
	server_say_connected(server, &session, who, number);
	while (!session.closing) {
		ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			broken = true;
			break;
		}
		if (got)
			session_take(&session, bytes, (size_t)got, &out);
		else
			session_end(&session, &out);
		if (out.length) {
			server_say(server, out.data, out.length);
			broken = !write_all(fd, out.data, out.length);
			buffer_clear(&out);
		}
		if (broken || !got)
			break;
	}
	if (session.overlong && !broken)
		discard(&session, fd);
	server_account(server, &session, broken);
	buffer_release(&out);
	session_release(&session);
}

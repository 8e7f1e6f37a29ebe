/* What the models of the echo server share: the listening socket, counts, the end. */
#ifndef BATON_ECHO_SERVER_H
#define BATON_ECHO_SERVER_H

#include "echo/session.h"

#include <signal.h>

struct server_options {
	const char *model, *address, *accept;
	uint64_t port, queue, workers, close_after;
	bool quiet;
};

/* In memory that the processes of a server share; changed by atomic additions. */
struct server_totals {
	uint64_t connections, messages, overlong, broken; /* broken: ended by an error */
};

struct server {
	const struct server_options *options;
	int listener;
	bool child_accepts;
	struct server_totals *totals;
};

/* Each serves until server_stopping and returns 0 or -errno. */
int model_iterative(struct server *server);
int model_fork(struct server *server);
int model_prefork(struct server *server);
int model_thread(struct server *server);
int model_pool(struct server *server);
int model_epoll(struct server *server);
int model_uring(struct server *server);

/* Set by SIGINT and SIGTERM, which also shut the listener down, so that accept() returns, and the
 * connection of server_serving. */
extern volatile sig_atomic_t server_stopping;

/* The connection that this process (not: thread) is serving; -1: none. When the end comes its
 * receiving side is shut down: what the client had sent is still answered, then comes the end. */
extern volatile int server_serving;

/* accept(), closing on exec. Returns the descriptor, -ECANCELED when the server is stopping, or
 * another -errno that can't be got over. Errors of single connections are passed over. `flags` as
 * accept4's. -EAGAIN only where the listener doesn't block. */
int server_accept(struct server *server, struct sockaddr_storage *peer, int flags);

/* Talks with one client by blocking reads and writes; closing `fd` is the caller's. `who` is "pid"
 * or "thread", with a number: printed with the connection unless quiet. */
void server_talk(struct server *server, int fd, const struct sockaddr_storage *peer,
		 const char *who, long number);

/* The pieces of server_talk for the models that don't block. */
void server_say_connected(const struct server *server, const struct session *session,
			  const char *who, long number);
void server_say(const struct server *server, const char *bytes, size_t length);
void server_account(struct server *server, const struct session *session, bool broken);

#endif

/* The control socket of a daemon: a unix stream socket, one JSON object a line. A request is
 * {"command": NAME, ...}; it is answered by one object, which has "error" (a sentence) if it
 * failed. The socket is its owner's alone (mode 0600): who may open it may do everything. */
#ifndef BATON_CONTROL_REQUESTS_H
#define BATON_CONTROL_REQUESTS_H

#include <jansson.h>
#include <uv.h>

struct request;
struct request_server;

/* Must be answered once, now or later; `message` is the caller's only while the handler runs. */
typedef void (*request_handler)(struct request *request, const json_t *message, void *owner);

/* Listens at `path`; a socket that a dead daemon left is replaced. Returns 0, -EADDRINUSE if one
 * that lives is there, or -errno. */
int requests_serve(uv_loop_t *loop, const char *path, request_handler handler, void *owner,
		   struct request_server **server);

/* Closes the listener and all connections and removes the socket's file; open requests may still be
 * answered, into the void. Frees the server once the loop has run. */
void requests_end(struct request_server *server);

/* Answers; takes over the reference. The request is gone behind it. */
void request_answer(struct request *request, json_t *answer);
void request_fail(struct request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif

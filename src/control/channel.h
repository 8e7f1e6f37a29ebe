/* The control channel: JSON messages, one a line, between the front's daemon and the nodes', over
 * TCP. Both ends prove that they have the cluster's key before anything is believed, and every line
 * behind that carries a MAC of its own under a key of the session, with a counter, so that nobody
 * between them can put in, change, repeat or reorder one.
 *
 *	node -> front	{"hello": NAME, "nonce": N}
 *	front -> node	{"nonce": F}
 *	node -> front	{"proof": HMAC(key, "node" N F NAME)}
 *	front -> node	{"proof": HMAC(key, "front" N F NAME)}
 *	both		HMAC(session, direction counter JSON) " " JSON
 *	session		= HMAC(key, "session" N F NAME)
 *
 * HMAC is HMAC-SHA-256; with two keys in the file the front takes either, so keys can be changed
 * host by host. */
#ifndef BATON_CONTROL_CHANNEL_H
#define BATON_CONTROL_CHANNEL_H

#include "control/config.h"

#include <jansson.h>
#include <uv.h>

/* What a node says of a connection that the front wants killed. */
#define KILL_DONE   "killed"
#define KILL_OVER   "it was over"
#define KILL_MOVED  "it has just moved to another node"
#define KILL_FAILED "the kernel refused"

struct channel;

struct channel_events {
	/* The other end is who it says; `peer` is the node's name at the front, "" at a node. */
	void (*ready)(struct channel *channel, const char *peer, void *owner);
	/* The message is the caller's only while it runs. */
	void (*message)(struct channel *channel, const json_t *message, void *owner);
	/* Last call about this channel, which is freed behind it; `why` says what ended it. */
	void (*closed)(struct channel *channel, const char *why, void *owner);
};

/* Takes a connection from `listener` (front). NULL if it can't be had; the listener lives on. */
struct channel *channel_accept(uv_stream_t *listener, const struct config_keys *keys,
			       const struct channel_events *events, void *owner);

/* Begins to connect as the node `name`. Failure is told by `closed`. */
struct channel *channel_connect(uv_loop_t *loop, const struct endpoint *endpoint, const char *name,
				const struct config_keys *keys, const struct channel_events *events,
				void *owner);

/* Sends; takes over the reference. Before `ready` and behind the end it is dropped. */
void channel_send(struct channel *channel, json_t *message);

/* Ends it; `closed` is called from the loop. */
void channel_close(struct channel *channel, const char *why);

/* Opens a TCP listener on `endpoint`. Returns 0 or -errno (from libuv). */
int channel_listen(uv_loop_t *loop, uv_tcp_t *tcp, const struct endpoint *endpoint,
		   uv_connection_cb on_connection);

#endif

/* The echo protocol, without any socket: bytes of a client in, replies out.
 *
 * A message is a line. Its reply is "[time received] [client address] [client port] [message]" and
 * a newline. Any byte but the newline may stand in a message, also 0. A line longer than LINE_MOST
 * is answered by one line that says so, and ends the conversation. What stands unfinished when the
 * client stops sending is a message too. */
#ifndef BATON_ECHO_SESSION_H
#define BATON_ECHO_SESSION_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	LINE_MOST = 4096,
	/* After the last reply so much more is read and thrown away, so that closing doesn't reset
	 * the connection under a reply that is still on its way. */
	DISCARD_MOST = 256 * 1024,
};

struct session {
	char address[48];
	uint16_t port;
	struct buffer line;	  /* the unfinished message */
	uint64_t messages, limit; /* limit 0: none */
	bool overlong;		  /* ended by a line that was too long */
	bool closing;		  /* the last reply was made; input is thrown away */
	uint32_t discarded;
};

/* `limit`: the conversation ends after so many messages; 0: it doesn't. */
void session_init(struct session *session, const struct sockaddr_storage *peer, uint64_t limit);
void session_release(struct session *session);

/* Takes bytes and appends the replies to `out`. Sets `closing` when these are the last. */
void session_take(struct session *session, const char *bytes, size_t length, struct buffer *out);

/* The client won't send any more: the reply to an unfinished message, if there is one. */
void session_end(struct session *session, struct buffer *out);

/* When a closing session has read enough, or the client has ended, it is time to close. */
bool session_discard(struct session *session, size_t length);

/* Appends `bytes` with control characters and what is no UTF-8 written as \xNN; newlines stay. */
void text_printable(struct buffer *out, const char *bytes, size_t length);

#endif

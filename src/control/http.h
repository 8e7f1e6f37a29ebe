/* A small web server of Baton's own pages: files from inside the command, an API beside them.
 *
 * Requests whose Host is not this server's are refused, whatever they ask for: a browser must not
 * be made a bridge by a name that points here. Bodies of requests are not read. */
#ifndef BATON_CONTROL_HTTP_H
#define BATON_CONTROL_HTTP_H

#include "control/endpoint.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

struct http {
	const char *page; /* the file that "/" is; of the others only those that it needs */
	/* Answers what is no file, or returns MHD_NO with nothing queued: then it is a 404. `post`
	 * may be NULL. */
	enum MHD_Result (*get)(void *owner, struct MHD_Connection *connection, const char *path);
	enum MHD_Result (*post)(void *owner, struct MHD_Connection *connection, const char *path);
	void *owner;

	char host[ENDPOINT_TEXT]; /* as a browser names us */
	unsigned int port;
	struct MHD_Daemon *daemon;
};

/* Listens and serves in a thread of its own; `http`, with its upper half filled, is the caller's
 * and stays where it is. Returns 0 or -errno. */
int http_start(struct http *http, const struct endpoint *listen);
void http_stop(struct http *http);

/* Whether a Host (or what follows "http://" in an Origin) names this server: its own address, or
 * localhost. A name that an attacker lets point here is neither. */
bool http_is_self(const struct http *http, const char *host);

/* The value of a header line, or of an argument in the URL; NULL if there is none. */
const char *http_header(struct MHD_Connection *connection, const char *name);
const char *http_argument(struct MHD_Connection *connection, const char *name);

/* The last step of an answer. `bytes` are taken over or kept as `mode` says; `object` is taken
 * over; `why` becomes {"error": why}. */
enum MHD_Result http_send(struct MHD_Connection *connection, unsigned int status, const char *type,
			  const void *bytes, size_t length, enum MHD_ResponseMemoryMode mode);
enum MHD_Result http_send_json(struct MHD_Connection *connection, unsigned int status,
			       json_t *object);
enum MHD_Result http_send_error(struct MHD_Connection *connection, unsigned int status,
				const char *why);

#endif

/* What is asked for: one request line and headers, ready to send, and what the answer must be. */
#ifndef BATON_LOAD_TARGET_H
#define BATON_LOAD_TARGET_H

#include "base/command.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A URL taken apart and its host looked up. */
struct url {
	char host[256];	     /* name or address, without brackets */
	char authority[280]; /* what Host says: host, and port unless it is the scheme's own */
	uint16_t port;
	bool tls;
	char *path; /* with the query; "/" at least */
	struct sockaddr_storage address;
	socklen_t address_length;
};

/* Parses http:// or https:// and looks the host up (unless `look_up` is false). Returns 0, -EINVAL
 * for no such URL, -EHOSTUNREACH for an unknown host. */
int url_parse(struct url *url, const char *text, bool look_up);
void url_release(struct url *url);

/* Asks for the host's address now, as another client would: a name server may answer each question
 * with another one. Returns 0 or -EHOSTUNREACH. */
int url_look_up(const struct url *url, struct sockaddr_storage *address, socklen_t *length);

enum { LENGTH_ANY = -1 };

struct target {
	char *keep;  /* request that keeps the connection */
	char *close; /* the same with Connection: close */
	uint32_t keep_length, close_length;
	uint64_t seed;	 /* of the body's content (load/content.h) */
	int64_t length;	 /* of the body, or LENGTH_ANY */
	uint16_t status; /* the status the answer must have; 0: any below 400; 400: any from 300 */
	uint16_t class_index;
	bool head;     /* HEAD: the answer has no body */
	bool verified; /* the body's bytes are checked */
	double weight; /* for mixes */
	char *path;
};

struct targets {
	struct target *items;
	size_t count, room;
};

/* Appends a request of `method` for `path` at `url`'s host; `headers` are further header lines
 * ("Name: value"), may be NULL. A `verified` target whose path is no file's name is refused.
 * Returns the index of the target or -EINVAL. */
int target_add(struct targets *targets, const struct url *url, const char *method, const char *path,
	       const struct option_list *headers, bool verified);
void targets_release(struct targets *targets);

/* "/a/{1..20}.html": calls `take` with every text the pattern stands for, each {A..B} a row of
 * whole numbers (the last runs fastest; a row with a leading zero in A is padded to A's width).
 * Returns 0, -EINVAL for a bad or an endless pattern (above 10 million), or what `take` returned if
 * not 0. */
int pattern_each(const char *pattern, int (*take)(void *context, const char *text), void *context);

#endif

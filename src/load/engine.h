/* The one loop that all kinds of load share: a single thread, epoll, a row of connections ("slots")
 * that a source of requests keeps busy.
 *
 * The source says what is to be sent and when; the engine says when it was, what came back, and
 * counts. Closed loop, open loop and simulated users differ in their sources alone. */
#ifndef BATON_LOAD_ENGINE_H
#define BATON_LOAD_ENGINE_H

#include "load/tally.h"
#include "load/target.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define SLOT_ANY UINT32_MAX

struct request {
	const struct target *target;
	uint64_t due;  /* when it should be sent (clock_now's clock); 0: as soon as may be. Latency
			* counts from here, so a stall is seen by all that it kept waiting */
	uint32_t slot; /* SLOT_ANY, or the connection it must go over, which must be free */
	uint32_t tag;  /* the source's own */
	bool last;     /* the connection ends with it */
};

enum source_answer {
	SOURCE_REQUEST, /* `request` is filled */
	SOURCE_WAIT, /* nothing now: ask again at request->due, or (UINT64_MAX) when one finished */
	SOURCE_END,  /* there will be no more */
};

struct source {
	enum source_answer (*next)(struct source *self, uint64_t now, struct request *request);
	/* May be NULL. Called once for each request given out, right or not, but not for those that
	 * are under way when the time is over. */
	void (*finished)(struct source *self, const struct request *request, uint64_t now,
			 bool right);
	bool bound; /* requests name their slots */
};

struct engine_options {
	struct url *url;
	uint32_t connections;
	uint32_t per_connection; /* requests, then a new connection; 0: no end */
	uint32_t pipeline;	 /* requests sent at once over one connection; 1: none */
	uint64_t timeout;	 /* of one request, ns */
	uint64_t duration;	 /* of the run, ns; 0: until the source ends */
	uint64_t interval;	 /* of the time series, ns */
	const struct sockaddr_storage *sources; /* connection i comes from address i % count */
	uint32_t source_count;
	const char *node_header; /* that names the node */
	const char *server_name; /* for TLS; NULL: the URL's host */
	const char *authorities; /* PEM file: the server's certificate is checked against it */
	bool look_up_each;	 /* every connection's address is asked for, before the run */
	bool resume;		 /* TLS sessions */
	bool size_classes;	 /* classes are sizes of bodies, not the targets' own */
	bool progress;		 /* a line on stderr, on a terminal */
};

/* Plays the source's requests and counts into `tally` (initialised). SIGINT and SIGTERM end the run
 * as its duration does. Returns 0 or -errno (-EHOSTUNREACH: its name isn't known) where the run
 * could not be begun. */
int engine_run(const struct engine_options *options, struct source *source, struct tally *tally);

#endif

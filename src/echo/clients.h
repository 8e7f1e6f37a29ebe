/* The echo laboratory's clients: many connections in one process, each sends a line, waits for the
 * whole reply, checks it and sends the next. */
#ifndef BATON_ECHO_CLIENTS_H
#define BATON_ECHO_CLIENTS_H

#include "base/histogram.h"

#include <stdio.h>

struct clients_options {
	unsigned int port; /* on 127.0.0.1 */
	unsigned int count;
	/* ns. What is measured begins when every client has had its first reply, or after
	 * `settle`, and goes on for `duration`. */
	uint64_t settle, duration;
	unsigned int size;	 /* bytes of a message, without the newline */
	uint64_t per_connection; /* connect anew after so many messages; 0: never */
	/* A line "client,sent_us,rtt_us,measured" for each message, those before the measured time
	 * too; or NULL. */
	FILE *rtts;
	void (*settled)(void *user); /* called when the measured time begins */
	void *user;
};

struct clients_result {
	/* ns; `rtt` of the measured time, `first_reply` of the whole run. The first message of a
	 * connection is in first_reply alone, from connect() on: it may have waited for the
	 * server's turn. */
	struct histogram *rtt, *first_reply;
	uint64_t *one; /* every RTT of the first client, in order */
	uint64_t one_count;
	uint64_t messages;     /* in the measured time */
	uint64_t all_messages; /* before it too */
	uint64_t connections;
	uint64_t refused, reset, closed, wrong; /* errors, by what happened */
	unsigned int starved;			/* clients that never got a reply */
	double settle_seconds, seconds;
};

/* Runs them. The result is the caller's to release, also after an error. Returns 0 or -errno. */
int clients_run(const struct clients_options *options, struct clients_result *result);
void clients_release(struct clients_result *result);

#endif

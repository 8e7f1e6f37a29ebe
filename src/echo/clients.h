/* The echo laboratory's clients: many connections in one process, each sends a line, waits for the
 * whole reply, checks it and sends the next. */
#ifndef BATON_ECHO_CLIENTS_H
#define BATON_ECHO_CLIENTS_H

#include "base/histogram.h"

#include <stdio.h>

struct clients_options {
	unsigned int port; /* on 127.0.0.1 */
	unsigned int count;
	uint64_t duration;	 /* ns */
	unsigned int size;	 /* bytes of a message, without the newline */
	uint64_t per_connection; /* connect anew after so many messages; 0: never */
	FILE *rtts;		 /* a line "client,sent_us,rtt_us" for each message; or NULL */
};

struct clients_result {
	/* ns. The first message of a connection is in first_reply alone, from connect() on: it may
	 * have waited for the server's turn. */
	struct histogram *rtt, *first_reply;
	uint64_t *one; /* every RTT of the first client, in order */
	uint64_t one_count;
	uint64_t messages, connections;
	uint64_t refused, reset, closed, wrong; /* errors, by what happened */
	unsigned int starved;			/* clients that never got a reply */
	double seconds;
};

/* Runs them. The result is the caller's to release, also after an error. Returns 0 or -errno. */
int clients_run(const struct clients_options *options, struct clients_result *result);
void clients_release(struct clients_result *result);

#endif

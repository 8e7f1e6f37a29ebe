/* What the echo laboratory found, and how it is told: table, JSON, CSV, charts. */
#ifndef BATON_ECHO_RESULT_H
#define BATON_ECHO_RESULT_H

#include "echo/clients.h"
#include "echo/sample.h"

#include <jansson.h>

enum { EDGE = 20 }; /* the paper shows the first, middle and last 20 RTTs of one client */

/* One model with one number of clients. */
struct result {
	const char *model;
	unsigned int clients, queue;
	struct clients_result seen;
	struct samples used;
	uint64_t retransmissions, syn_retransmissions, overflows, drops; /* the kernel's counters */
	double server_seconds;						 /* of processor time */
	uint64_t switches; /* context switches of the server's processes */
};

struct results {
	struct result *items;
	unsigned int count;
	double seconds; /* asked for */
	const char *accept;
};

void results_table(const struct results *results);

/* {"results":[...]}; a new reference. */
json_t *results_json(const struct results *results);

/* Writes report.html, results.csv and the charts as SVG into `directory`. Returns 0 or -errno. */
int results_write(const struct results *results, const char *directory);

#endif

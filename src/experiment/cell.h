/* One cell of the experiment: one structure with one policy, so many nodes, one workload, in a lab
 * of its own that is made for it and taken away. */
#ifndef BATON_EXPERIMENT_CELL_H
#define BATON_EXPERIMENT_CELL_H

#include "experiment/cases.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct cell_settings {
	const char *folder;		  /* of the workloads */
	const char *node_cpu, *front_cpu; /* shares as `lab up --cpu` has them */
	const char *rate;		  /* of nodes' and fronts' cables, bits a second */
	const char *memory;		  /* of a cache */
	uint64_t warm_s, seconds;	  /* before and while it is measured */
	uint64_t connections;		  /* for each node */
	bool keep_alive;
	const volatile sig_atomic_t *stop; /* set by a signal: the cell ends at once */
};

/* Runs the cell: loads it for warm_s and seconds in one go and measures the latter. Returns what
 * came of it, the caller's, or NULL with a line on stderr. Keys: structure, policy, workload,
 * nodes, requests, errors (warming included), requests_per_second, spread (twice its standard
 * error, by twelfths of the time), mbit_per_second, p50_us, p99_us (warming included), hit_ratio,
 * origin_bytes, stored_bytes, unique_bytes, copies, front_cpu (of one CPU, packets included),
 * front_us (a request), front_mbit (what it sends), node_cpu (of one CPU, the mean of what nodes'
 * processes take), load (mean over largest node). */
json_t *cell_run(const struct cell_settings *settings, const struct experiment_case *which,
		 unsigned int nodes, const char *workload);

#endif

/* One cell of the experiment: one structure with one policy, so many nodes, one workload, in a lab
 * of its own that is made for it and taken away. */
#ifndef BATON_EXPERIMENT_CELL_H
#define BATON_EXPERIMENT_CELL_H

#include "experiment/cases.h"

#include <jansson.h>
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
};

/* Runs the cell. Returns what came of it, the caller's, or NULL with a line on stderr. Keys:
 * structure, policy, workload, nodes, requests, errors, requests_per_second, mbit_per_second,
 * p50_us, p99_us, hit_ratio, origin_bytes, stored_bytes, unique_bytes, copies, front_cpu (of one
 * CPU, packets included), front_us (a request), load (mean over largest node). */
json_t *cell_run(const struct cell_settings *settings, const struct experiment_case *which,
		 unsigned int nodes, const char *workload);

#endif

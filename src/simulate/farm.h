/* A cluster in which every node fronts: a connection comes to one node by turns (round-robin DNS),
 * that one reads the request, asks the dispatcher who is to serve it, and hands the connection over
 * if it is another one. Under DS a node serves hot targets of its own without asking. The model
 * behind `simulate hong2004`. */
#ifndef BATON_SIMULATE_FARM_H
#define BATON_SIMULATE_FARM_H

#include "place/build.h"
#include "base/parameters.h"
#include "simulate/workload.h"

struct farm_result {
	double per_second;	      /* requests answered */
	double mean_ms, p99_ms;	      /* from connecting to the last byte */
	double hits;		      /* share served from memory */
	double handed, alone;	      /* shares: handed off; decided by the node itself */
	double balance;		      /* busiest node's requests over the mean */
	double processor, dispatcher; /* shares of time in use: the nodes' mean; the dispatcher's */
};

/* Runs `threads` clients against `nodes` nodes. Returns 0 or -ENOMEM. */
int farm_run(const struct parameters *parameters, const struct workload *files,
	     enum place_policy policy, uint32_t nodes, uint32_t threads, uint64_t seed,
	     struct farm_result *result);

#endif

/* One run of a trace against caches: hits, balance, throughput, what a change moves. */
#ifndef BATON_SIMULATE_HITS_H
#define BATON_SIMULATE_HITS_H

#include "place/build.h"
#include "simulate/workload.h"

#include <stdio.h>

struct hits_setting {
	enum place_policy policy;
	uint32_t nodes;
	uint64_t cache;	  /* bytes of each node's cache */
	uint32_t clients; /* requests in flight for each node */
	uint64_t hit_ns;  /* a node's processor, each request */
	uint64_t miss_ns; /* waiting for the origin, each miss */
	double byte_ns;	  /* a node's link */
	uint64_t seed;
	FILE *placements; /* gets a line for each request, or NULL */
};

struct hits_result {
	uint64_t requests, hits, bytes, origin_bytes;
	double most_requests, most_bytes; /* of one node, over the mean */
	double seconds;			  /* simulated */
	double mean_ms, p99_ms;		  /* time of a request */
	double moved; /* of the objects when one node goes; negative: objects have no node */
	double moved_needlessly; /* the same of those that the lost node didn't have */
};

/* Returns 0 or -ENOMEM. */
int hits_run(const struct workload *trace, const struct hits_setting *setting,
	     struct hits_result *result);

#endif

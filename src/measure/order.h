/* In which order a plan is carried out: guests of a round in random order, and within a guest its
 * repetitions in random order, so that drift meets all alike. */
#ifndef BATON_MEASURE_ORDER_H
#define BATON_MEASURE_ORDER_H

#include "measure/plan.h"

#include <stddef.h>

/* A guest to boot: subject, network, memory. */
struct place {
	const struct plan_subject *subject;
	enum network network;
	uint64_t memory;
};

/* A repetition: what is done in it. */
struct item {
	const struct plan_workload *workload;
	enum vantage vantage;
	unsigned int repeat;
	bool warm_up;
};

/* The guests of a round. The caller frees. */
struct place *order_places(const struct plan *plan, unsigned int round, size_t *count);

/* What is still to do with a guest in a round, in the order that `seed` gives: `*warm` warm-ups
 * first, `*count` with them. What `done` says has been done is left out; the order of the rest does
 * not depend on it. A repetition of iperf3 or sockperf stands beside the same repetition of ours,
 * after it where its number is odd, before it where it is even (ABBA), so that a pair meets the
 * same machine. The caller frees. */
struct item *
order_items(const struct plan *plan, const struct place *place, unsigned int round, uint64_t seed,
	    bool (*done)(const void *context, const struct place *place, const struct item *item),
	    const void *context, size_t *count, size_t *warm);

#endif

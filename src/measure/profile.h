/* A measured guest as a node of the simulator's. */
#ifndef BATON_MEASURE_PROFILE_H
#define BATON_MEASURE_PROFILE_H

#include "measure/plan.h"

/* Prints lines "name value", as base/parameters.h has them, for `baton simulate --measured` and
 * `baton lab up --profile`: from workloads `connect`, `goodput` (get) and, if it was measured,
 * `round-trip`, all from outside. Returns 0, or EXIT_FAILED with a line on stderr where one of the
 * first two was not measured. */
int profile_print(const struct plan *plan, const char *folder, const char *subject,
		  const char *network, uint64_t memory);

#endif

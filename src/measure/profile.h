/* A measured guest as a node of the simulator's. */
#ifndef BATON_MEASURE_PROFILE_H
#define BATON_MEASURE_PROFILE_H

#include "measure/plan.h"

/* Prints lines "name value" for `baton simulate --measured`: hit_us, this host's CPU time of the
 * guest for a connection that is made, answered and ended (workload `connect`, external), and
 * link_mbit, the goodput from the guest (workload `goodput`, get, external). Returns 0, or
 * EXIT_FAILED with a line on stderr where one of them was not measured. */
int profile_print(const struct plan *plan, const char *folder, const char *subject,
		  const char *network, uint64_t memory);

#endif

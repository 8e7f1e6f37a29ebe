/* What central policies remember of targets, on the host: a hash table of fixed room that refuses
 * when it is full, as the kernel's does. */
#ifndef BATON_PLACE_TARGETS_H
#define BATON_PLACE_TARGETS_H

#include "place/world.h"

/* Room for `room` targets; NULL when memory is out. */
struct place_targets *targets_new(__u32 room);
void targets_free(struct place_targets *targets);
__u32 targets_count(const struct place_targets *targets);

/* Forgets all that were asked for last before `before_ns`. Returns how many. */
__u32 targets_evict(struct place_targets *targets, __u64 before_ns);

#endif

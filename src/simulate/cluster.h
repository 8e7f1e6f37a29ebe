/* Simulated nodes behind the real policy code: a world with one pool. */
#ifndef BATON_SIMULATE_CLUSTER_H
#define BATON_SIMULATE_CLUSTER_H

#include "place/build.h"
#include "simulate/workload.h"

#include <stdbool.h>

/* Makes a world for `nodes` nodes (node ids 1 .. nodes, named node1 ...) and the thread's own, with
 * `policy` in pool 0; `targets` is the room of the table of targets. NULL when memory is out. */
struct place_world *cluster_new(const struct place_plan *plan, uint32_t nodes, uint32_t targets);

/* Builds pool 0 anew with node `down` (0: none) down. Returns 0 or -ENOMEM. */
int cluster_build(struct place_world *world, const struct place_plan *plan, uint32_t nodes,
		  uint32_t down);

/* Places a request for the object. Returns the node's id. */
uint32_t cluster_place(const struct workload_object *object, uint64_t client, uint64_t random,
		       uint64_t now_ns, uint32_t asker, uint32_t flags);

/* A request of the node's is done. */
void cluster_done(uint32_t node);

#endif

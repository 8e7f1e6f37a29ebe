#include "simulate/cluster.h"

#include "place/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int cluster_build(struct place_world *world, const struct place_plan *plan, uint32_t nodes,
		  uint32_t down)
{
	struct place_node *list = calloc(nodes, sizeof(*list));
	char(*names)[16] = calloc(nodes, sizeof(*names));
	struct place_plan with = *plan;
	int error = -ENOMEM;

	if (list && names) {
		for (uint32_t i = 0; i < nodes; i++) {
			snprintf(names[i], sizeof(names[i]), "node%u", i + 1);
			list[i] = (struct place_node){i + 1, names[i], 1,
						      i + 1 == down ? PLACE_DOWN : PLACE_UP};
		}
		with.nodes = list;
		with.count = nodes;
		error = place_build(world, 0, &with);
	}
	free(list);
	free(names);
	return error;
}

struct place_world *cluster_new(const struct place_plan *plan, uint32_t nodes, uint32_t targets)
{
	/* Two copies of the largest table: 655,373 slots, or a ring. */
	struct place_world *world = world_new(2 * nodes, 1 << 20, targets);

	if (world && cluster_build(world, plan, nodes, 0)) {
		world_free(world);
		return NULL;
	}
	place_world = world;
	return world;
}

uint32_t cluster_place(const struct workload_object *object, uint64_t client, uint64_t random,
		       uint64_t now_ns, uint32_t asker, uint32_t flags)
{
	struct place_query query = {.target = object->target,
				    .client = client,
				    .random = random,
				    .now_ns = now_ns,
				    .carp = object->carp,
				    .md5 = object->md5,
				    .node = asker,
				    .flags = flags};
	__s32 node = place_choose(&query);

	return node > 0 ? node : 0;
}

void cluster_done(uint32_t node)
{
	place_world->loads[node].handed++;
	place_world->loads[PLACE_NODES_MAX].handed++;
}

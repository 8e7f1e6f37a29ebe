#include "place/world.h"

#include "place/targets.h"

#include <stdlib.h>

__thread struct place_world *place_world;

struct place_world *world_new(__u32 members_room, __u32 table_room, __u32 targets)
{
	struct place_world *world = calloc(1, sizeof(*world));

	if (!world)
		return NULL;
	world->pools = calloc(2 * PLACE_POOLS_MAX, sizeof(*world->pools));
	world->members = calloc(members_room, sizeof(*world->members));
	world->table = calloc(table_room, sizeof(*world->table));
	world->states = calloc(PLACE_POOLS_MAX, sizeof(*world->states));
	world->loads = calloc(PLACE_NODES_MAX + PLACE_POOLS_MAX, sizeof(*world->loads));
	world->members_room = members_room;
	world->table_room = table_room;
	if (targets)
		world->targets = targets_new(targets);
	if (!world->pools || !world->members || !world->table || !world->states || !world->loads ||
	    (targets && !world->targets)) {
		world_free(world);
		return NULL;
	}
	return world;
}

void world_free(struct place_world *world)
{
	if (!world)
		return;
	free(world->pools);
	free(world->members);
	free(world->table);
	free(world->states);
	free(world->loads);
	targets_free(world->targets);
	free(world);
}

/* A world with ten nodes, 101 to 110, for the tests of policies. */
#ifndef BATON_TESTS_PLACE_TEN_NODES_H
#define BATON_TESTS_PLACE_TEN_NODES_H

#include "../unit.h"

#include "place/build.h"
#include "place/hash.h"
#include "place/place.h"

#include <stdbool.h>
#include <stdio.h>

enum { NODES = 10, FIRST = 101 };

static char names[NODES][16];
static struct place_node nodes[NODES];

static int setup(void **state)
{
	*state = place_world = world_new(1 << 14, 1 << 19, 1 << 16);
	for (int i = 0; i < NODES; i++) {
		snprintf(names[i], sizeof(names[i]), "node%d", i + 1);
		nodes[i] = (struct place_node){FIRST + i, names[i], 1, PLACE_UP};
	}
	return place_world ? 0 : -1;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* One of a node's requests is done. */
static inline void finish(__u32 node)
{
	place_world->loads[node].handed++;
	place_world->loads[PLACE_NODES_MAX].handed++;
}

/* Sets a node's load without any request having been placed. */
static inline void set_load(__u32 node, __u64 load)
{
	place_world->loads[node] = (struct place_load){.in_service = load};
}

#endif

/* rr: round robin. Every node that is up in turn, whatever is asked for and whatever it weighs.
 *
 * Source: the layer-4 schedulers of Linux Virtual Server (Zhang 2000) and any before. Cost: one
 * atomic addition. Memory: 8 bytes a pool. A node that comes or goes changes the turn of all, but
 * no target had a node. Decides anywhere; nodes that each take their own turns are even together as
 * well.
 */
#ifndef BATON_PLACE_RR_H
#define BATON_PLACE_RR_H

#include "place/access.h"

SUBPROGRAM __s32 place_rr(struct place_query *query)
{
	const struct place_pool *pool;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	return place_node_of(pool, place_turn(query) % pool->up);
}

#endif

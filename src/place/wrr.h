/* wrr: round robin by weight, smooth: a node of weight 3 among two of weight 1 comes as a b a c a,
 * not a a a b c.
 *
 * Source: nginx's smooth weighted round robin (2012); the builder writes a whole period of it into
 * the table, so a decision takes a turn and reads a slot, and CPUs need no lock. Cost: one atomic
 * addition, one look-up. Memory: 2 bytes a turn of the period, which is the sum of the weights over
 * their common divisor, at most PLACE_PERIOD_MAX (weights are rounded to fit). No target has a
 * node, so none moves. Decides anywhere.
 */
#ifndef BATON_PLACE_WRR_H
#define BATON_PLACE_WRR_H

#include "place/access.h"

SUBPROGRAM __s32 place_wrr(struct place_query *query)
{
	const struct place_pool *pool;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->slots)
		return -2;
	return place_node_of(pool, place_slot_at(pool, place_turn(query) % pool->slots));
}

#endif

/* mod-ch: the ring, with every node's share made even. The circle is cut in 65,536 equal
 * slots; in a fixed order each slot goes to the first node at or behind it that has not yet its
 * share.
 *
 * Source: Kwon, Kwak and Chung 2008 compare a "MOD_CH" that mends the uneven loads of consistent
 * hashing, but the paper that it comes from was not found: what is built here is our reading, the
 * capacity rule of Mirrokni, Thorup and Zadimoghaddam (2016) applied to shares of the circle
 * instead of requests. Cost: one look-up. Memory: 2 bytes a slot. Shares are even within one slot.
 * When a node of N goes its targets move, and some of others whose node's share grew: 2 % with ten
 * nodes. Decides anywhere.
 */
#ifndef BATON_PLACE_MOD_CH_H
#define BATON_PLACE_MOD_CH_H

#include "place/access.h"
#include "place/hash.h"

SUBPROGRAM __s32 place_mod_ch(struct place_query *query)
{
	const struct place_pool *pool;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->slots)
		return -2;
	return place_node_of(pool, place_slot_at(pool, place_below(query->target, pool->slots)));
}

#endif

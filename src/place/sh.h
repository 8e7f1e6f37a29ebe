/* sh and dh: a hash of the client's address (source) or of the target (destination: what the client
 * wants to reach) picks a slot of a table that the nodes fill in turn, each as often as it weighs.
 *
 * Source: Linux Virtual Server's schedulers sh and dh (Zhang, Langen). Cost: one look-up. Memory: 2
 * bytes a slot, PLACE_HASH_SLOTS slots. When a node comes or goes the table is filled anew and
 * nearly all slots change hands; maglev is the same cost without that. Decides anywhere.
 */
#ifndef BATON_PLACE_SH_H
#define BATON_PLACE_SH_H

#include "place/access.h"
#include "place/hash.h"

SUBPROGRAM __s32 place_slot_hash(struct place_query *query, __u64 hash)
{
	const struct place_pool *pool;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->slots)
		return -2;
	return place_node_of(pool, place_slot_at(pool, place_below(place_mix(hash), pool->slots)));
}

#endif

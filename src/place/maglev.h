/* maglev: a table of prime size in which every node has its own order of preference; the nodes take
 * turns (as often as they weigh) to claim the first free slot of their order.
 *
 * Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 * section 3.4. Cost: one look-up. Memory: 2 bytes a slot; 65,537 slots up to 512 nodes, 655,373
 * above. Shares differ by about 1 % at most (nodes * 100 <= slots). When a node of N goes, its 1/N
 * of the targets moves, and a few of the others (the paper's figure 12; 0.2 % with ten nodes).
 * Decides anywhere.
 */
#ifndef BATON_PLACE_MAGLEV_H
#define BATON_PLACE_MAGLEV_H

#include "place/access.h"
#include "place/hash.h"

SUBPROGRAM __s32 place_maglev(struct place_query *query)
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

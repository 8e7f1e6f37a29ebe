/* mit-ch: consistent hashing.
 *
 * Source: Karger et al., "Consistent hashing and random trees", STOC 1997, and the virtual nodes of
 * Chord and of "Web caching with consistent hashing" (Karger et al. 1999). Cost: a bisection, one
 * look-up for each doubling of the points. Memory: 8 bytes a point, 160 points a node of least
 * weight, fewer where they would not fit. Shares spread by about 1 / sqrt(points): 8 %. When a node
 * goes exactly its targets move, to the nodes behind its points; one that comes takes 1/N from all.
 * Decides anywhere.
 */
#ifndef BATON_PLACE_MIT_CH_H
#define BATON_PLACE_MIT_CH_H

#include "place/ring.h"

SUBPROGRAM __s32 place_mit_ch(struct place_query *query)
{
	const struct place_pool *pool;
	const __u64 *point;
	__u64 at;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->slots)
		return -2;
	at = ring_find(pool, query->target);
	point = place_word_at(pool, at < pool->slots ? at : 0);
	return point ? place_node_of(pool, *point & PLACE_POINT_MEMBER) : -2;
}

#endif

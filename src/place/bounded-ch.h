/* bounded-ch: consistent hashing with bounded loads. The ring, but a node that has its bound (the
 * mean load by weight times 1.25, rounded up) is passed by.
 *
 * Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016. Cost:
 * a bisection, then two look-ups for each point passed: (1 / 0.25)^2 nodes in the mean at most.
 * Memory: as mit-ch. The bound holds for what this decider knows; several deciders together know
 * only what nodes reported. A node that goes moves its targets, and of others O(1 / 0.25^2) each.
 * Decides anywhere, exactly in one place.
 */
#ifndef BATON_PLACE_BOUNDED_CH_H
#define BATON_PLACE_BOUNDED_CH_H

#include "place/ring.h"

SUBPROGRAM __s32 place_bounded_ch(struct place_query *query)
{
	const struct place_member *member;
	const struct place_pool *pool;
	const __u64 *point;
	__u64 zero, at, left, total, whole;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->slots)
		return -2;
	zero = pool->zero;
	/* With the request that is to be placed. */
	total = (place_node_load(PLACE_NODES_MAX + query->pool) + 1) * pool->bound;
	whole = pool->weight_total << 10;
	if (!whole)
		return -2;
	at = ring_find(pool, query->target);
	left = pool->slots;
	FORGET(left, zero);
	while (left) {
		LOOP_STEP(left, zero);
		FORGET(at, zero);
		if (at >= pool->slots)
			at = 0;
		point = place_word_at(pool, at);
		if (!point)
			break;
		member = place_member_at(pool, *point & PLACE_POINT_MEMBER);
		if (!member)
			break;
		if (place_node_load(member->node) * whole < total * member->weight) {
			if (left != pool->slots)
				query->reason = PLACE_REASON_OVERLOAD;
			return place_node_of(pool, *point & PLACE_POINT_MEMBER);
		}
		at++;
		left--;
	}
	/* The sum lags behind the nodes' own loads: as if there were no bound. */
	at = ring_find(pool, query->target);
	point = place_word_at(pool, at < pool->slots ? at : 0);
	return point ? place_node_of(pool, *point & PLACE_POINT_MEMBER) : -2;
}

#endif

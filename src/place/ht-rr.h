/* ht-rr: targets fall into PLACE_BUCKETS hash buckets; a bucket is given to the next node in turn
 * when it is first seen, and keeps it.
 *
 * Source: Kwon, Kwak and Chung 2006 (hash table with round robin), compared in their paper of 2008.
 * Cost: one look-up in the table of targets, an atomic addition for a new bucket. Memory: one entry
 * a bucket. When a node goes its buckets are given out in turn again, nothing else moves; one that
 * comes gets only new buckets. Needs one decider: two would give the same bucket to different
 * nodes.
 */
#ifndef BATON_PLACE_HT_RR_H
#define BATON_PLACE_HT_RR_H

#include "place/hash.h"
#include "place/target_set.h"

enum { PLACE_BUCKETS = 16384 };

/* The node that `key` is given to; a new one in turn if it has none, or none that is up. */
INLINE __s32 place_in_turn(struct place_query *query, const struct place_target_key *key)
{
	struct place_target *target = place_target_find(key);
	const struct place_pool *pool = place_pool_at(query->pool);
	const struct place_member *member;
	__s32 node;

	if (!pool || !pool->up)
		return -2;
	if (target) {
		__u32 held = target->nodes[0] & 0xffff;

		member = place_member_of(pool, held);
		if (!(query->flags & PLACE_PEEK))
			target->used_ns = query->now_ns;
		if (member && member->state == PLACE_UP) {
			query->reason = PLACE_REASON_HIT;
			return held;
		}
		query->reason = PLACE_REASON_DOWN;
	} else {
		query->reason = PLACE_REASON_ASSIGNED;
	}
	node = place_node_of(pool, place_turn(query) % pool->up);
	if (node < 0 || query->flags & PLACE_PEEK)
		return node;
	if (target) {
		set_only(target, node, query->now_ns);
		return node;
	}
	return target_assign(query, key, node);
}

SUBPROGRAM __s32 place_ht_rr(struct place_query *query)
{
	struct place_target_key key = {0};

	if (!query)
		return -22;
	key.target = place_below(query->target, PLACE_BUCKETS);
	key.pool = query->pool;
	key.scope = query->scope;
	return place_in_turn(query, &key);
}

#endif

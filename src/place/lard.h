/* lard, lard-2004 and lard-r: locality-aware request distribution.
 *
 * lard: a target that has no node gets the least loaded one and keeps it, unless its load is above
 * T_high while some node is below T_low, or has reached 2 T_high: then the least loaded one takes
 * over. lard-2004: it keeps its node while that is below MAX_LOAD; else the least loaded one takes
 * over. lard-r: a target has a set of nodes and goes to the least loaded of them; by lard's rule
 * the least loaded of all joins the set; a set that has been still for K loses its most loaded
 * node.
 *
 * Source: Pai et al., "Locality-Aware Request Distribution in Cluster-based Network Servers",
 * ASPLOS 1998 (T_low 25, T_high 65, K 20 s); the cost form of Hong and Noh 2004 with costs hit 0,
 * miss 1, balance 0, invalid infinite, ties to the least loaded, MAX_LOAD 80. Loads are requests in
 * service, limits are for a node of mean weight. The 1998 front also keeps connections waiting when
 * the nodes have (N - 1) T_high + T_low - 1 of them; this one never does: nothing is kept. Cost:
 * one look-up in the table of targets, two a node when the limit is passed or the target is new.
 * Memory: one entry a target. When a node goes its targets are placed anew as they come, nothing
 * else moves. Needs one decider: the dispatcher.
 */
#ifndef BATON_PLACE_LARD_H
#define BATON_PLACE_LARD_H

#include "place/target_set.h"

/* The 1998 rule: has `node` so much that the target should be somewhere else too? `least` is the
 * least loaded node. */
INLINE __u32 lard_moves(const struct place_pool *pool, __u32 node, __u32 least)
{
	const struct place_member *member = place_member_of(pool, node);
	const struct place_member *other = place_member_of(pool, least);

	if (!member || !other || node == least)
		return 0;
	return load_reached(pool, member, 2ull * pool->high) ||
	       (load_over(pool, member, pool->high) && !load_reached(pool, other, pool->low));
}

enum { LARD_ONE, LARD_COST, LARD_SET };

SUBPROGRAM __s32 place_lard(struct place_query *query, __u32 kind)
{
	struct place_target_key key;
	const struct place_member *member;
	const struct place_pool *pool;
	struct place_target *target;
	__u64 changed, limit;
	__s32 node, least, most;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	key = target_key(query);
	target = place_target_find(&key);
	if (!target) {
		query->reason = PLACE_REASON_ASSIGNED;
		least = place_least(query, 0, LEAST_IN_TURN | LEAST_BY_WEIGHT);
		return least > 0 ? target_assign(query, &key, least) : least;
	}
	changed = target->changed_ns;
	query->reason = PLACE_REASON_HIT;
	node = place_least_of(query, target);
	member = node > 0 ? place_member_of(pool, node) : 0;
	limit = kind == LARD_COST ? pool->limit : pool->high;
	/* Nobody else is looked at while the node is not near its limit. */
	if (!member || load_reached(pool, member, limit)) {
		least = place_least(query, 0, LEAST_IN_TURN | LEAST_BY_WEIGHT);
		if (least > 0 && (!member || kind == LARD_COST || lard_moves(pool, node, least))) {
			if (member && least != node)
				query->reason = PLACE_REASON_OVERLOAD;
			node = least;
			if (query->flags & PLACE_PEEK)
				return node;
			if (kind != LARD_SET)
				set_only(target, node, query->now_ns);
			else if (!set_has(target, node))
				set_add(target, node, query->now_ns);
		}
	}
	if (query->flags & PLACE_PEEK)
		return node;
	target->used_ns = query->now_ns;
	if (kind == LARD_SET && query->now_ns - changed > pool->window_ns) {
		most = place_most_of(query, target);
		if (most > 0 && most != node)
			set_remove(target, most, query->now_ns);
	}
	return node;
}

#endif

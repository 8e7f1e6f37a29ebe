/* ds and ds-2004: dual scheduling. LARD for targets that are not hot; hot ones get more nodes, and
 * a node serves a hot target that is its own without asking.
 *
 * Source: Hong and Noh 2004. What they leave open is decided so. ds-2004: a target is hot when less
 * than hot_gap_ns (5 ms: 200 a second) have passed since its last request; a hot request goes to
 * the asking node if that is below its limit (then nothing is handed off), else to the least loaded
 * node outside the set, which joins it; a full set's least loaded node serves. A cold request is
 * LARD's (cost form) and leaves the target only that node. ds: the rate is counted with exponential
 * decay (time constant `decay_ns`, 1/2 s where nobody says otherwise, see docs/simulation.md)
 * instead of guessed from one gap; the target is to have as many nodes as hot rates, one is added
 * when the rate has passed what the set is for, and given back when it has fallen below half of
 * what one node less is for, one every 1/4 s at most; between times the asking node if it is of the
 * set, else the least loaded.
 *
 * Cost: one look-up in the table of targets, two a node when a node is added. Memory: one entry a
 * target, and one on each node that has it. When a node goes its place in sets is free again, no
 * other target moves. The dispatcher decides (place_ds); nodes decide by place_alone.
 */
#ifndef BATON_PLACE_DS_H
#define BATON_PLACE_DS_H

#include "place/lard.h"

#define DS_ASK_NS 100000000ull

/* Counts `requests` more at `now`. Returns the rate, in 1/1024 of a request in `decay` ns. */
INLINE __u64 ds_rate(struct place_target *target, __u64 now, __u32 requests, __u64 decay)
{
	__u64 gap = now - target->used_ns, rate = target->rate;

	/* The first two terms of exp(-gap / decay) where it is short. */
	if (gap >= decay)
		rate = 0;
	else
		rate -= rate * (gap >> 10) / (decay >> 10);
	rate += 1024ull * requests;
	target->rate = rate;
	target->used_ns = now;
	return rate;
}

/* What the rate of a target that is just hot comes to, in the same unit. */
INLINE __u64 ds_hot(const struct place_pool *pool)
{
	return 1024 * pool->decay_ns / pool->hot_gap_ns;
}

INLINE __u32 ds_is(const struct place_pool *pool)
{
	return pool->policy == PLACE_DS || pool->policy == PLACE_DS_2004;
}

/* Is the asking node up, and below its limit, as far as is known here and as it says itself? */
INLINE __u32 ds_takes(const struct place_pool *pool, const struct place_query *query)
{
	const struct place_member *member = query->node ? place_member_of(pool, query->node) : 0;

	return member && member->state == PLACE_UP && !(query->flags & PLACE_OVERLOADED) &&
	       !load_reached(pool, member, pool->limit);
}

/* A hot target of ds-2004. */
SUBPROGRAM __s32 place_ds_hot(struct place_query *query, struct place_target *target)
{
	const struct place_pool *pool;
	__s32 node;

	if (!query || !target)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool)
		return -2;
	query->reason = PLACE_REASON_HOT;
	if (ds_takes(pool, query))
		node = query->node;
	else if (set_size(target) < PLACE_SET_MAX)
		node = place_least(query, target, LEAST_IN_TURN | LEAST_BY_WEIGHT | LEAST_OUTSIDE);
	else
		node = -2;
	if (node <= 0)
		return place_least_of(query, target);
	if (!set_has(target, node))
		set_add(target, node, query->now_ns);
	return node;
}

SUBPROGRAM __s32 place_ds_2004(struct place_query *query)
{
	struct place_target_key key;
	const struct place_pool *pool;
	struct place_target *target;
	__u64 gap;
	__s32 node = -2;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	key = target_key(query);
	target = place_target_find(&key);
	if (!target || query->flags & PLACE_PEEK)
		return place_lard(query, LARD_COST);
	gap = (query->now_ns - target->used_ns) / (1 + (__u64)query->alone);
	target->used_ns = query->now_ns;
	if (gap < pool->hot_gap_ns)
		node = place_ds_hot(query, target);
	if (node > 0)
		return node;
	node = place_lard(query, LARD_COST);
	if (node > 0)
		set_only(target, node, target->changed_ns);
	return node;
}

SUBPROGRAM __s32 place_ds(struct place_query *query)
{
	struct place_target_key key;
	const struct place_pool *pool;
	struct place_target *target;
	__u64 rate, hot, size;
	__s32 node;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up || !pool->hot_gap_ns)
		return -2;
	key = target_key(query);
	target = place_target_find(&key);
	if (!target || query->flags & PLACE_PEEK)
		return place_lard(query, LARD_SET);
	hot = ds_hot(pool);
	rate = ds_rate(target, query->now_ns, 1 + query->alone, pool->decay_ns);
	size = set_size(target);
	if (rate < hot && size <= 1)
		return place_lard(query, LARD_ONE);
	query->reason = PLACE_REASON_HIT;
	if (rate > hot * size && size < PLACE_SET_MAX && size < pool->up) {
		/* The asking node first: nothing is handed off then. */
		node = query->node && ds_takes(pool, query) && !set_has(target, query->node)
			       ? query->node
			       : place_least(query, target,
					     LEAST_IN_TURN | LEAST_BY_WEIGHT | LEAST_OUTSIDE);
		if (node > 0) {
			query->reason = PLACE_REASON_HOT;
			set_add(target, node, query->now_ns);
			return node;
		}
	} else if (size > 1 && rate < hot * (size - 1) * pool->give_back / 1024 &&
		   query->now_ns - target->changed_ns > pool->step_ns) {
		node = place_most_of(query, target);
		if (node > 0)
			set_remove(target, node, query->now_ns);
	}
	if (query->node && set_has(target, query->node) && ds_takes(pool, query))
		return query->node;
	node = place_least_of(query, target);
	return node > 0 ? node : place_lard(query, LARD_SET);
}

/* On a node, whose id is query->node and whose memory query->scope: may it serve the target without
 * asking? Only if the dispatcher has given it the target (place_own), it is hot, and the node is
 * below its limit; and, by ds, only if it has asked within DS_ASK_NS, so that the dispatcher knows
 * the rate. Returns the node's id; 0: ask, and tell query->alone, which is how many it has decided
 * since it asked last. A target that is not hot, and one that an overloaded node asks about, is
 * forgotten, as the paper has it. */
SUBPROGRAM __s32 place_alone(struct place_query *query)
{
	struct place_target_key key;
	const struct place_pool *pool;
	struct place_target *target;
	__u64 gap, rate, alone;
	__u32 hot, takes;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->hot_gap_ns || !ds_is(pool))
		return 0;
	key = target_key(query);
	target = place_target_find(&key);
	if (!target || !set_has(target, query->node))
		return 0;
	gap = query->now_ns - target->used_ns;
	rate = ds_rate(target, query->now_ns, 1, pool->decay_ns);
	hot = pool->policy == PLACE_DS ? rate >= ds_hot(pool) : gap < pool->hot_gap_ns;
	takes = ds_takes(pool, query);
	if (hot && takes &&
	    (pool->policy == PLACE_DS_2004 || query->now_ns - target->changed_ns < DS_ASK_NS)) {
		query->reason = PLACE_REASON_HOT;
		__sync_fetch_and_add(&target->alone, 1);
		place_charge(query, query->node);
		return query->node;
	}
	alone = __sync_lock_test_and_set(&target->alone, 0);
	query->alone = alone > 0xffff ? 0xffff : alone;
	if (!takes)
		query->flags |= PLACE_OVERLOADED;
	if (!hot || !takes)
		set_remove(target, query->node, query->now_ns);
	return 0;
}

/* On a node: the dispatcher has given it the target, which only ds remembers. Returns 0. */
SUBPROGRAM __s32 place_own(struct place_query *query)
{
	struct place_target_key key;
	const struct place_pool *pool;
	struct place_target *target;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !ds_is(pool))
		return 0;
	key = target_key(query);
	target = place_target_find(&key);
	if (!target) {
		target_assign(query, &key, query->node);
		return 0;
	}
	if (!set_has(target, query->node))
		set_add(target, query->node, query->now_ns);
	target->changed_ns = query->now_ns;
	if (query->flags & PLACE_TAKEN)
		ds_rate(target, query->now_ns, 1, pool->decay_ns);
	return 0;
}

/* On a node: the dispatcher has given the target's request to another one. Returns 0. */
SUBPROGRAM __s32 place_disown(struct place_query *query)
{
	struct place_target_key key;
	struct place_target *target;

	if (!query)
		return -22;
	key = target_key(query);
	target = place_target_find(&key);
	if (target)
		set_remove(target, query->node, query->now_ns);
	return 0;
}

#endif

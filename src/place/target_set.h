/* What a central policy remembers of a target: one node, or a set of up to PLACE_SET_MAX.
 *
 * Several CPUs change the same target at once. Each word of four nodes changes by compare-and-swap;
 * a change that another CPU was quicker with is given up, since that one has seen the same loads. A
 * set may hold a node twice for a while; it is taken out wherever it is. Times and rates are stored
 * plainly: a lost one is the same as a request that came a moment later.
 */
#ifndef BATON_PLACE_TARGET_SET_H
#define BATON_PLACE_TARGET_SET_H

#include "place/access.h"

#define SET_ONES 0x0001000100010001ull
#define SET_TOPS 0x8000800080008000ull

/* The top bit of each lane of 16 bits that is nought; exact for the lowest one. */
INLINE __u64 set_noughts(__u64 word)
{
	return (word - SET_ONES) & ~word & SET_TOPS;
}

INLINE __u32 set_has(const struct place_target *target, __u32 node)
{
	__u64 found = 0;

	for (int i = 0; i < PLACE_SET_MAX / 4; i++)
		found |= set_noughts(target->nodes[i] ^ SET_ONES * node);
	return found != 0;
}

INLINE __u32 set_size(const struct place_target *target)
{
	__u64 size = 0;

	/* Lanes that are not nought, exactly; the product sums them up in the highest lane. */
	for (int i = 0; i < PLACE_SET_MAX / 4; i++) {
		__u64 word = target->nodes[i];

		word = (((word & ~SET_TOPS) + ~SET_TOPS) | word) & SET_TOPS;
		size += (word >> 15) * SET_ONES >> 48;
	}
	return size;
}

INLINE __u32 set_node(const struct place_target *target, __u32 index)
{
	return (target->nodes[index / 4 % (PLACE_SET_MAX / 4)] >> 16 * (index % 4)) & 0xffff;
}

/* Puts a node in the first free place. Nothing happens in a full set. */
INLINE void set_add(struct place_target *target, __u32 node, __u64 now_ns)
{
	for (int i = 0; i < PLACE_SET_MAX / 4; i++) {
		__u64 word = target->nodes[i], free = set_noughts(word), lane;

		if (!free)
			continue;
		lane = (free & -free) >> 15; /* 1 in the lowest free lane */
		if (__sync_val_compare_and_swap(&target->nodes[i], word, word | lane * node) ==
		    word)
			target->changed_ns = now_ns;
		return;
	}
}

INLINE void set_remove(struct place_target *target, __u32 node, __u64 now_ns)
{
	for (int i = 0; i < PLACE_SET_MAX / 4; i++) {
		__u64 word = target->nodes[i], found = set_noughts(word ^ SET_ONES * node), lane;

		if (!found)
			continue;
		lane = (found & -found) >> 15;
		if (__sync_val_compare_and_swap(&target->nodes[i], word, word & ~(lane * 0xffff)) ==
		    word)
			target->changed_ns = now_ns;
	}
}

/* Makes `node` the target's only one. */
INLINE void set_only(struct place_target *target, __u32 node, __u64 now_ns)
{
	for (int i = 0; i < PLACE_SET_MAX / 4; i++) {
		__u64 word = target->nodes[i];

		__sync_val_compare_and_swap(&target->nodes[i], word, i ? 0 : node);
	}
	target->changed_ns = now_ns;
}

INLINE struct place_target_key target_key(const struct place_query *query)
{
	return (struct place_target_key){query->target, query->pool, query->scope};
}

/* Remembers that the target has `node`. Returns the node that is remembered then, which another CPU
 * may have named; `node` itself if there is no room, or if this is only a look. */
SUBPROGRAM __s32 target_assign(struct place_query *query, const struct place_target_key *key,
			       __u32 node)
{
	struct place_target first = {0}, *target;

	if (!query || !key || query->flags & PLACE_PEEK)
		return node;
	first.nodes[0] = node;
	first.changed_ns = query->now_ns;
	first.used_ns = query->now_ns;
	target = place_target_add(key, &first);
	return target && set_node(target, 0) ? set_node(target, 0) : node;
}

/* The load of a node of mean weight that would be as busy as this one, times the pool's weight:
 * loads are compared as load * weight_total against limit * weight * up. */
INLINE __u32 load_over(const struct place_pool *pool, const struct place_member *member,
		       __u64 limit)
{
	return place_node_load(member->node) * pool->weight_total >
	       limit * member->weight * pool->up;
}

INLINE __u32 load_reached(const struct place_pool *pool, const struct place_member *member,
			  __u64 limit)
{
	return place_node_load(member->node) * pool->weight_total >=
	       limit * member->weight * pool->up;
}

/* What a walk over nodes looks for. */
enum { LEAST_BY_WEIGHT = 1, LEAST_OUTSIDE = 2, LEAST_IN_TURN = 4 };

/* The node with the least load of all that are up: by weight with LEAST_BY_WEIGHT, not one of
 * `target`'s with LEAST_OUTSIDE (`target` may be NULL). -ENOENT (-2): there is none. The first one
 * wins a tie, by weight the heavier one. With LEAST_IN_TURN the walk begins one node further each
 * time: an idle cluster's new targets are spread over its nodes, as a busy one's are by load. */
SUBPROGRAM __s32 place_least(struct place_query *query, struct place_target *target, __u32 how)
{
	const struct place_member *member;
	const struct place_pool *pool;
	__u64 at = 0, first = 0, index, zero, load, best = 0, weight = 0, mine;
	__s64 winner = -2;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	if (how & LEAST_IN_TURN)
		first = place_turn(query) % pool->up;
	zero = pool->zero;
	FORGET(at, zero);
	FORGET(best, zero);
	FORGET(weight, zero);
	FORGET(winner, zero);
	while (at < pool->up) {
		LOOP_STEP(at, zero);
		index = first + at;
		if (index >= pool->up)
			index -= pool->up;
		member = place_member_at(pool, index);
		if (!member)
			break;
		at++;
		if (how & LEAST_OUTSIDE && target && set_has(target, member->node))
			continue;
		load = place_node_load(member->node);
		mine = how & LEAST_BY_WEIGHT ? member->weight : 1;
		if (!weight || load * weight < best * mine ||
		    (load * weight == best * mine && mine > weight)) {
			best = load;
			weight = mine;
			winner = member->node;
		}
	}
	return winner;
}

/* The least loaded node of the target's set that is up, by weight; -2: none is. Nodes that are not
 * up any more are taken out on the way. */
SUBPROGRAM __s32 place_least_of(struct place_query *query, struct place_target *target)
{
	const struct place_member *member;
	const struct place_pool *pool;
	__u64 at = 0, zero, load, best = 0, weight = 0;
	__s64 winner = -2;
	__u32 node;

	if (!query || !target)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool)
		return -2;
	zero = pool->zero;
	FORGET(at, zero);
	FORGET(best, zero);
	FORGET(weight, zero);
	FORGET(winner, zero);
	while (at < PLACE_SET_MAX) {
		LOOP_STEP(at, zero);
		node = set_node(target, at);
		at++;
		if (!node)
			continue;
		member = place_member_of(pool, node);
		if (!member || member->state != PLACE_UP) {
			query->reason = member && member->state == PLACE_DRAIN ? PLACE_REASON_DRAIN
									       : PLACE_REASON_DOWN;
			if (!(query->flags & PLACE_PEEK))
				set_remove(target, node, query->now_ns);
			continue;
		}
		load = place_node_load(node);
		if (!weight || load * weight < best * member->weight) {
			best = load;
			weight = member->weight;
			winner = node;
		}
	}
	return winner;
}

/* The most loaded node of the target's set, by weight, if it has at least two; else 0. */
SUBPROGRAM __s32 place_most_of(struct place_query *query, struct place_target *target)
{
	const struct place_member *member;
	const struct place_pool *pool;
	__u64 at = 0, zero, load, best = 0, weight = 0, seen = 0;
	__s64 winner = 0;
	__u32 node;

	if (!query || !target)
		return 0;
	pool = place_pool_at(query->pool);
	if (!pool)
		return 0;
	zero = pool->zero;
	FORGET(at, zero);
	FORGET(best, zero);
	FORGET(weight, zero);
	FORGET(winner, zero);
	FORGET(seen, zero);
	while (at < PLACE_SET_MAX) {
		LOOP_STEP(at, zero);
		FORGET(seen, zero);
		node = set_node(target, at);
		at++;
		if (!node)
			continue;
		member = place_member_of(pool, node);
		if (!member)
			continue;
		seen++;
		load = place_node_load(node);
		if (!weight || load * weight > best * member->weight) {
			best = load;
			weight = member->weight;
			winner = node;
		}
	}
	return seen > 1 ? winner : 0;
}

#endif

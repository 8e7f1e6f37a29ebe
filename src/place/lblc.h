/* lblc and lblcr: locality-based least connections. A target keeps its node (lblc) or goes to the
 * least loaded node of its set (lblcr), until that one is overloaded while another has less than
 * half its share: then wlc's choice takes the target over (lblc) or joins the set (lblcr). A set
 * that has been still for a day (window_ns) loses its most loaded node.
 *
 * Source: Linux Virtual Server's schedulers of these names (Zhang 2000; Linux net/netfilter/ipvs).
 * There a node's weight is how many connections it can have; here that is weight times T_high,
 * weights taken by their mean. Cost: one look-up, two a node when overloaded. Memory: one entry a
 * target. When a node goes its targets are placed anew, nothing else moves. Needs one decider.
 */
#ifndef BATON_PLACE_LBLC_H
#define BATON_PLACE_LBLC_H

#include "place/target_set.h"

/* Is `node` beyond its share while `least`, the least loaded one, has less than half of its own? */
INLINE __u32 lblc_overloaded(const struct place_pool *pool, __u32 node, __u32 least)
{
	const struct place_member *member = place_member_of(pool, node);
	const struct place_member *other = place_member_of(pool, least);

	return member && other && load_over(pool, member, pool->high) &&
	       2 * place_node_load(other->node) * pool->weight_total <
		       (__u64)pool->high * other->weight * pool->up;
}

SUBPROGRAM __s32 place_lblc(struct place_query *query, __u32 replicate)
{
	struct place_target_key key;
	const struct place_member *member;
	const struct place_pool *pool;
	struct place_target *target;
	__u64 changed;
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
	if (node <= 0 || (member && load_over(pool, member, pool->high))) {
		least = place_least(query, 0, LEAST_IN_TURN | LEAST_BY_WEIGHT);
		if (least > 0 && (node <= 0 || lblc_overloaded(pool, node, least))) {
			if (node > 0)
				query->reason = PLACE_REASON_OVERLOAD;
			node = least;
			if (query->flags & PLACE_PEEK)
				return node;
			if (!replicate)
				set_only(target, node, query->now_ns);
			else if (!set_has(target, node))
				set_add(target, node, query->now_ns);
		}
	}
	if (query->flags & PLACE_PEEK)
		return node;
	target->used_ns = query->now_ns;
	if (replicate && query->now_ns - changed > pool->window_ns) {
		most = place_most_of(query, target);
		if (most > 0 && most != node)
			set_remove(target, most, query->now_ns);
	}
	return node;
}

#endif

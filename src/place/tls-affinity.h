/* tls-affinity: the same client and server name stay on one node for a window of time, so TLS
 * sessions resume there; with the window's end all that is forgotten, and load evens out.
 *
 * Source: Park, Sung and Kim describe it with their round-robin servers (reuse on one node inside a
 * time window, the stored sessions cleared periodically). The first node of a window is taken in
 * turn. What is added: a pair whose node is overloaded by the rule of LARD (1998) goes to the least
 * loaded one, and stays there; a session made anew costs less than a queue. Cost: one look-up in
 * the table of targets, two a node when a limit is passed. Memory: one entry a client and name.
 * When a node goes its pairs are given out in turn, no others move. Needs one decider.
 */
#ifndef BATON_PLACE_TLS_AFFINITY_H
#define BATON_PLACE_TLS_AFFINITY_H

#include "place/ht-rr.h"
#include "place/lard.h"

SUBPROGRAM __s32 place_tls_affinity(struct place_query *query)
{
	struct place_target_key key = {0};
	const struct place_member *member;
	const struct place_pool *pool;
	struct place_target *target;
	__s32 node, least;
	__u64 window;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up || !pool->window_ns)
		return -2;
	window = query->now_ns / pool->window_ns;
	/* The window is part of the key: an old one's entries are not found, and age out. */
	key.target =
		place_mix(query->target ^ place_mix(query->client + window * PLACE_HASH_START));
	key.pool = query->pool;
	key.scope = query->scope;
	node = place_in_turn(query, &key);
	member = node > 0 ? place_member_of(pool, node) : 0;
	if (!member || !load_reached(pool, member, pool->high))
		return node;
	least = place_least(query, 0, LEAST_IN_TURN | LEAST_BY_WEIGHT);
	if (least <= 0 || !lard_moves(pool, node, least))
		return node;
	query->reason = PLACE_REASON_OVERLOAD;
	target = query->flags & PLACE_PEEK ? 0 : place_target_find(&key);
	if (target)
		set_only(target, least, query->now_ns);
	return least;
}

#endif

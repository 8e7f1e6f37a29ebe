/* tls-affinity: the same client and server name stay on one node for a window of time, so TLS
 * sessions resume there; with the window's end all that is forgotten, and load evens out.
 *
 * Source: Park, Sung and Kim describe it with their round-robin servers (reuse on one node inside a
 * time window, the stored sessions cleared periodically). The first node of a window is taken in
 * turn. Cost: one look-up in the table of targets. Memory: one entry a client and name. When a node
 * goes its pairs are given out in turn, no others move. Needs one decider.
 */
#ifndef BATON_PLACE_TLS_AFFINITY_H
#define BATON_PLACE_TLS_AFFINITY_H

#include "place/ht-rr.h"

SUBPROGRAM __s32 place_tls_affinity(struct place_query *query)
{
	struct place_target_key key = {0};
	const struct place_pool *pool;
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
	return place_in_turn(query, &key);
}

#endif

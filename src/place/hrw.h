/* hrw: highest random weight, or rendezvous hashing. Every node gets a random number from its name
 * and the target; the largest one wins.
 *
 * Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN
 * 1998; with weights w the score is w / -log(u) (Schindelhauer and Schomaker 2005). Cost: one
 * multiplication and look-up a node, a logarithm besides where weights differ. Memory: none but the
 * members. When a node goes, exactly its targets move, spread over all others by weight; a weight
 * that changes moves only what it must. Decides anywhere.
 */
#ifndef BATON_PLACE_HRW_H
#define BATON_PLACE_HRW_H

#include "place/access.h"
#include "place/hash.h"
#include "place/logarithm.h"

SUBPROGRAM __s32 place_hrw(struct place_query *query)
{
	const struct place_member *member;
	const struct place_pool *pool;
	__u64 at = 0, zero, score, best = 0, winner = 0, weight = 0;
	__u32 even;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	zero = pool->zero;
	FORGET(at, zero);
	FORGET(best, zero);
	FORGET(winner, zero);
	FORGET(weight, zero);
	even = pool->flags & PLACE_EVEN;
	while (at < pool->up) {
		LOOP_STEP(at, zero);
		member = place_member_at(pool, at);
		if (!member)
			break;
		score = place_mix(query->target ^ member->hash);
		if (even) {
			if (score >= best) {
				best = score;
				winner = at;
			}
		} else {
			/* The least -log(u) / w, compared crosswise. */
			score = place_log2_below(score | 1);
			if (!weight || score * weight < best * member->weight) {
				best = score;
				weight = member->weight;
				winner = at;
			}
		}
		at++;
	}
	return place_node_of(pool, winner);
}

#endif

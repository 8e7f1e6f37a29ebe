/* carp: the Cache Array Routing Protocol. Hashes of the member's name and of the URL are combined;
 * the largest product with the member's load multiplier wins.
 *
 * Source: Valloppillil and Ross, "Cache Array Routing Protocol v1.0", Internet draft 1998. Member
 * hash: h = 0; for each byte c: h += R(h, 19) + c; then h += h * 0x62531965; h = R(h, 21). URL
 * hash: the same without the last two steps. Combined: x = u ^ h; x += x * 0x62531965; x = R(x,
 * 21). All in 32 bits, R rotates left. Load factors are weights: place/carp.c. The hash is
 * weak: shares of nodes whose names differ in one character are up to 20 % off. Cost: one
 * multiplication and look-up a node. Memory: none but the members. When a node goes its targets
 * move, and where weights differ a few of the others, since all multipliers change. Decides
 * anywhere.
 */
#ifndef BATON_PLACE_CARP_H
#define BATON_PLACE_CARP_H

#include "place/access.h"

INLINE __u32 carp_finish(__u32 x)
{
	x += x * 0x62531965;
	return x << 21 | x >> 11;
}

SUBPROGRAM __s32 place_carp(struct place_query *query)
{
	const struct place_member *member;
	const struct place_pool *pool;
	__u64 at = 0, zero, score, best = 0, winner = 0;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	zero = pool->zero;
	FORGET(at, zero);
	FORGET(best, zero);
	FORGET(winner, zero);
	while (at < pool->up) {
		LOOP_STEP(at, zero);
		member = place_member_at(pool, at);
		if (!member)
			break;
		score = (__u64)carp_finish(query->carp ^ member->carp) * member->factor;
		if (score > best) {
			best = score;
			winner = at;
		}
		at++;
	}
	return place_node_of(pool, winner);
}

#endif

/* p2c: the power of two choices. Two different nodes by chance; the less loaded one, by weight.
 *
 * Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996; Azar et al.
 * 1994. Cost: four look-ups. Memory: 48 bytes a node, its load. The fullest node is O(log log N)
 * above the mean, where chance alone gives O(log N / log log N), and stale loads make no herd. Both
 * are drawn alike whatever they weigh. No target has a node, so none moves. Decides anywhere.
 */
#ifndef BATON_PLACE_P2C_H
#define BATON_PLACE_P2C_H

#include "place/access.h"
#include "place/hash.h"

SUBPROGRAM __s32 place_p2c(struct place_query *query)
{
	const struct place_member *one, *two;
	const struct place_pool *pool;
	__u32 first, second;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	first = place_below(query->random, pool->up);
	if (pool->up == 1)
		return place_node_of(pool, first);
	second = place_below(query->random << 32, pool->up - 1);
	if (second >= first)
		second++;
	one = place_member_at(pool, first);
	two = place_member_at(pool, second);
	if (!one || !two)
		return -2;
	if (place_node_load(two->node) * one->weight < place_node_load(one->node) * two->weight)
		first = second;
	return place_node_of(pool, first);
}

#endif

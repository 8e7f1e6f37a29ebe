/* Karger's ring: every node has many points on a circle of 2^48 places, a target belongs to the
 * node of the first point at or behind its own place. */
#ifndef BATON_PLACE_RING_H
#define BATON_PLACE_RING_H

#include "place/access.h"
#include "place/hash.h"

enum { PLACE_POINT_MEMBER = (1 << 16) - 1 }; /* the lower bits of a point: whose it is */

/* The index of the first point at or behind `place` (its upper 48 bits count), by bisection; slots
 * if there is none, which means the first one. */
INLINE __u64 ring_find(const struct place_pool *pool, __u64 place)
{
	__u64 zero = pool->zero, low = 0, high = pool->slots, middle;
	const __u64 *point;

	FORGET(low, zero);
	while (low < high) {
		LOOP_STEP(low, zero);
		FORGET(high, zero);
		middle = (low + high) / 2;
		point = place_word_at(pool, middle);
		if (!point)
			break;
		if ((*point | PLACE_POINT_MEMBER) < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif

/* Which of several dispatchers has a target: rendezvous hashing over their names (Thaler and
 * Ravishankar, IEEE/ACM ToN 1998), so all hosts agree on it without a word, and one more dispatcher
 * takes from the others only what is its own. */
#ifndef BATON_PLACE_DISPATCHER_H
#define BATON_PLACE_DISPATCHER_H

#include "place/hash.h"
#include "wire/cluster.h"

/* The number of the target's dispatcher; `here` has at least one. */
INLINE __u32 dispatcher_of(const struct cluster *here, __u64 target)
{
	__u64 best = 0, score;
	__u32 found = 0;

	for (__u32 i = 0; i < DISPATCHERS_MAX; i++) {
		if (i >= here->dispatcher_count)
			break;
		score = place_mix(target ^ here->dispatcher_hashes[i]);
		if (score >= best) {
			best = score;
			found = i;
		}
	}
	return found;
}

#endif

/* Durations counted in log-linear buckets (as in HdrHistogram: each power of two is cut in equal
 * parts), so that a value read back is at most 1/8 off.
 *
 * Map `node_times`: per-CPU array, index TIMES_OF(service, kind), value struct times.
 */
#ifndef BATON_WIRE_TIMES_H
#define BATON_WIRE_TIMES_H

#include "wire/freestanding.h"

enum {
	TIMES_LEAST = 10, /* below 2^10 ns: the first bucket */
	TIMES_MOST = 37,  /* from 2^37 ns (137 s) on: the last one */
	TIMES_PARTS = 8,  /* of each power of two between */
	TIMES_BUCKETS = (TIMES_MOST - TIMES_LEAST) * TIMES_PARTS + 2,
	TIMES_SERVICES = 64, /* services that have histograms: those with lower ids */
};

enum times_kind { TIMES_FIRST_BYTE, TIMES_WHOLE, TIMES_KINDS };

#define TIMES_OF(service, kind) ((service)*TIMES_KINDS + (kind))

struct times {
	__u64 buckets[TIMES_BUCKETS];
};

/* The bucket of a duration in ns. */
INLINE __u32 times_bucket(__u64 ns)
{
	__u32 log = 0;
	__u64 rest = ns;

	if (ns >> TIMES_MOST)
		return TIMES_BUCKETS - 1;
	if (!(ns >> TIMES_LEAST))
		return 0;
	for (__u32 step = 32; step; step >>= 1)
		if (rest >> step) {
			rest >>= step;
			log += step;
		}
	return 1 + (log - TIMES_LEAST) * TIMES_PARTS + ((ns >> (log - 3)) & (TIMES_PARTS - 1));
}

/* Durations in the bucket are shorter than this, in ns; of the last one 0: there is no bound. */
INLINE __u64 times_bound(__u32 bucket)
{
	__u32 at = bucket - 1;

	if (!bucket)
		return 1ull << TIMES_LEAST;
	if (bucket >= TIMES_BUCKETS - 1)
		return 0;
	return (__u64)(TIMES_PARTS + at % TIMES_PARTS + 1) << (TIMES_LEAST - 3 + at / TIMES_PARTS);
}

#endif

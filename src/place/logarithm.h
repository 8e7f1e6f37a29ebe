/* -log2(x / 2^64) in units of 2^-32, without floating point: the integer part from the leading
 * zeros, the rest interpolated between 257 points. At most 0.2 % off, relative, and strictly
 * monotonic as far as its units go, which is what a comparison of w / -log(u) needs. */
#ifndef BATON_PLACE_LOGARITHM_H
#define BATON_PLACE_LOGARITHM_H

#include "wire/freestanding.h"

/* log2(1 + i / 256) in units of 2^-32. */
static const __u64 place_log2_points[257] = {
#include "place/logarithm.inc"
};

/* `x` > 0. */
INLINE __u64 place_log2_below(__u64 x)
{
	__u64 zeros = 0, point, rest, low, high;

	/* Six comparisons; the BPF machine has no instruction for it. */
	if (!(x >> 32)) {
		zeros += 32;
		x <<= 32;
	}
	if (!(x >> 48)) {
		zeros += 16;
		x <<= 16;
	}
	if (!(x >> 56)) {
		zeros += 8;
		x <<= 8;
	}
	if (!(x >> 60)) {
		zeros += 4;
		x <<= 4;
	}
	if (!(x >> 62)) {
		zeros += 2;
		x <<= 2;
	}
	if (!(x >> 63)) {
		zeros += 1;
		x <<= 1;
	}
	point = x >> 55 & 255;
	rest = x >> 23 & 0xffffffff; /* between two points, in 2^-32 */
	low = place_log2_points[point];
	high = place_log2_points[point + 1];
	return ((zeros + 1) << 32) - low - ((high - low) * rest >> 32);
}

#endif

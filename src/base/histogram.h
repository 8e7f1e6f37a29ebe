/* A histogram of durations or sizes with a bounded relative error, after HdrHistogram (Tene):
 * values below 2^11 are exact, above that each power of two is cut in 1024 parts, so a value read
 * back is at most 1/1024 (0.1 %) off. 2^64 is the largest value; nothing is lost or clipped. */
#ifndef BATON_BASE_HISTOGRAM_H
#define BATON_BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 10, HISTOGRAM_SLOTS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

struct histogram {
	uint64_t count, least, most;
	double sum, squares;
	uint64_t slots[HISTOGRAM_SLOTS];
};

/* An empty histogram (about 450 KiB), to be freed with free(); NULL when memory is out. */
struct histogram *histogram_new(void);
void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The least value v such that at least `share` (0..1) of the values are <= v; 0 when empty. */
uint64_t histogram_at(const struct histogram *histogram, double share);
double histogram_mean(const struct histogram *histogram);

/* Sample standard deviation; 0 for fewer than two values. */
double histogram_deviation(const struct histogram *histogram);

/* Which slot holds a value, and the largest value a slot holds: for charts. */
unsigned int histogram_slot(uint64_t value);
uint64_t histogram_slot_top(unsigned int slot);

#endif

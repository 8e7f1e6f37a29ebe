/* Mean and variance of values that come one by one (Welford 1962). */
#ifndef BATON_ECHO_SPREAD_H
#define BATON_ECHO_SPREAD_H

#include <math.h>
#include <stdint.h>

struct spread {
	uint64_t count;
	double mean, squares; /* sum of squared distances from the mean */
};

static inline void spread_add(struct spread *spread, double value)
{
	double distance = value - spread->mean;

	spread->mean += distance / (double)++spread->count;
	spread->squares += distance * (value - spread->mean);
}

/* Of the sample; 0 for fewer than two values. */
static inline double spread_variance(const struct spread *spread)
{
	return spread->count > 1 ? spread->squares / (double)(spread->count - 1) : 0;
}

static inline double spread_deviation(const struct spread *spread)
{
	return sqrt(spread_variance(spread));
}

#endif

/* Statistics of a few measurements: medians and how far they can be trusted. */
#ifndef BATON_BASE_SAMPLE_H
#define BATON_BASE_SAMPLE_H

#include <stddef.h>

/* The median; sorts the values. 0 for none. */
double sample_median(double *values, size_t count);

struct interval {
	double middle, low, high;
};

/* The geometric mean of ratios with its 95 % confidence interval, by Student's t on their
 * logarithms; all values > 0. With fewer than two the interval is the value itself. */
struct interval sample_ratio(const double *ratios, size_t count);

/* The mean with its 95 % confidence interval, by Student's t. */
struct interval sample_mean(const double *values, size_t count);

#endif

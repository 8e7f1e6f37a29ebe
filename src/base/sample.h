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

/* The centre of differences between two that were measured in pairs, with its 95 % confidence
 * interval: Hodges and Lehmann's median of all means of two, and the interval of Wilcoxon's signed
 * rank test (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 2014, 3.2 and 3.3).
 * One pair that is far off hardly moves them. Fewer than six pairs have no such interval: it is
 * without bounds. */
struct interval sample_shift(const double *differences, size_t count);

/* Student's t: the probability of both tails beyond t, and the 97.5 % quantile. Degrees of freedom
 * need not be whole; fewer than one count as one for the quantile. */
double sample_tails(double t, double freedom);
double sample_student(double freedom);

/* The mean with its 95 % confidence interval, by Student's t. */
struct interval sample_mean(const double *values, size_t count);

#endif

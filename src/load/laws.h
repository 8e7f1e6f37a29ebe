/* The distributions that workloads are drawn from, and how far a sample is from its law. */
#ifndef BATON_LOAD_LAWS_H
#define BATON_LOAD_LAWS_H

#include <stddef.h>

enum law_kind {
	LAW_LOGNORMAL, /* a = mu, b = sigma of the logarithm */
	LAW_PARETO,    /* a = k, the smallest value, b = alpha */
	LAW_WEIBULL,   /* a = scale, b = shape */
	LAW_BODY_TAIL, /* lognormal(a, b) up to where its share `body` is used up, then Pareto(k,
			* alpha): SURGE's file sizes */
};

struct law {
	enum law_kind kind;
	double a, b;
	double body, k, alpha; /* LAW_BODY_TAIL */
	double low, high;      /* values outside are not taken; high 0: no bound */
};

/* The share of values <= x; of what lies between the bounds. */
double law_cdf(const struct law *law, double x);

/* The value at share `u` of (0, 1): the inverse of law_cdf, so draws are law_at(law,
 * random_unit()).
 */
double law_at(const struct law *law, double u);

/* The Kolmogorov-Smirnov distance: the largest difference between the shares that the sample and
 * the law have up to any value. Sorts the sample. */
double law_distance(const struct law *law, double *sample, size_t count);

/* The same for whole numbers, where P(N <= n) is the law's share up to n + shift (1 for numbers
 * that were rounded down, 0 for those rounded up). */
double law_distance_whole(const struct law *law, double *sample, size_t count, double shift);

#endif

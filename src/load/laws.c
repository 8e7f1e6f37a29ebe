#include "load/laws.h"

#include <math.h>
#include <stdlib.h>

static double normal_cdf(double x)
{
	return 0.5 * erfc(-x / M_SQRT2);
}

/* The cumulative share without bounds. */
static double plain_cdf(const struct law *law, double x)
{
	double body, tail;

	switch (law->kind) {
	case LAW_LOGNORMAL:
		return x <= 0 ? 0 : normal_cdf((log(x) - law->a) / law->b);
	case LAW_PARETO:
		return x <= law->a ? 0 : 1 - pow(law->a / x, law->b);
	case LAW_WEIBULL:
		return x <= 0 ? 0 : 1 - exp(-pow(x / law->a, law->b));
	case LAW_BODY_TAIL:
		body = x <= 0 ? 0 : normal_cdf((log(x) - law->a) / law->b);
		tail = x <= law->k ? 0 : 1 - pow(law->k / x, law->alpha);
		return law->body * body + (1 - law->body) * tail;
	}
	return 0;
}

double law_cdf(const struct law *law, double x)
{
	double below = plain_cdf(law, law->low), above = law->high ? plain_cdf(law, law->high) : 1;

	if (x < law->low)
		return 0;
	if (law->high && x >= law->high)
		return 1;
	return (plain_cdf(law, x) - below) / (above - below);
}

double law_at(const struct law *law, double u)
{
	double below = plain_cdf(law, law->low), above = law->high ? plain_cdf(law, law->high) : 1;
	double low = 1e-12, high = 1e18;

	u = below + u * (above - below);
	if (law->kind == LAW_PARETO)
		return law->a * pow(1 - u, -1 / law->b);
	if (law->kind == LAW_WEIBULL)
		return law->a * pow(-log1p(-u), 1 / law->b);
	/* No closed inverse: halve the interval, in the logarithm, down to a double's precision. */
	for (int i = 0; i < 100; i++) {
		double middle = sqrt(low * high);

		if (plain_cdf(law, middle) < u)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

double law_distance(const struct law *law, double *sample, size_t count)
{
	double most = 0;

	qsort(sample, count, sizeof(*sample), by_value);
	for (size_t i = 0; i < count; i++) {
		double share = law_cdf(law, sample[i]);

		most = fmax(most, fabs(share - (double)i / (double)count));
		most = fmax(most, fabs(share - (double)(i + 1) / (double)count));
	}
	return most;
}

double law_distance_whole(const struct law *law, double *sample, size_t count, double shift)
{
	double most = 0;

	qsort(sample, count, sizeof(*sample), by_value);
	for (size_t i = 0; i < count; i++)
		if (i + 1 == count || sample[i + 1] > sample[i])
			most = fmax(most, fabs(law_cdf(law, sample[i] + shift) -
					       (double)(i + 1) / (double)count));
	return most;
}

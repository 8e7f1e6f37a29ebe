#include "base/sample.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

double sample_median(double *values, size_t count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The regularized incomplete beta function: its continued fraction (DLMF 8.17.22) by Lentz's way as
 * Thompson and Barnett (1986) have it; converges fast for x < (a + 1) / (a + b + 2). */
static double incomplete_beta(double a, double b, double x)
{
	double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a,
	       f = 1, c = 1, d = 0;

	for (int i = 0; i < 400; i++) {
		int m = i / 2;
		double term = !i      ? 1
			      : i % 2 ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
				      : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
		       step;

		d = 1 / (1 + term * d);
		c = 1 + term / c;
		step = c * d;
		f *= step;
		if (i && fabs(step - 1) < 1e-12)
			break;
	}
	return front * (f - 1);
}

double sample_tails(double t, double freedom)
{
	double x = freedom / (freedom + t * t);

	if (t == 0)
		return 1;
	if (x < (freedom / 2 + 1) / (freedom / 2 + 2.5))
		return incomplete_beta(freedom / 2, 0.5, x);
	return 1 - incomplete_beta(0.5, freedom / 2, 1 - x);
}

double sample_student(double freedom)
{
	double low = 1.9, high = 12.8;

	freedom = freedom < 1 ? 1 : freedom;
	while (high - low > 1e-9) {
		double middle = (low + high) / 2;

		if (sample_tails(middle, freedom) > 0.05)
			low = middle;
		else
			high = middle;
	}
	return high;
}

struct interval sample_mean(const double *values, size_t count)
{
	double sum = 0, squares = 0, mean, half;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	mean = count ? sum / (double)count : 0;
	for (size_t i = 0; i < count; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	half = count > 1 ? sample_student((double)(count - 1)) *
				   sqrt(squares / (double)(count - 1) / (double)count)
			 : 0;
	return (struct interval){mean, mean - half, mean + half};
}

struct interval sample_ratio(const double *ratios, size_t count)
{
	double *logs = calloc(count ? count : 1, sizeof(*logs));
	struct interval result = {0};

	for (size_t i = 0; logs && i < count; i++)
		logs[i] = log(ratios[i]);
	if (logs && count)
		result = sample_mean(logs, count);
	free(logs);
	return (struct interval){exp(result.middle), exp(result.low), exp(result.high)};
}

/* How many of the 2^count assignments of signs to the ranks 1 .. count have a sum of at most `most`
 * of those with a plus, as a share of all: Wilcoxon's signed rank statistic's distribution. */
static double signed_rank(size_t count, size_t most)
{
	size_t top = count * (count + 1) / 2;
	double *ways = calloc(top + 1, sizeof(*ways)), share = 0;

	if (!ways)
		return 1;
	ways[0] = 1;
	for (size_t rank = 1; rank <= count; rank++)
		for (size_t sum = top + 1; sum-- > 0;)
			ways[sum] = (ways[sum] + (sum >= rank ? ways[sum - rank] : 0)) / 2;
	for (size_t sum = 0; sum <= most && sum <= top; sum++)
		share += ways[sum];
	free(ways);
	return share;
}

struct interval sample_shift(const double *differences, size_t count)
{
	size_t pairs = count * (count + 1) / 2, used = 0, out = 0;
	double *means = calloc(pairs ? pairs : 1, sizeof(*means));
	struct interval shift = {0, -INFINITY, INFINITY};

	if (!means || !count) {
		free(means);
		return shift;
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = i; j < count; j++)
			means[used++] = (differences[i] + differences[j]) / 2;
	shift.middle = sample_median(means, pairs);
	/* `out` means at either end may be left out: P(W <= out - 1) <= 0.025. */
	while (signed_rank(count, out) <= 0.025)
		out++;
	if (out) {
		shift.low = means[out - 1];
		shift.high = means[pairs - out];
	}
	free(means);
	return shift;
}

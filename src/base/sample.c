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

/* The 97.5 % quantile of Student's t (any statistics table). */
static double student(size_t freedom)
{
	static const double table[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
				       2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
				       2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
				       2.060,  2.056, 2.052, 2.048, 2.045, 2.042};

	if (freedom <= sizeof(table) / sizeof(table[0]))
		return table[freedom - 1];
	return 1.96 + 2.4 / (double)freedom; /* within 0.002 from 31 on */
}

struct interval sample_mean(const double *values, size_t count)
{
	double sum = 0, squares = 0, mean, half;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	mean = count ? sum / (double)count : 0;
	for (size_t i = 0; i < count; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	half = count > 1 ? student(count - 1) * sqrt(squares / (double)(count - 1) / (double)count)
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

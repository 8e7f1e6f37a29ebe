#include "../unit.h"

#include "base/sample.h"

#include <math.h>

static void medians(void **state)
{
	double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};

	(void)state;
	assert_float_equal(sample_median(odd, 3), 2, 0);
	assert_float_equal(sample_median(even, 4), 2.5, 0);
	assert_float_equal(sample_median(odd, 0), 0, 0);
}

/* 1 .. 5: deviation sqrt(2.5), t(4) = 2.776. */
static void intervals(void **state)
{
	const double values[] = {1, 2, 3, 4, 5}, ratios[] = {2, 8}, one[] = {7};
	struct interval mean = sample_mean(values, 5), ratio = sample_ratio(ratios, 2);
	double half = 2.776 * sqrt(2.5 / 5);

	(void)state;
	assert_float_equal(mean.middle, 3, 1e-12);
	assert_float_equal(mean.low, 3 - half, 1e-9);
	assert_float_equal(mean.high, 3 + half, 1e-9);
	assert_float_equal(ratio.middle, 4, 1e-9);
	assert_float_equal(ratio.low * ratio.high, 16, 1e-6);
	assert_true(ratio.low < 2 && ratio.high > 8);
	assert_float_equal(sample_ratio(one, 1).low, 7, 1e-9);
	assert_float_equal(sample_ratio(one, 1).high, 7, 1e-9);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(medians),
	cmocka_unit_test(intervals),
};

UNIT_MAIN(tests)

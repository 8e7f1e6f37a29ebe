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
	assert_float_equal(mean.low, 3 - half, 1e-3);
	assert_float_equal(mean.high, 3 + half, 1e-3);
	assert_float_equal(ratio.middle, 4, 1e-9);
	assert_float_equal(ratio.low * ratio.high, 16, 1e-6);
	assert_true(ratio.low < 2 && ratio.high > 8);
	assert_float_equal(sample_ratio(one, 1).low, 7, 1e-9);
	assert_float_equal(sample_ratio(one, 1).high, 7, 1e-9);
}

/* Two-sided tables of Student's t. */
static void student(void **state)
{
	(void)state;
	assert_float_equal(sample_student(1), 12.706, 5e-4);
	assert_float_equal(sample_student(2), 4.303, 5e-4);
	assert_float_equal(sample_student(7), 2.365, 5e-4);
	assert_float_equal(sample_student(30), 2.042, 5e-4);
	assert_float_equal(sample_student(1e6), 1.960, 5e-4);
	assert_float_equal(sample_tails(1, 1), 0.5, 1e-9);
	assert_float_equal(sample_tails(-3.169, 10), 0.01, 1e-5);
	assert_float_equal(sample_tails(0.2, 3), 0.854270, 1e-5);
	assert_float_equal(sample_tails(0, 3), 1, 0);
}

/* With seven pairs Wilcoxon's critical value is 2 at 5 %, so the third mean of two from either end
 * bounds the shift; with five there is no interval of 95 %. */
static void shifts(void **state)
{
	const double values[] = {1, 2, 3, 4, 5, 6, 1000};
	struct interval shift = sample_shift(values, 7);

	(void)state;
	assert_float_equal(shift.middle, 4, 0.51);
	assert_float_equal(shift.low, 2, 0);
	assert_float_equal(shift.high, 502.5, 0);
	assert_float_equal(sample_shift(values, 6).low, 1, 0);
	assert_float_equal(sample_shift(values, 6).high, 6, 0);
	assert_true(isinf(sample_shift(values, 5).high));
	assert_float_equal(sample_shift(values, 5).middle, 3, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(medians),
	cmocka_unit_test(intervals),
	cmocka_unit_test(student),
	cmocka_unit_test(shifts),
};

UNIT_MAIN(tests)

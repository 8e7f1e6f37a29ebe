#include "../unit.h"

#include "base/histogram.h"

#include <stdlib.h>

static void error_is_bounded(void **state)
{
	(void)state;
	for (uint64_t value = 1; value < UINT64_MAX / 3; value += value / 7 + 1) {
		uint64_t top = histogram_slot_top(histogram_slot(value));

		assert_true(top >= value);
		assert_true(top - value <= value / 1024);
	}
	assert_true(histogram_slot(UINT64_MAX) < HISTOGRAM_SLOTS);
	assert_true(histogram_slot_top(histogram_slot(UINT64_MAX)) == UINT64_MAX);
}

static void percentiles(void **state)
{
	struct histogram *histogram = histogram_new(), *other = histogram_new();

	(void)state;
	assert_non_null(histogram);
	assert_non_null(other);
	assert_int_equal(histogram_at(histogram, 0.5), 0);
	for (uint64_t value = 1; value <= 500; value++)
		histogram_add(histogram, value);
	for (uint64_t value = 501; value <= 1000; value++)
		histogram_add(other, value);
	histogram_merge(histogram, other);
	assert_int_equal(histogram->count, 1000);
	assert_int_equal(histogram_at(histogram, 0.5), 500);
	assert_int_equal(histogram_at(histogram, 0.99), 990);
	assert_int_equal(histogram_at(histogram, 1), 1000);
	assert_float_equal(histogram_mean(histogram), 500.5, 1e-9);
	assert_float_equal(histogram_deviation(histogram), 288.819, 1e-3);
	free(histogram);
	free(other);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(error_is_bounded),
	cmocka_unit_test(percentiles),
};

UNIT_MAIN(tests)

#include "../unit.h"

#include "distribution/paper.h"

static void imbalance(void **state)
{
	(void)state;
	assert_float_equal(imbalance_of((const uint64_t[]){1, 1, 1}, -1), 0, 0);
	assert_float_equal(imbalance_of((const uint64_t[]){0, 0, 0}, -1), 0, 0);
	assert_float_equal(imbalance_of((const uint64_t[]){3, 0, 0}, -1), 2, 1e-12);
	assert_float_equal(imbalance_of((const uint64_t[]){10, 90, 10}, 1), 0, 1e-12);
	assert_float_equal(imbalance_of((const uint64_t[]){10, 30, 20}, -1), 0.5, 1e-12);
}

/* The means that the paper prints in its table 3. */
static void means(void **state)
{
	static const struct {
		unsigned int seconds;
		uint64_t mean[RECEIVERS];
	} rows[] = {
		{10, {144705, 205210, 144449}},
		{30, {311229, 311997, 352358}},
		{60, {712526, 709347, 704266}},
	};

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		for (int k = 0; k < RECEIVERS; k++) {
			uint64_t sum = 0, count = 0;

			for (int r = 0; r < PAPER_RUNS; r++) {
				if (paper_runs[r].seconds != rows[i].seconds)
					continue;
				sum += paper_runs[r].bytes[k];
				count++;
			}
			assert_true(sum / count <= rows[i].mean[k] + 1 &&
				    sum / count + 1 >= rows[i].mean[k]);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(imbalance),
	cmocka_unit_test(means),
};

UNIT_MAIN(tests)

#include "../unit.h"

#include "base/random.h"
#include "load/laws.h"
#include "load/surge.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct law laws[] = {
	{LAW_LOGNORMAL, 1.5, 0.80},
	{LAW_PARETO, 1000, 1.0},
	{LAW_WEIBULL, 1.46, 0.382},
	{LAW_BODY_TAIL, 9.357, 1.318, .body = 0.93, .k = 133000, .alpha = 1.1},
	{LAW_BODY_TAIL, 9.357, 1.318, .body = 0.93, .k = 133000, .alpha = 1.1, .low = 77,
	 .high = 3e6},
};
enum { LAWS = sizeof(laws) / sizeof(laws[0]) };

static void values_by_hand(void **state)
{
	(void)state;
	/* The medians: e^mu, k 2^(1/alpha), a (ln 2)^(1/b). */
	assert_float_equal(law_at(&laws[0], 0.5), exp(1.5), 1e-6);
	assert_float_equal(law_at(&laws[1], 0.5), 2000, 1e-6);
	assert_float_equal(law_at(&laws[2], 0.5), 1.46 * pow(log(2), 1 / 0.382), 1e-6);
	assert_float_equal(law_cdf(&laws[1], 999), 0, 0);
	/* Far out only the tail is left: 7 % of (133000 / x)^1.1. */
	assert_float_equal(1 - law_cdf(&laws[3], 1e8), 0.07 * pow(133000 / 1e8, 1.1), 1e-9);
	assert_float_equal(law_cdf(&laws[4], 76), 0, 0);
	assert_float_equal(law_cdf(&laws[4], 3e6), 1, 0);
}

static void inverses_and_samples(void **state)
{
	enum { COUNT = 20000 };
	double *sample = calloc(COUNT, sizeof(*sample));
	struct random_state random;

	(void)state;
	assert_non_null(sample);
	random_seed(&random, 7);
	for (int i = 0; i < LAWS; i++) {
		for (double u = 0.001; u < 1; u += 0.001)
			assert_float_equal(law_cdf(&laws[i], law_at(&laws[i], u)), u, 1e-9);
		for (int k = 0; k < COUNT; k++)
			sample[k] = law_at(&laws[i], random_unit(&random));
		/* 1.95 / sqrt(n) is passed by chance once in a thousand samples; the seed is fixed.
		 */
		assert_true(law_distance(&laws[i], sample, COUNT) < 1.95 / sqrt(COUNT));
		/* The distance is not blind: another law is far. */
		assert_true(law_distance(&laws[(i + 1) % 3], sample, COUNT) > 0.1 || i == 4);
	}
	free(sample);
}

static void made_as_asked(void **state)
{
	struct surge_options options = surge_defaults();
	struct surge surge, again;
	uint64_t seen[2000] = {0}, documents = 0;
	bool *ranked = calloc(2000, sizeof(*ranked));

	(void)state;
	assert_int_equal(surge_preset(&options, "hong2004"), 0);
	assert_int_equal(surge_preset(&options, "none"), -EINVAL);
	assert_int_equal(surge_make(&surge, &options), 0);
	assert_int_equal(surge_make(&again, &options), 0);
	assert_memory_equal(surge.requests, again.requests,
			    surge.request_count * sizeof(*surge.requests));
	surge_release(&again);
	options.seed = 1;
	assert_int_equal(surge_make(&again, &options), 0);
	assert_memory_not_equal(surge.requests, again.requests,
				surge.request_count * sizeof(*surge.requests));
	surge_release(&again);

	assert_int_equal(surge.file_count, 2000);
	assert_int_equal(surge.files[0].size, 77);
	assert_int_equal(surge.files[1999].size, 3119822);
	assert_true(surge.bytes > 45000000 && surge.bytes < 55000000);
	for (uint64_t i = 0; i < surge.request_count; i++) {
		seen[surge.requests[i].file]++;
		documents += surge.requests[i].kind != SURGE_EMBEDDED;
		/* What follows a document's last request begins a document. */
		if (i)
			assert_int_equal(surge.requests[i - 1].last,
					 surge.requests[i].kind != SURGE_EMBEDDED);
	}
	assert_int_equal(documents, surge.documents);
	for (uint64_t i = 0; i < surge.file_count; i++) {
		assert_int_equal(seen[i], surge.files[i].count);
		assert_true(surge.files[i].rank < 2000 && !ranked[surge.files[i].rank]);
		ranked[surge.files[i].rank] = true;
	}
	assert_true(surge.fit.sizes < 0.005);
	assert_true(surge.fit.popularity < 0.001);
	assert_true(surge.fit.embedded < 0.02);
	assert_true(surge.fit.active < 0.03);
	assert_true(surge.fit.inactive < 0.03);
	/* The most popular file alone has an eighth of the requests, all of one size. */
	assert_true(surge.fit.request_sizes < 0.075);
	assert_true(surge.fit.distance < 0.15);
	surge_release(&surge);
	free(ranked);
}

static void small_ones(void **state)
{
	(void)state;
	for (uint64_t files = 1; files < 6; files++) {
		for (uint64_t requests = 1; requests < 20; requests++) {
			struct surge_options options = surge_defaults();
			struct surge surge;
			uint64_t sum = 0;

			options.files = files;
			options.requests = requests;
			assert_int_equal(surge_make(&surge, &options), 0);
			for (uint64_t i = 0; i < files; i++)
				sum += surge.files[i].count;
			assert_int_equal(sum, requests);
			surge_release(&surge);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(values_by_hand),
	cmocka_unit_test(inverses_and_samples),
	cmocka_unit_test(made_as_asked),
	cmocka_unit_test(small_ones),
};

UNIT_MAIN(tests)

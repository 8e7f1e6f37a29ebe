#include "../unit.h"

#include "base/random.h"
#include "base/space_saving.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { KEYS = 5000, COUNTERS = 64, TOP = 10 };

static void count(struct space_saving *saving, const char *key, double weight)
{
	space_saving_add(saving, key, strlen(key), weight);
}

static void few_keys_are_exact(void **state)
{
	struct space_saving *saving = space_saving_new(4);
	struct space_saving_entry top[8];

	(void)state;
	count(saving, "/a", 1);
	count(saving, "/b", 5);
	count(saving, "/a", 2);
	count(saving, "", 1);
	assert_int_equal(space_saving_top(saving, top, 8), 3);
	assert_memory_equal(top[0].key, "/b", 2);
	assert_float_equal(top[0].count, 5, 0);
	assert_memory_equal(top[1].key, "/a", 2);
	assert_float_equal(top[1].count, 3, 0);
	assert_int_equal(top[2].length, 0);
	for (int i = 0; i < 3; i++)
		assert_float_equal(top[i].error, 0, 0);
	assert_float_equal(space_saving_total(saving), 9, 0);
	assert_int_equal(space_saving_top(saving, top, 2), 2);
	space_saving_free(saving);
}

static void the_smallest_is_taken_over_with_its_count(void **state)
{
	struct space_saving *saving = space_saving_new(2);
	struct space_saving_entry top[2];

	(void)state;
	count(saving, "a", 3);
	count(saving, "b", 2);
	count(saving, "c", 2);
	assert_int_equal(space_saving_top(saving, top, 2), 2);
	assert_memory_equal(top[0].key, "c", 1);
	assert_float_equal(top[0].count, 4, 0);
	assert_float_equal(top[0].error, 2, 0);
	assert_memory_equal(top[1].key, "a", 1);
	space_saving_free(saving);
}

/* What the paper proves, on a stream where 5,000 keys meet 64 counters; every thousand requests
 * the past fades, here and in the model. */
static void counts_are_within_their_error(void **state)
{
	struct space_saving *saving = space_saving_new(COUNTERS);
	struct space_saving_entry top[COUNTERS];
	static double model[KEYS];
	double total = 0;
	struct random_state random;
	unsigned int have;

	(void)state;
	random_seed(&random, 7);
	for (int i = 0; i < 200000; i++) {
		/* About one over the rank, as targets are. */
		double u = random_unit(&random);
		unsigned int key = (unsigned int)(u * u * u * u * u * u * KEYS);
		char text[16];

		snprintf(text, sizeof(text), "/%u", key);
		count(saving, text, 1);
		model[key]++;
		total++;
		if (i % 1000)
			continue;
		space_saving_scale(saving, 0.9);
		total *= 0.9;
		for (int k = 0; k < KEYS; k++)
			model[k] *= 0.9;
	}
	assert_float_equal(space_saving_total(saving), total, 1e-6);
	have = space_saving_top(saving, top, COUNTERS);
	assert_int_equal(have, COUNTERS);
	for (unsigned int i = 0; i < have; i++) {
		char text[16];
		unsigned int key;

		snprintf(text, sizeof(text), "%.*s", (int)top[i].length, top[i].key);
		assert_int_equal(sscanf(text, "/%u", &key), 1);
		assert_true(top[i].count >= model[key] - 1e-6);
		assert_true(top[i].count - top[i].error <= model[key] + 1e-6);
		assert_true(top[i].error <= total / COUNTERS + 1e-6);
		assert_true(!i || top[i].count <= top[i - 1].count);
		model[key] = 0;
	}
	/* Nobody with a greater share is missing. */
	for (int k = 0; k < KEYS; k++)
		assert_true(model[k] <= total / COUNTERS + 1e-6);
	space_saving_free(saving);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(few_keys_are_exact),
	cmocka_unit_test(the_smallest_is_taken_over_with_its_count),
	cmocka_unit_test(counts_are_within_their_error),
};

UNIT_MAIN(tests)

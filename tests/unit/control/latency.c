#include "../unit.h"

#include "control/latency.h"

#include <math.h>
#include <string.h>

static void test_shares(void **state)
{
	struct latency latency = {0}, none = {0};
	json_t *list, *shares;

	(void)state;
	/* 1,000 durations of 1 ms and 10 of 10 ms. */
	list = json_pack("[[i,i],[i,i],[i,i],[i,i]]", times_bucket(1000000), 1000,
			 times_bucket(10000000), 10, TIMES_BUCKETS, 5, 3, -7);
	latency_add(&latency, list);
	json_decref(list);
	assert_int_equal(latency.count, 1010);
	for (double share = 0.1; share < 0.99; share += 0.1)
		assert_true(fabs(latency_at(&latency, share) / 1e6 - 1) <= 0.125);
	assert_true(fabs(latency_at(&latency, 0.999) / 1e7 - 1) <= 0.125);
	assert_true(latency_at(&none, 0.5) == 0);
	shares = latency_shares(&latency);
	assert_true(json_number_value(json_object_get(shares, "p50")) <=
		    json_number_value(json_object_get(shares, "p999")));
	json_decref(shares);
	assert_true(json_is_null(latency_shares(&none)));
	/* There and back. */
	list = latency_json(&latency);
	assert_int_equal(json_array_size(list), 2);
	latency_add(&none, list);
	json_decref(list);
	assert_memory_equal(&none, &latency, sizeof(none));
}

static void test_since(void **state)
{
	struct latency before = {0}, now = {0}, grown;

	(void)state;
	before.buckets[5] = before.count = 10;
	now.buckets[5] = 12;
	now.buckets[9] = 3;
	now.count = 15;
	latency_since(&grown, &before, &now);
	assert_int_equal(grown.buckets[5], 2);
	assert_int_equal(grown.buckets[9], 3);
	assert_int_equal(grown.count, 5);
	/* The node's programs were loaded anew. */
	latency_since(&grown, &now, &before);
	assert_memory_equal(&grown, &before, sizeof(grown));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_since),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

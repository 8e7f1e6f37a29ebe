#include "../unit.h"

#include "top/view.h"

#include <math.h>
#include <string.h>

static json_t *status(const char *text)
{
	json_t *made = json_loads(text, 0, NULL);

	assert_non_null(made);
	return made;
}

static const char *const before =
	"{\"cluster\": \"c\", \"front\": {\"flows\": 3, \"syn\": 10, \"handoffs_first\": 5, "
	"\"fallbacks\": {\"split\": 1}},"
	" \"nodes\": [{\"name\": \"node2\", \"state\": \"up\", \"weight\": 1, \"requests\": 100, "
	"\"bytes_out\": 0, \"services\": [{\"first_byte\": [[1, 10]], \"whole\": [[9, 10]]}],"
	" \"handoffs_in\": 7},"
	" {\"name\": \"node10\", \"state\": \"up\", \"requests\": 900}]}";
static const char *const after =
	"{\"cluster\": \"c\", \"front\": {\"flows\": 4, \"syn\": 30, \"handoffs_first\": 9, "
	"\"fallbacks\": {\"split\": 7}},"
	" \"nodes\": [{\"name\": \"node10\", \"state\": \"drain\", \"requests\": 40},"
	" {\"name\": \"node2\", \"state\": \"up\", \"weight\": 1, \"requests\": 300, "
	"\"bytes_out\": 4000, \"services\": [{\"first_byte\": [[1, 10], [2, 4]], \"whole\": [[9, "
	"110]]}, {\"whole\": [[17, 100]]}], \"handoffs_in\": 9}]}";

static struct view view;

static void rates(void **state)
{
	json_t *old = status(before), *now = status(after);

	(void)state;
	view_make(&view, old, now, 2, SORT_NAME, "");
	assert_int_equal(view.count, 2);
	assert_string_equal(view.nodes[0].name, "node2");
	assert_float_equal(view.nodes[0].requests, 100, 1e-9);
	assert_float_equal(view.nodes[0].bytes, 2000, 1e-9);
	assert_float_equal(view.nodes[0].in, 1, 1e-9);
	/* The middle of the bucket from 1,152 to 1,280 ns; the end of that up to 2,304; and 98 of
	 * 100 of that from 4,096 to 4,608. */
	assert_float_equal(view.nodes[0].first_us, 1.216, 1e-9);
	assert_float_equal(view.nodes[0].whole_us, 2.304, 1e-9);
	assert_float_equal(view.nodes[0].slow_us, 4.096 + 0.98 * 0.512, 1e-9);
	/* A node whose counters began anew. */
	assert_float_equal(view.nodes[1].requests, 20, 1e-9);
	assert_float_equal(view.requests, 120, 1e-9);
	assert_float_equal(view.syn, 10, 1e-9);
	assert_float_equal(view.fallbacks, 3, 1e-9);
	assert_float_equal(view.flows, 4, 1e-9);
	view_make(&view, NULL, now, 0, SORT_NAME, "");
	assert_float_equal(view.nodes[0].requests, 0, 1e-9);
	assert_true(isnan(view.nodes[0].first_us));
	json_decref(old);
	json_decref(now);
}

static void order_and_filter(void **state)
{
	json_t *old = status(before), *now = status(after);

	(void)state;
	view_make(&view, old, now, 1, SORT_REQUESTS, "");
	assert_string_equal(view.nodes[0].name, "node2");
	view_make(&view, old, now, 1, SORT_NAME, "drain");
	assert_int_equal(view.count, 1);
	assert_string_equal(view.nodes[0].name, "node10");
	view_make(&view, old, now, 1, SORT_NAME, "nothing");
	assert_int_equal(view.count, 0);
	json_decref(old);
	json_decref(now);
}

/* Nodes that answered nothing in the interval have no latency, and come last. */
static void order_by_latency(void **state)
{
	json_t *old =
		status("{\"nodes\": [{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"c\"}, "
		       "{\"name\": \"d\"}]}");
	json_t *now = status(
		"{\"nodes\": [{\"name\": \"a\"},"
		" {\"name\": \"b\", \"services\": [{\"whole\": [[9, 10]]}]}, {\"name\": \"c\"},"
		" {\"name\": \"d\", \"services\": [{\"whole\": [[17, 10]]}]}]}");
	char order[5] = "";

	(void)state;
	view_make(&view, old, now, 1, SORT_LATENCY, "");
	for (unsigned int i = 0; i < view.count; i++)
		order[i] = view.nodes[i].name[0];
	assert_string_equal(order, "dbac");
	json_decref(old);
	json_decref(now);
}

static void numbers(void **state)
{
	char text[16];

	(void)state;
	assert_string_equal(view_number(0, text), "0");
	assert_string_equal(view_number(3, text), "3");
	assert_string_equal(view_number(1.25, text), "1.2");
	assert_string_equal(view_number(9999, text), "9999");
	assert_string_equal(view_number(10400, text), "10k");
	assert_string_equal(view_number(12.3e6, text), "12M");
	assert_true(strlen(view_number(9.9e15, text)) <= 5);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rates),
	cmocka_unit_test(order_and_filter),
	cmocka_unit_test(order_by_latency),
	cmocka_unit_test(numbers),
};

UNIT_MAIN(tests)

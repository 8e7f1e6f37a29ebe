#include "../unit.h"

#include "base/command.h"

#include <errno.h>

static void counts(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(parse_count("12k", &value), 0);
	assert_int_equal(value, 12000);
	assert_int_equal(parse_count("3Mi", &value), 0);
	assert_int_equal(value, 3 << 20);
	assert_int_equal(parse_count("-1", &value), -EINVAL);
	assert_int_equal(parse_count("", &value), -EINVAL);
	assert_int_equal(parse_count("1kk", &value), -EINVAL);
	assert_int_equal(parse_count("99999999999999999999", &value), -ERANGE);
	assert_int_equal(parse_count("18446744073709551615k", &value), -ERANGE);
}

static void durations(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(parse_duration("1.5", &value), 0);
	assert_int_equal(value, 1500000000);
	assert_int_equal(parse_duration("20ms", &value), 0);
	assert_int_equal(value, 20000000);
	assert_int_equal(parse_duration("ms", &value), -EINVAL);
	assert_int_equal(parse_duration("nan", &value), -EINVAL);
	assert_int_equal(parse_duration("1e30", &value), -ERANGE);
}

struct values {
	bool flag;
	const char *text;
	uint64_t count;
	struct option_list list;
};

static const struct option_spec options[] = {
	{"flag", 'f', OPTION_FLAG, NULL, "a flag", offsetof(struct values, flag)},
	{"text", 0, OPTION_TEXT, "T", "a text", offsetof(struct values, text),
	 .choices = "one|two"},
	{"count", 'c', OPTION_COUNT, "N", "a count", offsetof(struct values, count)},
	{"item", 'i', OPTION_LIST, "I", "an item", offsetof(struct values, list)},
	{0},
};

static void parsed(void **state)
{
	const struct command command = {
		.name = "x", .operands = "WHERE...", .summary = "x", .options = options};
	char *argv[] = {"x",  "here", "-f",	  "--text", "two", "-c9",
			"-i", "a",    "--item=b", "there",  NULL};
	struct values values = {0};
	int first = command_parse(&command, 10, argv, &values);

	(void)state;
	assert_int_equal(first, 8);
	assert_string_equal(argv[8], "here");
	assert_string_equal(argv[9], "there");
	assert_true(values.flag);
	assert_string_equal(values.text, "two");
	assert_int_equal(values.count, 9);
	assert_int_equal(values.list.count, 2);
	assert_string_equal(values.list.items[1], "b");
}

static void options_first(void **state)
{
	const struct command command = {.name = "x",
					.operands = "WHERE...",
					.summary = "x",
					.options = options,
					.options_first = true};
	char *argv[] = {"x", "-f", "host", "-c", "other", NULL};
	struct values values = {0};

	(void)state;
	assert_int_equal(command_parse(&command, 5, argv, &values), 2);
	assert_true(values.flag);
	assert_int_equal(values.count, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(counts),
	cmocka_unit_test(durations),
	cmocka_unit_test(parsed),
	cmocka_unit_test(options_first),
};

UNIT_MAIN(tests)

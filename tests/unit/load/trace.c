#include "../unit.h"

#include "load/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int line(struct trace *trace, const char *text)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", text);
	return trace_line(trace, copy);
}

static const struct trace_path *path_of(const struct trace *trace, const char *text)
{
	for (size_t i = 0; i < trace->path_count; i++)
		if (!strcmp(trace->paths[i].path, text))
			return &trace->paths[i];
	return NULL;
}

static void forms(void **state)
{
	struct trace trace = {0};

	(void)state;
	assert_int_equal(line(&trace, "1.2.3.4 - - [17/May/2015:10:05:03 +0000] \"GET /a?q=\\\"x "
				      "HTTP/1.1\" 200 203023 \"http://x/\" \"agent\""),
			 0);
	assert_int_equal(
		line(&trace, "h - u [17/May/2015:12:05:03 +0200] \"HEAD /b HTTP/1.0\" 304 -"), 0);
	assert_int_equal(line(&trace, "h - - [17/May/2015:10:05:03 +0000] \"GET /c\" 200 5"), 0);
	assert_int_equal(line(&trace, "1431857103\tPOST\t/d\t404\t7"), 0);
	assert_int_equal(line(&trace, "host\t-\t1431857103\tGET\t/e\t200\t8\t\t"), 0);
	assert_int_equal(trace.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(trace.entries[i].time == 1431857103);
	assert_string_equal(trace.paths[0].path, "/a?q=\\\"x");
	assert_int_equal(trace.entries[0].bytes, 203023);
	assert_int_equal(trace.entries[1].method, TRACE_HEAD);
	assert_int_equal(trace.entries[1].status, 304);
	assert_int_equal(trace.entries[3].method, TRACE_OTHER);
	assert_int_equal(trace.entries[4].bytes, 8);
	trace_release(&trace);
}

static void refused(void **state)
{
	static const char *const rows[] = {
		"",
		"nonsense",
		"h - - [32/Foo/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 1",
		"h - - [17/May/2015:10:05:03 +0000] \"-\" 408 -",
		"h - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 2000 1",
		"h - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 -1",
		"h - - [17/May/2015:10:05:03 +0000] \"GET /a b HTTP/1.1\" 200 1",
		"h - - [17/May/2015:10:05:03 +0000] \"GET http://x/ HTTP/1.1\" 200 1",
		"x\tGET\t/a\t200\t1",
		"1\tGET\t/a\t200",
		"1\tGET\ta\t200\t1",
		"1\tGET\t/a\t200\t99999999999999999999",
		"-1\tGET\t/a\t200\t1",
	};
	struct trace trace = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(line(&trace, rows[i]), -EINVAL);
	assert_int_equal(trace.count, 0);
	trace_release(&trace);
}

static void one_file_a_name(void **state)
{
	static const char *const rows[] = {
		"1\tGET\t/a?x\t200\t10", "1\tGET\t/a?y\t200\t30", "1\tGET\t/a\t304\t0",
		"1\tGET\t/b\t404\t99",	 "1\tGET\t/c\t200\t5",	  "1\tGET\t/c-d\t200\t5",
		"1\tGET\t/c/e\t200\t5",	 "1\tGET\t/d/\t200\t6",	  "1\tGET\t/d/index.html\t200\t4",
		"1\tGET\t/p\t206\t70",	 "1\tHEAD\t/h\t200\t9",	  "1\tGET\t/../x\t200\t9",
		"1\tGET\t/z\t200\t0",
	};
	struct trace trace = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(line(&trace, rows[i]), 0);
	trace_settle(&trace);
	assert_int_equal(path_of(&trace, "/a")->length, 30);
	assert_true(path_of(&trace, "/a")->present);
	assert_int_equal(path_of(&trace, "/a?x")->length, 30);
	assert_int_equal(path_of(&trace, "/a")->duplicate + path_of(&trace, "/a?x")->duplicate +
				 path_of(&trace, "/a?y")->duplicate,
			 2);
	assert_false(path_of(&trace, "/b")->present);
	assert_true(path_of(&trace, "/c")->directory);
	assert_false(path_of(&trace, "/c-d")->directory);
	assert_false(path_of(&trace, "/c/e")->directory);
	assert_string_equal(path_of(&trace, "/d/")->name, "/d/index.html");
	assert_int_equal(path_of(&trace, "/d/index.html")->length, 6);
	assert_int_equal(path_of(&trace, "/p")->length, 70);
	assert_true(path_of(&trace, "/p")->present);
	assert_false(path_of(&trace, "/h")->present);
	assert_null(path_of(&trace, "/../x")->name);
	assert_true(path_of(&trace, "/z")->present);
	trace_release(&trace);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(forms),
	cmocka_unit_test(refused),
	cmocka_unit_test(one_file_a_name),
};

UNIT_MAIN(tests)

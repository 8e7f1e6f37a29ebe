#include "../unit.h"

#include "base/request_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void requests(void **state)
{
	static const struct {
		const char *line, *method, *target;
		double time;
		unsigned int status;
		uint64_t bytes;
	} rows[] = {
		{"1.2.3.4 - - [17/May/2015:10:05:03 +0000] \"GET /a?q=\\\"x HTTP/1.1\" 200 17 "
		 "\"-\" \"x\"",
		 "GET", "/a?q=\\\"x", 1431857103, 200, 17},
		{"h - u [17/May/2015:12:05:03 +0200] \"HEAD http://x/b HTTP/1.0\" 304 -", "HEAD",
		 "http://x/b", 1431857103, 304, 0},
		{"h - - [17/May/2015:10:05:03 +0000] \"GET /c d\" 200 5", "GET", "/c d", 1431857103,
		 200, 5},
		{"1431857103\tPOST\t/d\t404\t7", "POST", "/d", 1431857103, 404, 7},
		{"host\t-\t1431857103\tGET\t/e\t200\t9223372036854775807\t\t", "GET", "/e",
		 1431857103, 200, INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct logged_request request;
		char line[256];

		snprintf(line, sizeof(line), "%s", rows[i].line);
		assert_int_equal(logged_request_parse(line, &request), 0);
		assert_string_equal(request.method, rows[i].method);
		assert_string_equal(request.target, rows[i].target);
		assert_true(request.time == rows[i].time);
		assert_int_equal(request.status, rows[i].status);
		assert_true(request.bytes == rows[i].bytes);
	}
}

static void no_requests(void **state)
{
	static const char *const rows[] = {
		"",
		"\t",
		"]",
		"[",
		"[]",
		"h - - [17/May/2015:10:05:03 +0000] \"",
		"h - - [17/May/2015:10:05:03 +0000] \"GET",
		"h - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" ",
		"h - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200",
		"h - - [17/Mai/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 200 1",
		"h - - [17/May/2015:10:05:03 +0000] \"GET /a HTTP/1.1\" 1000 1",
		"1\tGET\t/a\t200",
		"-1\tGET\t/a\t200\t1",
		"nan\tGET\t/a\t200\t1",
		"1\tGET\t/a\t200\t9223372036854775808",
		"time\tmethod\tpath\tstatus\tbytes",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct logged_request request;
		char line[256];

		snprintf(line, sizeof(line), "%s", rows[i]);
		assert_int_equal(logged_request_parse(line, &request), -EINVAL);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(requests),
	cmocka_unit_test(no_requests),
};

UNIT_MAIN(tests)

#include "../unit.h"

#include "node/access_log.h"
#include "wire/cluster.h"
#include "wire/node.h"
#include "wire/times.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct access_names names = {"node1", "web"};

static struct access sample(const char *line, size_t length)
{
	struct access access = {
		.wall_ns = 1700000000123456789ull,
		.first_byte_ns = 250000,
		.whole_ns = 1500000,
		.bytes = 1234,
		.status = 200,
		.flags = RECORD_FIRST | RECORD_MINOR_1,
		.reason = PLACE_REASON_POLICY,
		.line = line,
		.host = "www.example.org",
		.line_length = (uint16_t)length,
		.host_length = 15,
	};

	address_from_ipv4(&access.key.client, htonl(0x0a4d0001));
	access.key.client_port = htons(4711);
	return access;
}

static void test_combined(void **state)
{
	struct access access = sample("GET /a?b", 8);
	struct access_second second = {0};
	struct buffer text = BUFFER_EMPTY;

	(void)state;
	setenv("TZ", "UTC", 1);
	access_format(&text, LOG_COMBINED, &access, &names, &second);
	assert_string_equal(
		text.data,
		"10.77.0.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b HTTP/1.1\" 200 1234 \"-\" "
		"\"-\" "
		"host=\"www.example.org\" first_byte=0.000250 time=0.001500 port=4711 service=web "
		"node=node1 handoff=first reason=policy complete=yes\n");
	buffer_release(&text);
}

/* Whatever a client sends, a line stays one line, and its fields stay apart. */
static void test_strange_bytes(void **state)
{
	static const char line[] = "GET /\"\n\\\xff\x00 x";
	struct access access = sample(line, sizeof(line) - 1);
	struct access_second second = {0};
	struct buffer text = BUFFER_EMPTY;
	json_t *object;

	(void)state;
	access.flags |= RECORD_CUT_LINE | RECORD_CUT;
	access.status = 0;
	access.first_byte_ns = 0;
	access.wanted = 2;
	access.pin = PIN_LOGIN;
	access_format(&text, LOG_COMBINED, &access, &names, &second);
	assert_non_null(
		strstr(text.data, "\"GET /\\x22\\x0A\\x5C\\xFF\\x00 x... HTTP/1.1\" - 1234 "));
	assert_ptr_equal(strchr(text.data, '\n'), text.data + text.length - 1);
	assert_non_null(strstr(text.data, " first_byte=- "));
	assert_non_null(strstr(text.data, " reason=pinned complete=no\n"));
	buffer_clear(&text);
	second = (struct access_second){0};
	access_format(&text, LOG_JSON, &access, &names, &second);
	assert_ptr_equal(strchr(text.data, '\n'), text.data + text.length - 1);
	object = json_loads(text.data, 0, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "method")), "GET");
	assert_string_equal(json_string_value(json_object_get(object, "path")),
			    "/\\x22\\x0A\\x5C\\xFF\\x00 x");
	assert_string_equal(json_string_value(json_object_get(object, "pinned")), "login");
	assert_true(json_is_true(json_object_get(object, "truncated")));
	assert_true(json_is_false(json_object_get(object, "complete")));
	assert_null(json_object_get(object, "first_byte_s"));
	json_decref(object);
	buffer_release(&text);
}

/* Seconds pass, clients have other addresses, and numbers are what they were. */
static void test_json(void **state)
{
	struct access access = sample("POST /\xc3", 7);
	struct access_second second = {0};
	struct buffer text = BUFFER_EMPTY;

	(void)state;
	access_format(&text, LOG_JSON, &access, &names, &second);
	assert_string_equal(
		text.data,
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"client\":\"10.77.0.1\",\"port\":4711,"
		"\"service\":\"web\",\"method\":\"POST\",\"host\":\"www.example.org\","
		"\"path\":\"/\\\\xC3\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":1234,"
		"\"first_byte_s\":0.000250000,\"time_s\":0.001500000,\"node\":\"node1\","
		"\"handoff\":\"first\",\"reason\":\"policy\",\"complete\":true}\n");
	buffer_clear(&text);
	access.wall_ns += 1000000000;
	access.whole_ns = 62000000001;
	access.bytes = ~0ull;
	access.key.client.words[0] = htonl(0xfd770000);
	access.key.client.words[1] = access.key.client.words[2] = 0;
	access.key.client.words[3] = htonl(0x10);
	access_format(&text, LOG_JSON, &access, &names, &second);
	assert_non_null(strstr(text.data, "\"2023-11-14T22:13:21.123Z\",\"client\":\"fd77::10\","));
	assert_non_null(strstr(text.data, "\"bytes\":18446744073709551615,"));
	assert_non_null(strstr(text.data, "\"time_s\":62.000000001,"));
	buffer_release(&text);
}

/* A line of nothing but what has to be escaped has room. */
static void test_longest(void **state)
{
	struct access_second second = {0};
	struct buffer text = BUFFER_EMPTY;
	char line[RECORD_TEXT];
	struct access access = sample(line, RECORD_LINE_MAX);
	json_t *object;

	(void)state;
	memset(line, '"', sizeof(line));
	access.host = line + RECORD_LINE_MAX;
	access.host_length = RECORD_HOST_MAX;
	access_format(&text, LOG_JSON, &access, &names, &second);
	object = json_loads(text.data, 0, NULL);
	assert_int_equal(json_string_length(json_object_get(object, "method")),
			 4 * RECORD_LINE_MAX);
	assert_int_equal(json_string_length(json_object_get(object, "host")), 4 * RECORD_HOST_MAX);
	json_decref(object);
	buffer_release(&text);
}

static unsigned int lines_of(const char *path)
{
	struct buffer text = BUFFER_EMPTY;
	unsigned int lines = 0;

	if (!buffer_read_file(&text, path, 1 << 20))
		for (size_t i = 0; i < text.length; i++)
			lines += text.data[i] == '\n';
	buffer_release(&text);
	return lines;
}

static void test_rotation(void **state)
{
	struct config_log config = {.on = true, .format = LOG_COMBINED, .rotate = 1000, .keep = 2};
	struct access access = sample("GET /a", 6);
	char folder[] = "/tmp/baton-log-XXXXXX", path[300], why[512];
	struct access_log *log;
	unsigned int kept = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(config.to, sizeof(config.to), "%s/deep/{node}.log", folder);
	log = access_log_open(&config, "node1", why);
	assert_non_null(log);
	for (int i = 0; i < 50; i++) {
		access_log_add(log, &access, "web");
		access_log_flush(log);
	}
	assert_int_equal(access_log_lines(log), 50);
	access_log_close(log);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), i ? "%s/deep/node1.log.%d" : "%s/deep/node1.log",
			 folder, i);
		kept += lines_of(path);
		assert_int_equal(unlink(path) == 0, i < 3);
	}
	/* A file is put aside by the line that fills it: five of 239 bytes. */
	assert_in_range(kept, 10, 15);
	snprintf(path, sizeof(path), "%s/deep", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
	snprintf(config.to, sizeof(config.to), "/proc/no/such.log");
	assert_null(access_log_open(&config, "node1", why));
	assert_non_null(strstr(why, "/proc/no/such.log"));
}

/* Every duration lies in the bucket that its bounds say, and bounds rise by at most an eighth. */
static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(times_bucket(0), 0);
	assert_int_equal(times_bucket(1023), 0);
	assert_int_equal(times_bucket(1024), 1);
	assert_int_equal(times_bucket(~0ull), TIMES_BUCKETS - 1);
	for (uint32_t i = 0; i + 1 < TIMES_BUCKETS; i++) {
		uint64_t bound = times_bound(i);

		assert_int_equal(times_bucket(bound - 1), i);
		assert_int_equal(times_bucket(bound), i + 1);
		if (i + 2 < TIMES_BUCKETS)
			assert_true(times_bound(i + 1) - bound <= bound / 8);
	}
	assert_int_equal(times_bound(TIMES_BUCKETS - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_combined), cmocka_unit_test(test_strange_bytes),
		cmocka_unit_test(test_json),	 cmocka_unit_test(test_longest),
		cmocka_unit_test(test_rotation), cmocka_unit_test(test_buckets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A head of any length is read as the kernel reads one that is whole in its first segment. */
#include "../unit.h"

#include "front/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct place_query read_text(const char *text, uint32_t length, bool keep_query,
				    enum first_request wanted)
{
	static struct config_service service = {.protocol = PROTOCOL_HTTP,
						.path_segments = CONFIG_SEGMENTS_ALL};
	struct place_query query = {0};

	service.target = keep_query ? TARGET_URL : TARGET_PATH;
	assert_int_equal(head_read((const uint8_t *)text, length, &service, 3, &query, NULL),
			 wanted);
	assert_int_equal(query.pool, 3);
	return query;
}

/* What the program makes of a target. */
static struct place_query kernel_reads(const char *host, const char *path)
{
	static struct scratch scratch;
	struct target_text text = {
		.host_length = strlen(host), .path_at = strlen(host), .path_length = strlen(path)};
	struct place_query query = {0};

	memset(&scratch, 0, sizeof(scratch));
	snprintf((char *)scratch.bytes, SCRATCH_SIZE, "%s%s", host, path);
	place_text(&query, FIRST_WANTS, &scratch, &text);
	return query;
}

static void assert_same(struct place_query a, struct place_query b)
{
	assert_true(a.target == b.target);
	assert_int_equal(a.carp, b.carp);
	assert_int_equal(a.md5, b.md5);
}

static void alike_however_long_the_rest_is(void **state)
{
	struct place_query wanted = kernel_reads("www.example.org", "/a/b.html");
	static char text[HEAD_MOST];

	(void)state;
	for (int filling = 0; filling < 30000; filling += 1499) {
		int length = snprintf(text, sizeof(text),
				      "GET /a/b.html?q=1 HTTP/1.1\r\nCookie: %0*d\r\n"
				      "Host: WWW.example.org:80\r\n\r\n",
				      filling + 1, 0);

		assert_same(read_text(text, length, false, FIRST_PLACED), wanted);
		/* Every cut before the end of the Host line needs more. */
		for (int cut = 0; cut < length - 3; cut += cut < 100 ? 1 : 997)
			read_text(text, cut, false, FIRST_SPLIT);
		read_text(text, length - 4, false, FIRST_SPLIT);
	}
}

static void long_paths_differ_at_their_ends(void **state)
{
	static char text[HEAD_MOST];
	struct place_query queries[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		int length = snprintf(text, sizeof(text),
				      "GET /%08000d%d HTTP/1.1\r\nHost: h\r\n\r\n", 0, i);

		queries[i] = read_text(text, length, false, FIRST_PLACED);
	}
	assert_true(queries[0].target != queries[1].target);
	assert_int_not_equal(queries[0].carp, queries[1].carp);
	assert_int_not_equal(queries[0].md5, queries[1].md5);
}

static void query_and_host(void **state)
{
	static const char text[] = "GET /p?x=1 HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char hostless[] = "GET /p HTTP/1.0\r\nAccept: a\r\n\r\n";

	(void)state;
	assert_same(read_text(text, sizeof(text) - 1, true, FIRST_PLACED),
		    kernel_reads("h", "/p?x=1"));
	assert_same(read_text(text, sizeof(text) - 1, false, FIRST_PLACED),
		    kernel_reads("h", "/p"));
	assert_same(read_text(hostless, sizeof(hostless) - 1, false, FIRST_HOSTLESS),
		    kernel_reads("", "/p"));
	read_text("SSH-2.0-x\r\n", 11, false, FIRST_STRANGE);
	read_text("", 0, false, FIRST_SPLIT);
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A ClientHello with a key share of so many bytes before the server name. */
static uint32_t make_hello(uint8_t *hello, unsigned int share, const char *name)
{
	unsigned int length = (unsigned int)strlen(name), extensions = 4 + share;
	uint8_t *at = hello + 5 + 4 + 2 + 32;

	if (length)
		extensions += 9 + length;
	memset(hello, 0, 5 + 4 + 34 + 7 + 2 + extensions);
	at[0] = 0; /* no session */
	put16(at + 1, 2);
	put16(at + 3, 0x1301);
	at[5] = 1;
	at += 7;
	put16(at, extensions);
	at += 2;
	put16(at, 51);
	put16(at + 2, share);
	at += 4 + share;
	if (length) {
		put16(at, 0);
		put16(at + 2, 5 + length);
		put16(at + 4, 3 + length);
		put16(at + 7, length);
		memcpy(at + 9, name, length);
		at += 9 + length;
	}
	memcpy(hello, "\x16\x03\x01", 3);
	put16(hello + 3, (unsigned int)(at - hello) - 5);
	hello[5] = 1;
	put16(hello + 7, (unsigned int)(at - hello) - 9);
	hello[9] = 3;
	hello[10] = 3;
	return (uint32_t)(at - hello);
}

static void long_hellos_go_by_name(void **state)
{
	static struct config_service service = {.protocol = PROTOCOL_TLS};
	struct place_query none = {0};
	static uint8_t hello[20000];

	(void)state;
	for (unsigned int share = 0; share < 16000; share += 1184) {
		uint32_t length = make_hello(hello, share, "www.example.org");
		struct place_query query = {0};

		assert_int_equal(head_read(hello, length, &service, 0, &query, NULL), FIRST_PLACED);
		assert_same(query, kernel_reads("www.example.org", ""));
		for (uint32_t cut = 0; cut < length; cut += cut < 100 ? 1 : 501)
			assert_int_equal(head_read(hello, cut, &service, 0, &query, NULL),
					 FIRST_SPLIT);
		length = make_hello(hello, share, "");
		assert_int_equal(head_read(hello, length, &service, 0, &query, NULL),
				 FIRST_NAMELESS);
	}
	assert_int_equal(head_read((const uint8_t *)"GET / H", 7, &service, 0, &none, NULL),
			 FIRST_STRANGE);
}

/* Cuts a hello's message into records of `part` bytes each. Returns the length of all. */
static uint32_t cut_hello(const uint8_t *hello, uint32_t length, uint32_t part, uint8_t *out)
{
	uint32_t to = 0;

	for (uint32_t at = 5; at < length; at += part) {
		uint32_t size = length - at < part ? length - at : part;

		memcpy(out + to, "\x16\x03\x01", 3);
		put16(out + to + 3, size);
		memcpy(out + to + 5, hello + at, size);
		to += 5 + size;
	}
	return to;
}

static void hellos_in_several_records(void **state)
{
	static struct config_service service = {.protocol = PROTOCOL_TLS};
	static const uint32_t parts[] = {1, 2, 3, 4, 5, 17, 60, 500, 1300};
	static uint8_t hello[4000], records[6 * 4000];
	uint32_t length = make_hello(hello, 1216, "www.example.org"), cut;
	struct place_query query = {0};

	(void)state;
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint32_t all = cut_hello(hello, length, parts[i], records);

		for (cut = 0; cut < all; cut += cut < 100 ? 1 : 97)
			assert_int_equal(head_read(records, cut, &service, 0, &query, NULL),
					 FIRST_SPLIT);
		query = (struct place_query){0};
		assert_int_equal(head_read(records, all, &service, 0, &query, NULL), FIRST_PLACED);
		assert_same(query, kernel_reads("www.example.org", ""));
		/* Early data goes on behind it (RFC 8446, 4.2.10), after a ChangeCipherSpec. */
		memcpy(records + all, "\x14\x03\x03\0\1\1\x17\x03\x03\1\0", 11);
		query = (struct place_query){0};
		assert_int_equal(head_read(records, all + 11, &service, 0, &query, NULL),
				 FIRST_PLACED);
		assert_same(query, kernel_reads("www.example.org", ""));
	}
	/* An empty record; something else in between; more than the message in its last record. */
	cut = cut_hello(hello, length, 500, records);
	put16(records + 508, 0);
	assert_int_equal(head_read(records, cut, &service, 0, &query, NULL), FIRST_STRANGE);
	cut = cut_hello(hello, length, 500, records);
	records[505] = 23;
	assert_int_equal(head_read(records, cut, &service, 0, &query, NULL), FIRST_STRANGE);
	cut = cut_hello(hello, length + 1, 500, records);
	assert_int_equal(head_read(records, cut, &service, 0, &query, NULL), FIRST_STRANGE);
	/* Longer than one record can be: never whole. */
	cut = cut_hello(hello, length, 500, records);
	records[6] = 1;
	assert_int_equal(head_read(records, cut, &service, 0, &query, NULL), FIRST_SPLIT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(alike_however_long_the_rest_is),
	cmocka_unit_test(long_paths_differ_at_their_ends),
	cmocka_unit_test(query_and_host),
	cmocka_unit_test(long_hellos_go_by_name),
	cmocka_unit_test(hellos_in_several_records),
};

UNIT_MAIN(tests)

/* The hashes of a target's bytes, against definitions written plainly. */
#include "../unit.h"

#include "place/world.h"

#include "place/access.h"

#include "bpf/target.h"

#include <stdio.h>
#include <string.h>

static struct scratch scratch;

/* A request in the scratch, read as the programs read it. */
static struct place_query placed(const char *request, unsigned int wants, __u32 target)
{
	struct place_query query = {0};
	struct http_request read;

	/* What lies behind a request is never nought. */
	memset(&scratch, 'x', sizeof(scratch));
	memcpy(scratch.bytes, request, strlen(request));
	http_request_parse(&scratch, strlen(request), &read);
	assert_true(read.fields.flags & HTTP_COMPLETE);
	place_request(&query, wants, &scratch, &read, target);
	return query;
}

static __u32 carp_of(const char *text)
{
	__u32 hash = 0;

	for (; *text; text++)
		hash += (hash << 19 | hash >> 13) + (unsigned char)*text;
	return hash;
}

static void texts_of_every_length(void **state)
{
	(void)state;
	for (unsigned int host = 1; host < 40; host++)
		for (unsigned int path = 1; path < 150; path += 1 + path / 20) {
			char request[512], text[256], name[64], way[256];
			struct place_query query;

			memset(name, 'h', host);
			name[host] = 0;
			memset(way, 'p', path);
			way[0] = '/';
			way[path] = 0;
			snprintf(text, sizeof(text), "%s%s", name, way);
			snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
				 way, name);
			query = placed(request, ~0u, SERVICE_TARGET_PATH);
			assert_true(query.target ==
				    place_hash_bytes(PLACE_HASH_START, text, strlen(text)));
			assert_int_equal(query.carp, carp_of(text));
		}
}

static void what_is_the_same_target(void **state)
{
	struct place_query plain =
		placed("GET /a HTTP/1.1\r\nHost: x.org\r\n\r\n", ~0u, SERVICE_TARGET_PATH);
	static const char *const same[] = {
		"GET /a HTTP/1.1\r\nHost: X.Org\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x.org:80\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x.org:443\r\n\r\n",
		"GET /a?b=c HTTP/1.1\r\nHost: x.org\r\n\r\n",
		"GET http://x.org/a HTTP/1.1\r\nHost: other\r\n\r\n",
		"HEAD /a HTTP/1.0\r\nAccept: text/html\r\nHost:x.org\r\n\r\n",
	};
	static const char *const other[] = {
		"GET /A HTTP/1.1\r\nHost: x.org\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x.org:8080\r\n\r\n",
		"GET /a/ HTTP/1.1\r\nHost: x.org\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: y.org\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		struct place_query query = placed(same[i], ~0u, SERVICE_TARGET_PATH);

		assert_memory_equal(&query, &plain, sizeof(query));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		assert_true(placed(other[i], ~0u, SERVICE_TARGET_PATH).target != plain.target);
	assert_true(placed(same[3], ~0u, SERVICE_TARGET_URL).target != plain.target);
	assert_int_equal(
		placed("GET /a HTTP/1.1\r\nHost: x.org\r\n\r\n", 0, SERVICE_TARGET_PATH).target, 0);
}

static void segments_of_the_path(void **state)
{
	static const struct {
		const char *target, *part;
		__u32 segments;
	} rows[] = {
		{"/", "", 0},
		{"/a/b", "", 0},
		{"/a?b/c", "", 0},
		{"/", "/", 1},
		{"/a", "/a", 1},
		{"/a/", "/a", 1},
		{"/a/b", "/a", 1},
		{"/a?b/c", "/a", 1},
		{"//a", "/", 1},
		{"http://x.org/a/b", "/a", 1},
		{"http://x.org", "", 1},
		{"/a/b", "/a/b", 2},
		{"/a/b/", "/a/b", 2},
		{"/a//b", "/a/", 2},
		{"/1234567/89", "/1234567", 1},
		{"/12345678/9", "/12345678", 1},
		{"/1234567890123456/1/2", "/1234567890123456/1", 2},
		{"/1/2/3/4/5/6/7/8/9/0", "/1/2/3/4/5/6/7/8/9", 9},
		{"/1/2/3", "/1/2/3", 64},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char request[128], text[128];

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x.org\r\n\r\n",
			 rows[i].target);
		snprintf(text, sizeof(text), "x.org%s", rows[i].part);
		if (placed(request, ~0u, 1 + rows[i].segments).target !=
		    place_hash_bytes(PLACE_HASH_START, text, strlen(text)))
			fail_msg("row %zu: %u of %s", i, rows[i].segments, rows[i].target);
	}
}

/* The last eight digits that md5sum prints for host and path. */
static void md5_of_requests(void **state)
{
	static const struct {
		const char *host, *path, *end;
	} rows[] = {
		{"a", "/", "b8fb740e"},
		{"www.example.org", "/index.html", "44315375"},
		{"hhhhhhhhhhhhhhhhhhhh", "/pppppppppppppppppppppppppppppppppp", "c176030f"},
		{"hhhhhhhhhhhhhhhhhhhh", "/ppppppppppppppppppppppppppppppppppp", "cd8a5d56"},
		{"hhhhhhhhhhhhhhhhhhhh", "/pppppppppppppppppppppppppppppppppppp", "47fcf0d8"},
		{"hhhhhhhhhhhhhhhhhhhh", "/pppppppppppppppppppppppppppppppppppppppppp", "e8587c0e"},
		{"hhhhhhhhhhhhhhhhhhhh", "/ppppppppppppppppppppppppppppppppppppppppppp",
		 "9c515380"},
		{"hhhhhhhhhhhhhhhhhhhh", "/pppppppppppppppppppppppppppppppppppppppppppp",
		 "80ccd656"},
		{"hhhhhhh",
		 "/qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
		 "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
		 "1579b09a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char request[512], low[9];

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
			 rows[i].path, rows[i].host);
		snprintf(low, sizeof(low), "%08x",
			 placed(request, PLACE_WANT_MD5, SERVICE_TARGET_PATH).md5);
		assert_string_equal(low, rows[i].end);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(texts_of_every_length),
	cmocka_unit_test(what_is_the_same_target),
	cmocka_unit_test(segments_of_the_path),
	cmocka_unit_test(md5_of_requests),
};

UNIT_MAIN(tests)

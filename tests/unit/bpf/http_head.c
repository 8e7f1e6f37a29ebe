/* A head cut anywhere, in two and in many pieces: given up, or understood as if it were whole. */
#include "../unit.h"

#include "bpf/http_head.h"

#include <stdio.h>
#include <string.h>

#define LATER                                                                                      \
	(HTTP_HEAD | HTTP_CONNECT | HTTP_MINOR_1 | HTTP_CLOSE | HTTP_CHUNKED | HTTP_LENGTH |       \
	 HTTP_UPGRADE | HTTP_BOUND_AUTH)

static const char *const heads[] = {
	"GET /a/long/path/that/goes/on?and=on HTTP/1.1\r\nHost: a\r\nCookie: c=ccccccccc\r\n\r\n",
	"HEAD /x HTTP/1.0\r\nConnection: keep-alive\r\nX-Token: abc\r\n\r\n",
	"POST /up HTTP/1.1\r\nHost: b\r\nCookie: d\r\nContent-Length: 1234\r\nX: y\r\n\r\n",
	"PUT /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: b\r\nCookie: dddddd\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nCookie: c\r\nAuthorization: NTLM x\r\nConnection: "
	"close\r\n\r\n",
	"CONNECT a.example.org:443 HTTP/1.1\r\nHost: a.example.org\r\nX: y\r\n\r\n",
};

/* Reads the head in pieces that end at the cuts. Returns 0 if that was given up. */
static int in_pieces(const char *head, const unsigned int *cuts, unsigned int count,
		     struct http_fields *fields)
{
	unsigned int length = strlen(head), at = 0;
	struct body_state body = {0};
	static struct scratch scratch;
	struct http_request request;

	for (unsigned int i = 0; i <= count; i++) {
		unsigned int end = i < count ? cuts[i] : length;
		int used;

		if (end <= at)
			continue;
		memset(&scratch, 'Z', sizeof(scratch));
		memcpy(scratch.bytes, head + at, end - at);
		if (!at) {
			http_request_parse(&scratch, end, &request);
			assert_false(request.fields.flags & HTTP_BAD);
			if (request.fields.flags & HTTP_COMPLETE) {
				*fields = request.fields;
				return end == length;
			}
			if (head_split(&body, &scratch, end, &request))
				return 0;
		} else {
			used = head_follow(&scratch, end - at, &body, fields);
			if (used < 0)
				return 0;
			assert_int_equal(used, end - at);
			assert_int_equal(head_running(&body), end != length);
		}
		assert_int_equal(body_running(&body), end != length);
		at = end;
	}
	return 1;
}

static void any_cut(void **state)
{
	unsigned int followed = 0, given_up = 0;

	(void)state;
	for (unsigned int i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		unsigned int length = strlen(heads[i]);
		struct http_fields whole = {0}, pieces = {0};

		assert_true(in_pieces(heads[i], NULL, 0, &whole));
		for (unsigned int a = 1; a < length; a++)
			for (unsigned int b = a; b < length; b++) {
				unsigned int cuts[] = {a, b};

				if (!in_pieces(heads[i], cuts, 2, &pieces)) {
					given_up++;
					continue;
				}
				followed++;
				assert_int_equal(pieces.flags & LATER, whole.flags & LATER);
				assert_int_equal(pieces.content_length, whole.content_length);
			}
	}
	/* Neither is rare in heads as short as these. */
	assert_true(followed > 1000 && given_up > 1000);
}

static void values_of_any_length(void **state)
{
	struct body_state body = {.phase = BODY_HEAD_VALUE, .flags = HTTP_MINOR_1};
	static struct scratch scratch;
	struct http_fields fields;

	(void)state;
	memset(&scratch, 'c', sizeof(scratch));
	for (int i = 0; i < 20; i++)
		assert_int_equal(head_follow(&scratch, SCRATCH_SIZE, &body, &fields), SCRATCH_SIZE);
	memcpy(scratch.bytes, "c\r\nContent-Length: 5\r\n\r\nhello", 29);
	assert_int_equal(head_follow(&scratch, 29, &body, &fields), 24);
	assert_int_equal(fields.content_length, 5);
	assert_false(body_running(&body));
}

static void what_is_bad_is_given_up(void **state)
{
	static const char *const rows[] = {" HTTP/2.0\r\n\r\n", "\thttp", " HTTP/1.1\n\n aaaaaa",
					   " HTTP/1.1\r\n folded: x\r\n"};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct body_state body = {.phase = BODY_HEAD_TARGET};
		static struct scratch scratch;
		struct http_fields fields;

		memcpy(scratch.bytes, rows[i], strlen(rows[i]));
		assert_int_equal(head_follow(&scratch, strlen(rows[i]), &body, &fields), -1);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_cut),
	cmocka_unit_test(values_of_any_length),
	cmocka_unit_test(what_is_bad_is_given_up),
};

UNIT_MAIN(tests)

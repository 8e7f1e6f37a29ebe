#include "../unit.h"

#include "base/random.h"
#include "compare.h"

static struct scratch scratch;

static void parse(const char *text, struct http_request *request)
{
	memset(&scratch, 'z', sizeof(scratch));
	memcpy(scratch.bytes, text, strlen(text));
	http_request_parse(&scratch, strlen(text), request);
}

static void assert_text(int at, int length, const char *text)
{
	assert_int_equal(length, strlen(text));
	assert_memory_equal(scratch.bytes + at, text, length);
}

#define REST "\r\nHost: h\r\n\r\n"

/* What must be understood, and how. */
static const struct good {
	const char *head, *target, *host, *path;
	unsigned int flags; /* besides those that every good head has */
	unsigned long long length;
} goods[] = {
	{"GET / HTTP/1.1" REST, "/", "h", "/", HTTP_HOST_LINE, 0},
	{"GET /a/b?c=d?e HTTP/1.1" REST, "/a/b?c=d?e", "h", "/a/b", HTTP_HOST_LINE, 0},
	{"HEAD /a-longer-path-than-eight HTTP/1.1" REST, "/a-longer-path-than-eight", "h",
	 "/a-longer-path-than-eight", HTTP_HOST_LINE | HTTP_HEAD, 0},
	{"GET /? HTTP/1.1\r\nHOST:WWW.Example.COM:80\r\n\r\n", "/?", "WWW.Example.COM:80", "/",
	 HTTP_HOST_LINE, 0},
	{"GET / HTTP/1.1\r\nhost: \t x \t \r\n\r\n", "/", "x", "/", HTTP_HOST_LINE, 0},
	{"GET http://other.example/a?b HTTP/1.1" REST, "http://other.example/a?b", "other.example",
	 "/a", HTTP_HOST_LINE | HTTP_ABSOLUTE, 0},
	{"GET HTTPS://other.example HTTP/1.1" REST, "HTTPS://other.example", "other.example", "",
	 HTTP_HOST_LINE | HTTP_ABSOLUTE, 0},
	{"GET http://o?x/y HTTP/1.1" REST, "http://o?x/y", "o", "", HTTP_HOST_LINE | HTTP_ABSOLUTE,
	 0},
	{"CONNECT example.org:443 HTTP/1.1" REST, "example.org:443", "example.org:443", "",
	 HTTP_HOST_LINE | HTTP_CONNECT, 0},
	{"OPTIONS * HTTP/1.1" REST, "*", "h", "*", HTTP_HOST_LINE, 0},
	{"M-SEARCH /x HTTP/1.1" REST, "/x", "h", "/x", HTTP_HOST_LINE, 0},
	{"VERY-LONG-METHOD-TOKEN /x HTTP/1.1" REST, "/x", "h", "/x", HTTP_HOST_LINE, 0},
	{"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "/", "h", "/",
	 HTTP_HOST_LINE | HTTP_CLOSE, 0},
	{"GET / HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n", "/", "h", "/",
	 HTTP_HOST_LINE | HTTP_KEEP_ALIVE, 0},
	{"GET / HTTP/1.1\r\nConnection: TE ,\tclose , keep-alive\r\nHost: h\r\n\r\n", "/", "h", "/",
	 HTTP_HOST_LINE | HTTP_KEEP_ALIVE | HTTP_CLOSE, 0},
	{"GET / HTTP/1.1\r\nConnection: closed, enclose, keep-alive2\r\nHost: h\r\n\r\n", "/", "h",
	 "/", HTTP_HOST_LINE, 0},
	{"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	 "/chat", "h", "/chat", HTTP_HOST_LINE | HTTP_UPGRADE, 0},
	{"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 0123\r\nExpect: 100-continue\r\n\r\n",
	 "/f", "h", "/f", HTTP_HOST_LINE | HTTP_LENGTH | HTTP_EXPECT, 123},
	{"PUT /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "/f", "h", "/f",
	 HTTP_HOST_LINE | HTTP_CHUNKED, 0},
	{"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM TlRMTVNTUAAB\r\n\r\n", "/", "h", "/",
	 HTTP_HOST_LINE | HTTP_BOUND_AUTH, 0},
	{"GET / HTTP/1.1\r\nHost: h\r\nproxy-authorization: negotiate YII\r\n\r\n", "/", "h", "/",
	 HTTP_HOST_LINE | HTTP_BOUND_AUTH, 0},
	{"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n\r\n", "/", "h", "/",
	 HTTP_HOST_LINE, 0},
	{"DELETE /x HTTP/1.1\r\nHost: h\r\nX-Odd: \xc3\xa4\t\x80\xff\r\nX-Empty:\r\n\r\n", "/x",
	 "h", "/x", HTTP_HOST_LINE, 0},
	{"GET /\xc3\xa4 HTTP/1.1" REST, "/\xc3\xa4", "h", "/\xc3\xa4", HTTP_HOST_LINE, 0},
};

static void good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		const struct good *row = &goods[i];
		struct http_request request;
		const char *reason = compare_request(row->head, strlen(row->head));
		size_t length = strlen(row->head);

		if (reason)
			fail_msg("%s: %s", row->head, reason);
		parse(row->head, &request);
		if (request.fields.flags != (HTTP_COMPLETE | HTTP_TARGET_KNOWN | HTTP_HOST_KNOWN |
					     HTTP_MINOR_1 | row->flags))
			fail_msg("%s: flags %#x", row->head, request.fields.flags);
		assert_int_equal(request.head_length, length);
		assert_text(request.target_at, request.target_length, row->target);
		assert_text(request.fields.host_at, request.fields.host_length, row->host);
		assert_text(request.path_at, request.path_length, row->path);
		assert_int_equal(request.fields.content_length, row->length);

		/* Followed by more, it is the same; cut short anywhere, it is not whole. */
		for (size_t cut = 0; cut < length; cut++) {
			reason = compare_request(row->head, cut);
			if (reason)
				fail_msg("%s, cut at %zu: %s", row->head, cut, reason);
			memset(&scratch, 'z', sizeof(scratch));
			memcpy(scratch.bytes, row->head, cut);
			http_request_parse(&scratch, cut, &request);
			assert_int_equal(request.fields.flags & (HTTP_COMPLETE | HTTP_BAD), 0);
		}
	}
}

/* What must be refused: servers are known to differ on it. */
static const char *const bads[] = {
	"GET / HTTP/1.1\nHost: h\n\n",
	"GET / HTTP/1.1\r\nHost: h\n\r\n",
	"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
	"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
	"GET / HTTP/1.1\r\n X: a\r\n\r\n",
	"GET / HTTP/1.1\r\nX : a\r\n\r\n",
	"GET / HTTP/1.1\r\nX\r\n\r\n",
	"GET / HTTP/1.1\r\n: a\r\n\r\n",
	"GET / HTTP/1.1\r\nX: a\x01\r\n\r\n",
	"GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n",
	"GET / HTTP/1.1\r\nTransfer-Encoding\x0b: chunked\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n",
	"GET / HTTP/2.0\r\n\r\n",
	"GET / HTTP/1.2\r\n\r\n",
	"GET / http/1.1\r\n\r\n",
	"GET /\r\n\r\n        ",
	"GET  / HTTP/1.1\r\n\r\n",
	"GET /  HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1 \r\n\r\n",
	"GET /a b HTTP/1.1\r\n\r\n",
	"GET /\x01 HTTP/1.1\r\n\r\n",
	"GET /\tx HTTP/1.1\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\t\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tchunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked \t\r\n\r\n",
	"GET relative HTTP/1.1\r\n\r\n",
	"GET ftp://x/ HTTP/1.1\r\n\r\n",
	"GET http://user@x/ HTTP/1.1\r\n\r\n",
	"GET http:///x HTTP/1.1\r\n\r\n",
	"GET * HTTP/1.1\r\n\r\n",
	"CONNECT /x HTTP/1.1/long\r\n\r\n",
	" GET / HTTP/1.1\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\n\r\n",
	"G(T / HTTP/1.1\r\n\r\n",
	"A-METHOD-THAT-IS-LONGER-THAN-ANY-METHOD-EVER / HTTP/1.1\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
	"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n",
	"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
	"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
	"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
};

static void bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct http_request request;

		parse(bads[i], &request);
		if (!(request.fields.flags & HTTP_BAD))
			fail_msg("taken: %s (%#x)", bads[i], request.fields.flags);
	}
	/* Two bytes of NUL in a value: no string, so not in the table. */
	struct http_request request;

	parse("GET / HTTP/1.1\r\nX: aNb\r\n\r\n", &request);
	*strchr((char *)scratch.bytes, 'N') = 0;
	http_request_parse(&scratch, 25, &request);
	assert_true(request.fields.flags & HTTP_BAD);
}

/* Host and target are known before the head is whole. */
static void early(void **state)
{
	struct http_request request;

	(void)state;
	parse("GET /x HTTP/1.1\r\nHost: example.org\r\nCookie: unfinis", &request);
	assert_int_equal(request.fields.flags,
			 HTTP_TARGET_KNOWN | HTTP_HOST_KNOWN | HTTP_HOST_LINE | HTTP_MINOR_1);
	assert_text(request.fields.host_at, request.fields.host_length, "example.org");
	parse("GET /x HTTP/1.1\r\nHost: exam", &request);
	assert_int_equal(request.fields.flags, HTTP_TARGET_KNOWN | HTTP_MINOR_1);
	parse("GET http://example.org/x HTTP/1.1\r\nHo", &request);
	assert_int_equal(request.fields.flags,
			 HTTP_TARGET_KNOWN | HTTP_HOST_KNOWN | HTTP_ABSOLUTE | HTTP_MINOR_1);
	parse("GET http://example.org/x HTTP/1.", &request);
	assert_int_equal(request.fields.flags & ~HTTP_ABSOLUTE, 0);
}

/* A request whose next one follows, and a head as long as the buffer and longer. */
static void limits(void **state)
{
	static char head[2 * SCRATCH_SIZE];
	struct http_request request;

	(void)state;
	parse("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", &request);
	assert_int_equal(request.head_length, 28);
	for (int length = SCRATCH_SIZE - 20; length < SCRATCH_SIZE + 20; length++) {
		const char *reason;

		snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nCookie: %0*d\r\n\r\n", length - 28,
			 0);
		assert_int_equal(strlen(head), length);
		if (length > SCRATCH_SIZE) {
			memcpy(scratch.bytes, head, SCRATCH_SIZE);
			http_request_parse(&scratch, length, &request);
			assert_int_equal(request.fields.flags & (HTTP_COMPLETE | HTTP_BAD), 0);
			continue;
		}
		reason = compare_request(head, length);
		if (reason)
			fail_msg("%d: %s", length, reason);
		parse(head, &request);
		assert_int_equal(request.head_length, length);
	}
}

/* Good heads with bytes changed, left out, doubled and put together, repeatably. */
static void mutated(void **state)
{
	static const char spice[] = "\r\n\r\n \t:,;/?#@*\0\x01\x7f\x80Hh5GETc-_HTTP/1.1";
	static char text[SCRATCH_SIZE];
	struct random_state random;
	int whole = 0;

	(void)state;
	random_seed(&random, 20261121);
	for (int round = 0; round < 60000; round++) {
		const char *from =
			random_below(&random, 4)
				? goods[random_below(&random, sizeof(goods) / sizeof(goods[0]))]
					  .head
				: bads[random_below(&random, sizeof(bads) / sizeof(bads[0]))];
		size_t length = strlen(from);
		const char *reason;

		memcpy(text, from, length);
		for (int n = random_below(&random, 4); n > 0 && length; n--) {
			size_t at = random_below(&random, length);
			size_t span = 1 + random_below(&random, length - at < 9 ? length - at : 9);

			switch (random_below(&random, 4)) {
			case 0:
				text[at] = spice[random_below(&random, sizeof(spice) - 1)];
				break;
			case 1:
				memmove(text + at, text + at + span, length - at - span);
				length -= span;
				break;
			case 2:
				memmove(text + at + span, text + at, length - at);
				length += span;
				break;
			default:
				text[at] ^= 1 << random_below(&random, 8);
			}
		}
		reason = compare_request(text, length);
		if (reason)
			fail_msg("round %d: %s: %.*s", round, reason, (int)length, text);
		memcpy(scratch.bytes, text, length);
		struct http_request request;

		http_request_parse(&scratch, length, &request);
		whole += (request.fields.flags & (HTTP_COMPLETE | HTTP_BAD)) == HTTP_COMPLETE;
	}
	/* Enough of them were good to say something. */
	assert_in_range(whole, 10000, 50000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(good),	  cmocka_unit_test(bad),     cmocka_unit_test(early),
	cmocka_unit_test(limits), cmocka_unit_test(mutated),
};

UNIT_MAIN(tests)

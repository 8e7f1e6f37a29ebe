#include "../unit.h"

#include "base/random.h"
#include "compare.h"

static struct scratch scratch;

/* Feeds the stream in pieces that `random` cuts (NULL: in one), between bytes that are not its own,
 * after announcing requests: 'G' a GET, 'H' a HEAD. */
static int follow(struct response_state *state, const char *requests, const char *stream,
		  size_t length, struct random_state *random)
{
	int ended = 0;

	memset(state, 0, sizeof(*state));
	for (; *requests; requests++)
		assert_int_equal(response_expect(state, *requests == 'H'), 0);
	for (size_t at = 0; at < length;) {
		size_t piece = length - at;

		if (random && piece > 1)
			piece = 1 + random_below(random, random_below(random, 4) ? 8 : piece);
		if (piece > length - at)
			piece = length - at;
		struct byte_source source = {stream, length};

		ended += response_follow(&source, at, piece, state, &scratch);
		at += piece;
	}
	return ended;
}

/* A stream, what is asked for, and what must come out. */
static const struct row {
	const char *requests, *stream;
	int ended, phase, reason, status;
} rows[] = {
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1, RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 0, RESPONSE_BODY, 0, 200},
	{"G", "HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello", 1, RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1, RESPONSE_START, 0, 200},
	{"H", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1, RESPONSE_START, 0, 200},
	/* Long names, and long lines of fields that frame requests only. */
	{"GG",
	 "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Credentials: true\r\n"
	 "Proxy-Authorizations: x\r\nContent-Security-Policy-Report-Only: a b c\r\n"
	 "Cross-Origin-Embedder-Policy-Report-Only:\r\nContent-Length: 2\r\n\r\nok"
	 "HTTP/1.1 200 OK\r\nProxy-Connection: ALWHSDOZKVGRCNY\r\n"
	 "Upgrade: TLS/1.0, TLS/1.2, HTTP/2.0, websocket\r\nContent-Length: 2\r\n\r\nok",
	 2, RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 2\r\n\r\nok", 1,
	 RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Credentials\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Credentials : true\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nConnection: ALWHSDOZKVGRCNY, ALWHSDOZKVGRCN\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"H", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 204 No Content\r\n\r\n", 1, RESPONSE_START, 0, 204},
	{"G", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 1, RESPONSE_START, 0, 304},
	{"G", "HTTP/1.1 100 Continue\r\n\r\n", 0, RESPONSE_START, 0, 100},
	{"G", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 100},
	{"G", "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 103},
	{"G",
	 "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	 1, RESPONSE_START, 0, 200},
	{"GG",
	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	 "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nbad",
	 2, RESPONSE_START, 0, 404},
	{"HG",
	 "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"
	 "HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nbad",
	 2, RESPONSE_START, 0, 206},
	{"G", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 1,
	 RESPONSE_START, 0, 200},
	{"GG",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked \r\n\r\n"
	 "5;a=\"b\"\r\nhello\r\n00A \r\n0123456789\r\n000\r\nX-Sum: 1\r\nY: 2\r\n\r\n"
	 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	 2, RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r", 0,
	 RESPONSE_BODY, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 0\t\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length:                                   1\r\n\r\n", 0,
	 RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 1,
	 RESPONSE_PINNED, RESPONSE_REASON_CLOSE, 200},
	{"G", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 1, RESPONSE_PINNED,
	 RESPONSE_REASON_CLOSE, 200},
	{"G", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", 1,
	 RESPONSE_START, 0, 200},
	{"G", "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nuntil the end", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_CLOSE, 200},
	{"G",
	 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	 "Connection: Upgrade\r\n\r\n\x81\x05hello",
	 0, RESPONSE_PINNED, RESPONSE_REASON_UPGRADE, 101},
	{"G",
	 "HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\n"
	 "Content-Length: 2\r\n\r\nok",
	 1, RESPONSE_START, 0, 200},
	{"", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_UNSOLICITED, 0},
	{"G", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", 1, RESPONSE_PINNED,
	 RESPONSE_REASON_UNSOLICITED, 200},
	{"G", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 0},
	{"G", "HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 0},
	{"G", "HTTP/1.1 2\r6 OK\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 0},
	{"G",
	 "HTTP/1.1 \xb2"
	 "00 OK\r\nContent-Length: 2\r\n\r\nok",
	 0, RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 0},
	{"G", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 0},
	{"G", "<html>simple</html>", 0, RESPONSE_PINNED, RESPONSE_REASON_FRAMING, 0},
	{"G", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G", "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 2\r\n\r\nok", 0, RESPONSE_PINNED,
	 RESPONSE_REASON_FRAMING, 200},
	{"G",
	 "HTTP/1.1 200 OK\r\nSet-Cookie: a-cookie-that-is-much-longer-than-what-is-carried-over"
	 "-from-one-range-to-the-next=\xc3\xa4\ttabs are fine\r\nContent-Length: 2\r\n\r\nok",
	 1, RESPONSE_START, 0, 200},
	{"G",
	 "HTTP/1.1 200 OK\r\nX-A-Name-That-Is-Longer-Than-Any-That-Matters: 1\r\n"
	 "Content-Length: 2\r\n\r\nok",
	 1, RESPONSE_START, 0, 200},
};

static void streams(void **context)
{
	(void)context;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct response_state whole, cut;
		struct random_state random;
		size_t length = strlen(row->stream);
		int ended = follow(&whole, row->requests, row->stream, length, NULL);

		if (ended != row->ended || whole.phase != row->phase ||
		    whole.status != row->status ||
		    (whole.phase == RESPONSE_PINNED && whole.carried != row->reason))
			fail_msg("row %zu: %d ended, phase %u, carried %u, status %u:\n%s", i,
				 ended, whole.phase, whole.carried, whole.status, row->stream);
		random_seed(&random, i);
		for (int round = 0; round < 300; round++) {
			assert_int_equal(follow(&cut, row->requests, row->stream, length, &random),
					 row->ended);
			assert_int_equal(cut.phase, row->phase);
			assert_int_equal(cut.carried, whole.carried);
			assert_int_equal(cut.status, row->status);
			assert_int_equal(cut.done, whole.done);
			assert_int_equal(cut.body.left, whole.body.left);
			assert_int_equal(response_quiet(&cut), response_quiet(&whole));
		}
	}
}

/* Heads of every length around what is carried and what is loaded at once. */
static void lengths(void **context)
{
	static char stream[4096], padding[1200];

	(void)context;
	memset(padding, 'p', sizeof(padding));
	for (int pad = 0; pad < 1200; pad += pad < 60 || pad > 400 ? 1 : 37) {
		struct response_state state;
		int length = snprintf(stream, sizeof(stream),
				      "HTTP/1.1 200 %.*s\r\nX-Pad: %.*s\r\n"
				      "Content-Length: 3\r\n\r\nxyz",
				      pad / 3, padding, pad, padding);

		assert_int_equal(follow(&state, "G", stream, length, NULL), 1);
		assert_true(response_quiet(&state));
	}
}

/* A body is jumped over: 2^40 bytes cost as many steps as there are ranges. */
static void long_body(void **context)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n";
	struct byte_source source = {head, sizeof(head) - 1};
	struct response_state state = {0};
	uint64_t left = 1ull << 40;

	(void)context;
	response_expect(&state, 0);
	assert_int_equal(response_follow(&source, 0, sizeof(head) - 1, &state, &scratch), 0);
	while (left) {
		uint32_t piece = left > 1u << 31 ? 1u << 31 : left;
		int ended = response_follow(&source, 0, piece, &state, &scratch);

		left -= piece;
		assert_int_equal(ended, !left);
	}
	assert_true(response_quiet(&state));
}

static void queue(void **context)
{
	struct response_state state = {0};
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";

	(void)context;
	/* More in all than are remembered, never more at once; every third is a HEAD. */
	for (int i = 0; i < 200000; i++) {
		char stream[64];
		struct byte_source source = {stream, 0};

		assert_int_equal(response_expect(&state, i % 3 == 0), 0);
		source.length = sprintf(stream, "%s%s", answer, i % 3 ? "x" : "");
		assert_int_equal(response_follow(&source, 0, source.length, &state, &scratch), 1);
		assert_true(response_quiet(&state));
	}
	for (int i = 0; i < RESPONSE_REQUESTS; i++)
		assert_int_equal(response_expect(&state, 0), 0);
	assert_int_equal(response_expect(&state, 0), -1);
	assert_int_equal(response_awaited(&state), RESPONSE_REQUESTS);
}

/* Good and bad streams with bytes changed, in pieces, beside llhttp. */
static void mutated(void **context)
{
	static const char spice[] = "\r\n\r\n \t:,;0123456789abcdef\0\x7f\x80HTTP/1.1";
	static char text[4096];
	struct random_state random;

	(void)context;
	random_seed(&random, 7);
	for (int round = 0; round < 60000; round++) {
		const struct row *row =
			&rows[random_below(&random, sizeof(rows) / sizeof(rows[0]))];
		size_t length = strlen(row->stream), count = strlen(row->requests);
		unsigned char cuts[4];
		unsigned int heads = 0;
		const char *reason;

		memcpy(text, row->stream, length);
		for (int n = random_below(&random, 3); n > 0; n--) {
			size_t at = random_below(&random, length);

			if (random_below(&random, 2))
				text[at] = spice[random_below(&random, sizeof(spice) - 1)];
			else
				length = at + 1;
		}
		for (size_t n = 0; n < count; n++)
			heads |= (row->requests[n] == 'H') << n;
		for (size_t n = 0; n < sizeof(cuts); n++)
			cuts[n] = random_below(&random, 1 + random_below(&random, 60));
		reason = compare_response(count, heads, text, length, cuts, sizeof(cuts));
		if (reason)
			fail_msg("round %d: %s: %.*s", round, reason, (int)length, text);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(streams), cmocka_unit_test(lengths), cmocka_unit_test(long_body),
	cmocka_unit_test(queue),   cmocka_unit_test(mutated),
};

UNIT_MAIN(tests)

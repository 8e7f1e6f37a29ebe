#include "../unit.h"

#include "base/random.h"
#include "bpf/tcp_options.h"

#include <string.h>

static struct scratch scratch;

static const struct row {
	const char *name, *bytes;
	int length;
	struct tcp_options expect;
} rows[] = {
	{"none", "", 0, {0}},
	{"Linux, SYN",
	 "\x02\x04\x05\xb4\x04\x02\x08\x0a\x01\x02\x03\x04\x00\x00\x00\x05\x01\x03\x03\x0a",
	 20,
	 {0x01020304, 5, 1460, 10,
	  TCP_OPTION_MSS | TCP_OPTION_WSCALE | TCP_OPTION_SACK | TCP_OPTION_TIMESTAMPS}},
	{"Linux, data",
	 "\x01\x01\x08\x0a\xff\xfe\xfd\xfc\x80\x00\x00\x01",
	 12,
	 {0xfffefdfc, 0x80000001, 0, 0, TCP_OPTION_TIMESTAMPS}},
	{"Linux, SYN without timestamps",
	 "\x02\x04\x05\xb4\x01\x01\x04\x02\x01\x03\x03\x07",
	 12,
	 {0, 0, 1460, 7, TCP_OPTION_MSS | TCP_OPTION_WSCALE | TCP_OPTION_SACK}},
	{"Windows, SYN",
	 "\x02\x04\x05\xb4\x01\x03\x03\x08\x01\x01\x04\x02",
	 12,
	 {0, 0, 1460, 8, TCP_OPTION_MSS | TCP_OPTION_WSCALE | TCP_OPTION_SACK}},
	{"macOS, SYN",
	 "\x02\x04\x05\xa0\x01\x03\x03\x06\x01\x01\x08\x0a\x00\x00\x00\x09\x00\x00\x00\x00\x04\x02"
	 "\x00\x00",
	 24,
	 {9, 0, 1440, 6,
	  TCP_OPTION_MSS | TCP_OPTION_WSCALE | TCP_OPTION_SACK | TCP_OPTION_TIMESTAMPS}},
	{"MSS alone", "\x02\x04\x02\x18", 4, {0, 0, 536, 0, TCP_OPTION_MSS}},
	{"MSS of 0 is none", "\x02\x04\x00\x00", 4, {0}},
	{"window scale above 14", "\x03\x03\xff\x01", 4, {0, 0, 0, 14, TCP_OPTION_WSCALE}},
	{"same in Linux's order",
	 "\x02\x04\x05\xb4\x04\x02\x08\x0a\x01\x02\x03\x04\x00\x00\x00\x05\x01\x03\x03\xff",
	 20,
	 {0x01020304, 5, 1460, 14,
	  TCP_OPTION_MSS | TCP_OPTION_WSCALE | TCP_OPTION_SACK | TCP_OPTION_TIMESTAMPS}},
	{"SACK blocks",
	 "\x01\x01\x05\x0a\x00\x00\x00\x01\x00\x00\x00\x02",
	 12,
	 {0, 0, 0, 0, TCP_OPTION_SACK_BLOCKS}},
	{"fast open, MPTCP",
	 "\x22\x02\x1e\x02",
	 4,
	 {0, 0, 0, 0, TCP_OPTION_FAST_OPEN | TCP_OPTION_MPTCP}},
	{"after the end nothing counts", "\x00\x02\x04\x05\xb4\x00\x00\x00", 8, {0}},
	{"length 0",
	 "\x04\x02\x08\x00\x02\x04\x05\xb4",
	 8,
	 {0, 0, 0, 0, TCP_OPTION_SACK | TCP_OPTION_MALFORMED}},
	{"length 1",
	 "\x04\x02\xfe\x01\x02\x04\x05\xb4",
	 8,
	 {0, 0, 0, 0, TCP_OPTION_SACK | TCP_OPTION_MALFORMED}},
	{"longer than what is left",
	 "\x04\x02\x01\x01\x02\x04\x05",
	 7,
	 {0, 0, 0, 0, TCP_OPTION_SACK | TCP_OPTION_MALFORMED}},
	{"a kind without a length", "\x01\x01\x01\x02", 4, {0, 0, 0, 0, TCP_OPTION_MALFORMED}},
	{"a wrong length is skipped",
	 "\x02\x06\x05\xb4\x05\xb4\x04\x02",
	 8,
	 {0, 0, 0, 0, TCP_OPTION_SACK}},
	{"unknown kinds are skipped",
	 "\xfd\x04\xaa\xbb\x13\x02\x04\x02",
	 8,
	 {0, 0, 0, 0, TCP_OPTION_SACK}},
	{"the last one counts",
	 "\x02\x04\x05\xb4\x02\x04\x02\x18",
	 8,
	 {0, 0, 536, 0, TCP_OPTION_MSS}},
	{"40 of padding",
	 "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
	 "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x04\x02",
	 40,
	 {0, 0, 0, 0, TCP_OPTION_SACK}},
};

static void all_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		for (int from = 20; from < 24; from++) {
			struct tcp_options options;

			/* What stands before and behind is an MSS option over and over. */
			for (int at = 0; at < 200; at += 4)
				memcpy(scratch.bytes + at, "\x02\x04\x03\xe8", 4);
			memcpy(scratch.bytes + from, row->bytes, row->length);
			tcp_options_parse(&scratch, from, row->length, &options);
			if (options.seen != row->expect.seen || options.mss != row->expect.mss ||
			    options.wscale != row->expect.wscale ||
			    options.tsval != row->expect.tsval ||
			    options.tsecr != row->expect.tsecr)
				fail_msg("%s: seen %#x mss %u wscale %u", row->name, options.seen,
					 options.mss, options.wscale);
		}
	}
}

/* The fast paths say what the loop says. */
static void fast_is_slow(void **state)
{
	struct random_state random;

	(void)state;
	random_seed(&random, 3);
	for (int round = 0; round < 20000; round++) {
		const struct row *row = &rows[1 + random_below(&random, 2)];
		struct tcp_options fast, slow = {0};

		memcpy(scratch.bytes, row->bytes, row->length);
		for (int n = random_below(&random, 3); n > 0; n--)
			scratch.bytes[random_below(&random, row->length)] = random_next(&random);
		tcp_options_parse(&scratch, 0, row->length, &fast);
		tcp_options_scan(&scratch, 0, row->length, &slow);
		assert_memory_equal(&fast, &slow, sizeof(fast));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(all_rows),
	cmocka_unit_test(fast_is_slow),
};

UNIT_MAIN(tests)

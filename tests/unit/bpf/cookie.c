#include "../unit.h"

#include "base/random.h"
#include "bpf/cookie.h"

#include <string.h>

#define S 1000000000ull

static const struct siphash_key keys[2] = {{{1, 2}}, {{3, 4}}};

static struct flow_key some_flow(struct random_state *random, int v6)
{
	struct flow_key flow;

	memset(&flow, 0, sizeof(flow));
	address_from_ipv4(&flow.client, random_next(random));
	address_from_ipv4(&flow.vip, random_next(random));
	if (v6)
		for (int i = 0; i < 4; i++) {
			flow.client.words[i] = random_next(random);
			flow.vip.words[i] = random_next(random);
		}
	flow.client_port = random_next(random);
	flow.vip_port = 80 << 8;
	return flow;
}

static struct tcp_options some_options(struct random_state *random)
{
	struct tcp_options options = {0};

	options.seen = random_below(random, 16);
	options.seen &= TCP_OPTION_WSCALE | TCP_OPTION_SACK | TCP_OPTION_TIMESTAMPS;
	if (options.seen & TCP_OPTION_WSCALE)
		options.wscale = random_below(random, 15);
	return options;
}

/* Any subset of options comes back, at any time of the cookie's life, for both keys and families.
 */
static void round_trip(void **state)
{
	struct random_state random;

	(void)state;
	random_seed(&random, 4);
	for (int round = 0; round < 20000; round++) {
		struct flow_key flow = some_flow(&random, round & 1);
		struct tcp_options offered = some_options(&random), seen = {0}, out;
		__u64 now = random_next(&random) >> 4;
		__u32 mss = 536 + random_below(&random, 9000), epoch = random_below(&random, 2);
		__u32 isn = random_next(&random);
		__u32 cookie = cookie_make(&flow, &offered, isn, mss, &keys[epoch], now), now_ms;

		now_ms = now / 1000000;
		if (offered.seen & TCP_OPTION_TIMESTAMPS) {
			seen.seen = TCP_OPTION_TIMESTAMPS;
			seen.tsecr = cookie_tsval(&offered, now_ms);
			seen.tsval = 77;
			/* Never ahead of the clock, never far behind it. */
			assert_in_range(now_ms - seen.tsecr, 0, 2u << COOKIE_TS_BITS);
			/* What is said later carries the same. */
			seen.tsecr = cookie_tsval_again(seen.tsecr, now_ms + 12345);
			assert_in_range(now_ms + 12345 - seen.tsecr, 0, 2u << COOKIE_TS_BITS);
		}
		now += random_below(&random, COOKIE_LIFE_MIN_S) * S;
		/* Both keys are tried, whichever is in force; one alone only if it is the right. */
		assert_true(cookie_check(&flow, isn, cookie, &seen, keys, epoch ^ (round >> 1 & 1),
					 2, 1, now, &out));
		assert_true(cookie_check(&flow, isn, cookie, &seen, keys, epoch, 1, 1, now, &out));
		assert_int_equal(out.seen, offered.seen | TCP_OPTION_MSS);
		assert_int_equal(out.wscale, offered.wscale);
		assert_in_range(out.mss, 536, mss);
		/* The widest gap among those that Ethernet knows is below 1220. */
		if (mss < 1460)
			assert_true(out.mss * 5 >= mss * 2);
		assert_int_equal(out.tsval, seen.tsval);
	}
}

static void life(void **state)
{
	struct random_state random;
	struct tcp_options none = {0}, out;
	struct flow_key flow;

	(void)state;
	random_seed(&random, 5);
	for (int round = 0; round < 2000; round++) {
		__u64 now = (1000 + random_below(&random, 100000)) * S;
		__u32 cookie;

		flow = some_flow(&random, 0);
		cookie = cookie_make(&flow, &none, 9, 1460, &keys[0], now);
		assert_true(cookie_check(&flow, 9, cookie, &none, keys, 0, 1, 1,
					 now + COOKIE_LIFE_MIN_S * S, &out));
		/* A front whose clock is behind takes it too. */
		assert_true(cookie_check(&flow, 9, cookie, &none, keys, 0, 1, 1,
					 now - COOKIE_SKEW_S * S, &out));
	}
	/* These are certain for this seed, not by chance: the run is the same every time. */
	for (int round = 0; round < 2000; round++) {
		__u64 now = (1000 + random_below(&random, 100000)) * S;
		struct flow_key other;
		__u32 cookie;

		flow = some_flow(&random, 1);
		cookie = cookie_make(&flow, &none, 9, 1460, &keys[0], now);
		assert_false(cookie_check(&flow, 9, cookie, &none, keys, 0, 1, 1,
					  now + COOKIE_LIFE_MAX_S * S, &out));
		assert_false(cookie_check(&flow, 9, cookie, &none, keys, 1, 1, 1, now, &out));
		assert_false(cookie_check(&flow, 9, cookie ^ 1u << random_below(&random, 32), &none,
					  keys, 0, 1, 1, now, &out));
		other = flow;
		((unsigned char *)&other)[random_below(&random, sizeof(other))] ^=
			1 << random_below(&random, 8);
		assert_false(cookie_check(&other, 9, cookie, &none, keys, 0, 1, 1, now, &out));
		assert_false(cookie_check(&flow, 10, cookie, &none, keys, 0, 1, 1, now, &out));
		/* One without timestamps isn't good for a segment that has them. */
		none.seen = TCP_OPTION_TIMESTAMPS;
		assert_false(cookie_check(&flow, 9, cookie, &none, keys, 0, 1, 1, now, &out));
		none.seen = 0;
	}
}

/* Guesses are right as seldom as 24 bits of tag and MAC and two slots promise: 2^-23. */
static void guesses(void **state)
{
	struct random_state random;
	struct tcp_options none = {0}, out;
	struct flow_key flow;
	int right = 0;

	(void)state;
	random_seed(&random, 6);
	flow = some_flow(&random, 0);
	for (int round = 0; round < 1000000; round++)
		right += cookie_check(&flow, 9, random_next(&random), &none, keys, 0, 1, 1,
				      1000 * S, &out);
	assert_in_range(right, 0, 2);
}

static void classes(void **state)
{
	(void)state;
	for (__u32 mss = 0; mss < 65536; mss++) {
		__u32 fine = cookie_mss_fine(mss), coarse = cookie_mss_coarse(mss);

		assert_in_range(fine, 0, 15);
		assert_in_range(coarse, 0, 7);
		if (mss >= 536) {
			assert_in_range(cookie_mss_value(fine, 1), 536, mss);
			assert_in_range(cookie_mss_value(coarse, 0), 536, mss);
		}
	}
	static const __u32 both[] = {536, 1220, 1300, 1360, 1400, 1440, 1460, 8940};

	for (int i = 0; i < 8; i++) {
		assert_int_equal(cookie_mss_value(cookie_mss_coarse(both[i]), 0), both[i]);
		assert_int_equal(cookie_mss_value(cookie_mss_fine(both[i]), 1), both[i]);
	}
}

/* Each front puts its number in, and any of them sees whose a cookie is. */
static void whose(void **state)
{
	struct tcp_options none = {0}, out;
	struct random_state random;

	(void)state;
	random_seed(&random, 9);
	for (int round = 0; round < 2000; round++) {
		__u32 number = random_below(&random, 8), isn = random_next(&random), cookie;
		struct flow_key flow = some_flow(&random, round & 2);
		__u64 now;

		now = (1000 + random_below(&random, 100000)) * S;
		none.seen = round & 1 ? TCP_OPTION_TIMESTAMPS : 0;
		cookie = cookie_make(&flow, &none, isn, 1460, &keys[0], now) ^ COOKIE_FRONT(number);
		assert_int_equal(cookie_check(&flow, isn, cookie, &none, keys, 0, 1, 8, now, &out),
				 1 + number);
		assert_int_equal(out.mss, 1460);
		assert_false(
			cookie_check(&flow, isn, cookie, &none, keys, 0, 1, number, now, &out));
	}
}

/* A cookie is known as one without the client's number for as long as it is good; other numbers,
 * and those that follow it, pass as often as 8 bits and two slots promise, 2^-7. */
static void tags(void **state)
{
	struct tcp_options none = {0};
	struct random_state random;
	int right = 0;

	(void)state;
	random_seed(&random, 10);
	for (int round = 0; round < 20000; round++) {
		struct flow_key flow = some_flow(&random, round & 2);
		__u64 now = (1000 + random_below(&random, 100000)) * S;
		__u32 number = random_below(&random, 16), cookie;

		none.seen = round & 1 ? TCP_OPTION_TIMESTAMPS : 0;
		cookie = cookie_make(&flow, &none, random_next(&random), 1460,
				     &keys[round >> 2 & 1], now) ^
			 COOKIE_FRONT(number);
		now += random_below(&random, COOKIE_LIFE_MIN_S) * S;
		assert_true(cookie_tagged(&flow, cookie, &none, keys, 0, 2, now));
		assert_true(cookie_tagged(&flow, cookie, &none, keys, round >> 2 & 1, 1, now));
		right += cookie_tagged(&flow, cookie + 1 + random_below(&random, 60000), &none,
				       keys, round >> 2 & 1, 1, now);
		now += COOKIE_LIFE_MAX_S * S;
		right += cookie_tagged(&flow, cookie, &none, keys, 0, 1, now);
		right += cookie_tagged(&flow, random_next(&random), &none, keys, 0, 1, now);
	}
	assert_in_range(right, 60000 / 128 - 150, 60000 / 128 + 150);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(round_trip), cmocka_unit_test(whose),	 cmocka_unit_test(life),
	cmocka_unit_test(tags),	      cmocka_unit_test(guesses), cmocka_unit_test(classes),
};

UNIT_MAIN(tests)

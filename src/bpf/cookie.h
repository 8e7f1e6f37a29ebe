/* SYN cookies: what the front must know of a connection, kept by the client for it.
 *
 * The idea is D. J. Bernstein's (1996), carrying options in the timestamp is Linux's
 * (cookie_init_timestamp). The sequence number of the SYN-ACK is
 *
 *	client offers timestamps:  16 bits MAC | 8 bits tag | 4 bits MAC | 4 bits MSS class
 *	it does not:               16 bits MAC | 8 bits tag | 4 bits window scale | 1 bit SACK |
 *	                           3 bits MSS class
 *
 * and with timestamps the low five bits of the SYN-ACK's TSval are 1 bit SACK | 4 bits window scale
 * (15: none offered). The client sends them back as TSecr as long as nobody else has answered it.
 * The MAC is SipHash-2-4 over addresses, ports, a time slot, the client's initial sequence number
 * and the bits below the MAC. So only the segment that directly follows the SYN verifies: one that
 * overtakes it, and may look like a request because a client uploads one, is not taken for it.
 * Options in TSecr are outside the MAC: a client that changes them fools only itself. The tag is a
 * MAC over the same without the client's number. It tells of a segment further on, behind who knows
 * how much that was lost, whether the client can have got nothing but the SYN-ACK so far
 * (cookie_tagged). It stands low, where every byte that the client gets changes it: any other
 * number looks so once in 2^7.
 *
 * The number of the front that made it is in the lowest bits of the MAC's upper part, by exclusive
 * or (COOKIE_FRONT). Whoever checks it sees which number is missing, which costs nothing, and knows
 * whether it has sent this SYN-ACK itself; for N fronts a guess is right N times as often.
 *
 * A slot is 256 s long, and this one's and the last one's cookies are good: a cookie lives 256 to
 * 512 seconds. For COOKIE_SKEW_S at a slot's end the next one's are good too, for fronts whose
 *clocks differ. Time is the cluster's (CLOCK_BOOTTIME and an offset), the same on all fronts. A
 *guess is right once in 2^22 without timestamps (2^26 with) while one key is in force.
 */
#ifndef BATON_BPF_COOKIE_H
#define BATON_BPF_COOKIE_H

#include "bpf/siphash.h"
#include "bpf/tcp_options.h"
#include "wire/address.h"

#define COOKIE_SLOT_S	   256
#define COOKIE_SKEW_S	   4
#define COOKIE_LIFE_MIN_S  COOKIE_SLOT_S
#define COOKIE_LIFE_MAX_S  (2 * COOKIE_SLOT_S)
#define COOKIE_TS_BITS	   5
#define COOKIE_TS_MASK	   ((1u << COOKIE_TS_BITS) - 1)
#define COOKIE_WSCALE_NONE 15

/* What a front puts into its cookies; bits of the MAC in both forms. */
#define COOKIE_FRONT_SHIFT   16
#define COOKIE_FRONT(number) ((__u32)(number) << COOKIE_FRONT_SHIFT)

/* MSS values that a cookie can carry, ascending: a client's is rounded down to one. 536 and 1220
 * are the least that a socket can be built with (IPv4, IPv6); 1452 and 1432 are PPPoE's, 1440
 * IPv6's, 8940 a jumbo frame's. */
/* clang-format off */
#define COOKIE_MSS_FINE(X) X(536) X(1024) X(1220) X(1280) X(1300) X(1340) X(1360) X(1380) \
	X(1400) X(1412) X(1432) X(1440) X(1452) X(1460) X(4016) X(8940)
/* clang-format on */
#define COOKIE_MSS_COARSE(X) X(536) X(1220) X(1300) X(1360) X(1400) X(1440) X(1460) X(8940)

/* The index of the largest value not above `mss`; 0 also where there is none. Written as a sum, so
 * that there is no table to look up and no branch. */
#define X(value) +(mss >= value)
INLINE __u32 cookie_mss_fine(__u32 mss)
{
	__u32 above = 0 COOKIE_MSS_FINE(X);

	return above ? above - 1 : 0;
}

INLINE __u32 cookie_mss_coarse(__u32 mss)
{
	__u32 above = 0 COOKIE_MSS_COARSE(X);

	return above ? above - 1 : 0;
}
#undef X

INLINE __u32 cookie_mss_value(__u32 class, int fine)
{
	__u32 at = 0;

#define X(value)                                                                                   \
	if (at++ == class)                                                                         \
		return value;
	if (fine) {
		COOKIE_MSS_FINE(X)
	} else {
		COOKIE_MSS_COARSE(X)
	}
#undef X
	return 536;
}

INLINE __u64 cookie_slot(__u64 now_ns)
{
	return now_ns / (COOKIE_SLOT_S * 1000000000ull);
}

/* What a tag and a MAC have in common. */
INLINE void cookie_hash(struct siphash *s, const struct flow_key *flow,
			const struct siphash_key *key, __u32 slot)
{
	__u64 ports = (__u64)flow->client_port << 16 | flow->vip_port;

	siphash_start(s, key);
	siphash_word(s, (__u64)flow->client.words[3] << 32 | flow->vip.words[3]);
	if (!address_is_ipv4(&flow->client)) {
		siphash_word(s, (__u64)flow->client.words[0] << 32 | flow->client.words[1]);
		siphash_word(s, (__u64)flow->client.words[2] << 32 | flow->vip.words[2]);
		siphash_word(s, (__u64)flow->vip.words[0] << 32 | flow->vip.words[1]);
	}
	siphash_word(s, (__u64)slot << 32 | ports);
}

/* Where the tag stands. */
#define COOKIE_TAG_MASK 0xff00u

/* Their value. `data` is what stands below the MAC. */
SUBPROGRAM __u32 cookie_tag(const struct flow_key *flow, const struct siphash_key *key, __u32 slot,
			    __u32 data)
{
	struct siphash s;

	if (!flow || !key)
		return 0;
	cookie_hash(&s, flow, key, slot);
	return siphash_end(&s, data, 2) >> 32 & COOKIE_TAG_MASK;
}

/* The 32 bits of which a cookie takes the upper 24 or 28, its tag among them. `data` is what stands
 * below. */
SUBPROGRAM __u32 cookie_mac(const struct flow_key *flow, const struct siphash_key *key, __u32 slot,
			    __u32 isn, __u32 data)
{
	struct siphash s, tagged;

	if (!flow || !key)
		return 0;
	cookie_hash(&s, flow, key, slot);
	tagged = s;
	return (siphash_end(&s, (__u64)isn << 16 | data, 6) >> 32 & ~COOKIE_TAG_MASK) |
	       (siphash_end(&tagged, data, 2) >> 32 & COOKIE_TAG_MASK);
}

/* The bits below the MAC for these options. Bit 8 says which of the two forms it is, to the MAC. */
#define COOKIE_DATA_TIMESTAMPS 0x100

INLINE __u32 cookie_wscale(const struct tcp_options *options)
{
	return options->seen & TCP_OPTION_WSCALE ? options->wscale & 15 : COOKIE_WSCALE_NONE;
}

INLINE __u32 cookie_data(const struct tcp_options *options, __u32 mss)
{
	if (options->seen & TCP_OPTION_TIMESTAMPS)
		return COOKIE_DATA_TIMESTAMPS | cookie_mss_fine(mss);
	return cookie_wscale(options) << 4 | !!(options->seen & TCP_OPTION_SACK) << 3 |
	       cookie_mss_coarse(mss);
}

INLINE __u32 cookie_join(__u32 mac, __u32 data)
{
	__u32 mask = data & COOKIE_DATA_TIMESTAMPS ? 0xf : 0xff;

	return (mac & ~mask) | (data & mask);
}

/* The sequence number of the SYN-ACK for a SYN with these options, without COOKIE_FRONT. `mss` is
 * what the client offers, or the default where it offers none (536, 1220); below 536 nothing fits
 * and the caller has refused. `key` is the one in force (struct cluster's words are laid out
 * alike), `now_ns` cluster time. */
INLINE __u32 cookie_make(const struct flow_key *flow, const struct tcp_options *options, __u32 isn,
			 __u32 mss, const struct siphash_key *key, __u64 now_ns)
{
	__u32 data = cookie_data(options, mss);

	return cookie_join(cookie_mac(flow, key, cookie_slot(now_ns), isn, data), data);
}

/* TSval of the SYN-ACK: the clock with the options in its low bits and never ahead of it, so that
 * what follows from the node is later. Only for a client that offers timestamps. */
INLINE __u32 cookie_tsval(const struct tcp_options *options, __u32 now_ms)
{
	__u32 bits = cookie_wscale(options) | !!(options->seen & TCP_OPTION_SACK) << 4;
	__u32 tsval = (now_ms & ~COOKIE_TS_MASK) | bits;

	return (__s32)(tsval - now_ms) > 0 ? tsval - (1u << COOKIE_TS_BITS) : tsval;
}

/* TSval of any other answer the front gives before a node has the flow (to a FIN, to a keepalive
 * probe): the clock now, still carrying the options that came back in `tsecr`. */
INLINE __u32 cookie_tsval_again(__u32 tsecr, __u32 now_ms)
{
	__u32 tsval = (now_ms & ~COOKIE_TS_MASK) | (tsecr & COOKIE_TS_MASK);

	return (__s32)(tsval - now_ms) > 0 ? tsval - (1u << COOKIE_TS_BITS) : tsval;
}

/* What stands below the MAC of a cookie that came back with timestamps, or without. */
INLINE __u32 cookie_data_in(__u32 cookie, int timestamps)
{
	return timestamps ? (cookie & 0xf) | COOKIE_DATA_TIMESTAMPS : cookie & 0xff;
}

/* What has to be put into this cluster's cookie to make the lower 32 bits of `formed`: of a good
 * one its front's number. The upper 32 bits of `formed` are not 0 if it came back with timestamps.
 * Most that are not good show it by their tag already. */
SUBPROGRAM __u32 cookie_off(const struct flow_key *flow, const struct siphash_key *key, __u32 slot,
			    __u32 isn, __u64 formed)
{
	__u32 cookie = formed, data = cookie_data_in(cookie, formed >> 32);
	struct siphash s, tagged;
	__u32 off;

	if (!flow || !key)
		return COOKIE_TAG_MASK;
	cookie_hash(&s, flow, key, slot);
	tagged = s;
	off = (cookie ^ siphash_end(&tagged, data, 2) >> 32) & COOKIE_TAG_MASK;
	if (off)
		return off;
	return (cookie ^ cookie_join(siphash_end(&s, (__u64)isn << 16 | data, 6) >> 32, data)) &
	       ~COOKIE_TAG_MASK;
}

/* 1 + the number of the front whose cookie is off by so much (cookie_off); 0: none of `fronts`. */
INLINE int cookie_front(__u32 off, __u32 fronts)
{
	return off & ((1u << COOKIE_FRONT_SHIFT) - 1) || off >> COOKIE_FRONT_SHIFT >= fronts
		       ? 0
		       : 1 + (off >> COOKIE_FRONT_SHIFT);
}

/* Is `cookie` (ack - 1 of the client's first segments) one that this cluster made? `seen` holds the
 * options of the segment in hand: whether it has timestamps and its tsecr are used. Fills `out`
 * with what the SYN offered (mss always set) and returns 1 + the number of the front that made it,
 * below `fronts`, or returns 0. `key_count` keys are tried, the one of `epoch` first. */
INLINE int cookie_check(const struct flow_key *flow, __u32 isn, __u32 cookie,
			const struct tcp_options *seen, const struct siphash_key keys[2],
			__u32 epoch, __u32 key_count, __u32 fronts, __u64 now_ns,
			struct tcp_options *out)
{
	int timestamps = !!(seen->seen & TCP_OPTION_TIMESTAMPS);
	__u64 formed = (__u64)timestamps << 32 | cookie;
	__u64 slot = cookie_slot(now_ns);
	__u64 ahead = cookie_slot(now_ns + COOKIE_SKEW_S * 1000000000ull);
	__u32 wscale;
	int good = 0;

	for (__u32 i = 0; i < 2 && !good; i++) {
		const struct siphash_key *key = &keys[(epoch + i) & 1];

		if (i && key_count < 2)
			break;
		good = cookie_front(cookie_off(flow, key, slot, isn, formed), fronts);
		if (!good)
			good = cookie_front(cookie_off(flow, key, slot - 1, isn, formed), fronts);
		if (!good && ahead != slot)
			good = cookie_front(cookie_off(flow, key, ahead, isn, formed), fronts);
	}
	if (!good)
		return 0;
	out->tsval = seen->tsval;
	out->tsecr = seen->tsecr;
	out->seen = TCP_OPTION_MSS;
	out->mss = cookie_mss_value(cookie & (timestamps ? 15 : 7), timestamps);
	if (timestamps) {
		out->seen |= TCP_OPTION_TIMESTAMPS;
		out->seen |= seen->tsecr & 16 ? TCP_OPTION_SACK : 0;
		wscale = seen->tsecr & 15;
	} else {
		out->seen |= cookie & 8 ? TCP_OPTION_SACK : 0;
		wscale = cookie >> 4 & 15;
	}
	out->wscale = 0;
	if (wscale != COOKIE_WSCALE_NONE) {
		out->wscale = wscale;
		out->seen |= TCP_OPTION_WSCALE;
	}
	return good;
}

/* Can `cookie` be one that this cluster made in answer to some SYN of this flow's? As cookie_check,
 * but for the client's initial sequence number, which isn't known. */
INLINE int cookie_tagged(const struct flow_key *flow, __u32 cookie, const struct tcp_options *seen,
			 const struct siphash_key keys[2], __u32 epoch, __u32 key_count,
			 __u64 now_ns)
{
	__u32 data = cookie_data_in(cookie, seen->seen & TCP_OPTION_TIMESTAMPS);
	__u32 slot = cookie_slot(now_ns + COOKIE_SKEW_S * 1000000000ull);
	__u32 slots = slot == (__u32)cookie_slot(now_ns) ? 2 : 3;

	for (__u32 i = 0; i < 2 && i < key_count; i++) {
		const struct siphash_key *key = &keys[(epoch + i) & 1];

		for (__u32 age = 0; age < 3 && age < slots; age++)
			if (!((cookie ^ cookie_tag(flow, key, slot - age, data)) & COOKIE_TAG_MASK))
				return 1;
	}
	return 0;
}

#endif

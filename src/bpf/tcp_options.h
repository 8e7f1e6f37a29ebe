/* TCP options (RFC 9293 3.1; window scale and timestamps RFC 7323; SACK RFC 2018).
 *
 * Read from a scratch buffer. What is malformed is treated as Linux's tcp_parse_options() does: an
 * option with a wrong length is skipped by that length, one that claims less than two bytes or more
 * than are left ends the list, what came before stays. The layouts that Linux sends are read
 * without a loop.
 */
#ifndef BATON_BPF_TCP_OPTIONS_H
#define BATON_BPF_TCP_OPTIONS_H

#include "bpf/scratch.h"

enum tcp_options_seen {
	TCP_OPTION_MSS = 1,
	TCP_OPTION_WSCALE = 2,
	TCP_OPTION_SACK = 4, /* SACK permitted */
	TCP_OPTION_TIMESTAMPS = 8,
	TCP_OPTION_MALFORMED = 16, /* what came before the malformed one is kept */
	TCP_OPTION_SACK_BLOCKS = 32,
	TCP_OPTION_FAST_OPEN = 64,
	TCP_OPTION_MPTCP = 128,
};

#define TCP_WSCALE_MAX 14 /* RFC 7323, 2.3: more is taken for 14 */

struct tcp_options {
	__u32 tsval, tsecr; /* host order */
	__u16 mss;	    /* host order; 0 if not seen */
	__u8 wscale;	    /* 0 if not seen */
	__u8 seen;	    /* enum tcp_options_seen */
};

/* NOP NOP TIMESTAMP(10), as the bytes lie. */
#define TCP_OPTIONS_ALIGNED_TIMESTAMPS 0x0a080101u

/* Any order, any shape: fills `options`. */
SUBPROGRAM int tcp_options_scan(struct scratch *scratch, __u32 from, __u32 length,
				struct tcp_options *options)
{
	__u64 zero, at, end;

	if (!scratch || !options)
		return 0;
	zero = scratch_zero(scratch);
	at = zero + from;
	end = from + length;
	while (at < end) {
		__u32 kind = scratch_u8(scratch, at), size;

		LOOP_STEP(at, zero);
		if (kind == 0) /* end of the list */
			break;
		if (kind == 1) { /* padding */
			at++;
			continue;
		}
		size = scratch_u8(scratch, at + 1);
		if (end - at < 2 || size < 2 || size > end - at) {
			options->seen |= TCP_OPTION_MALFORMED;
			break;
		}
		if (kind == 2 && size == 4) {
			options->mss = scratch_be16(scratch, at + 2);
			if (options->mss)
				options->seen |= TCP_OPTION_MSS;
		} else if (kind == 3 && size == 3) {
			__u8 wscale = scratch_u8(scratch, at + 2);

			options->wscale = wscale > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : wscale;
			options->seen |= TCP_OPTION_WSCALE;
		} else if (kind == 4 && size == 2) {
			options->seen |= TCP_OPTION_SACK;
		} else if (kind == 5) {
			options->seen |= TCP_OPTION_SACK_BLOCKS;
		} else if (kind == 8 && size == 10) {
			options->tsval = scratch_be32(scratch, at + 2);
			options->tsecr = scratch_be32(scratch, at + 6);
			options->seen |= TCP_OPTION_TIMESTAMPS;
		} else if (kind == 30) {
			options->seen |= TCP_OPTION_MPTCP;
		} else if (kind == 34) {
			options->seen |= TCP_OPTION_FAST_OPEN;
		}
		at += size;
	}
	return 0;
}

/* The options in scratch[from, from + length), length 0 to 40; `options` is filled whole. Options
 * that only a SYN may carry are reported wherever they stand: the caller knows what it reads. */
INLINE void tcp_options_parse(struct scratch *scratch, __u32 from, __u32 length,
			      struct tcp_options *options)
{
	__u64 first = scratch_u64(scratch, from);

	*options = (struct tcp_options){0};
	if (!length)
		return;
	/* NOP NOP TS: every segment but the SYN. */
	if (length == 12 && (__u32)first == TCP_OPTIONS_ALIGNED_TIMESTAMPS) {
		options->tsval = scratch_be32(scratch, from + 4);
		options->tsecr = scratch_be32(scratch, from + 8);
		options->seen = TCP_OPTION_TIMESTAMPS;
		return;
	}
	/* MSS SACK TS NOP WS: the SYN. */
	if (length == 20 && (first & 0xffffffff0000ffffull) == 0x0a08020400000402ull &&
	    (scratch_u32(scratch, from + 16) & 0xffffff) == 0x030301) {
		__u8 wscale = scratch_u8(scratch, from + 19);

		options->mss = scratch_be16(scratch, from + 2);
		options->tsval = scratch_be32(scratch, from + 8);
		options->tsecr = scratch_be32(scratch, from + 12);
		options->wscale = wscale > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : wscale;
		options->seen = TCP_OPTION_WSCALE | TCP_OPTION_SACK | TCP_OPTION_TIMESTAMPS |
				(options->mss ? TCP_OPTION_MSS : 0);
		return;
	}
	tcp_options_scan(scratch, from, length > 40 ? 40 : length, options);
}

#endif

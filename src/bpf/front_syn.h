/* SYNs and everything else of a connection before its first data: answered without keeping
 * anything.
 *
 * The client's initial sequence number is part of the cookie: only the segment that directly
 * follows the SYN verifies. A second segment that overtakes the first one, and may look like a
 * request because a client uploads one, is not taken for it; it is dropped and comes again. */
#ifndef BATON_BPF_FRONT_SYN_H
#define BATON_BPF_FRONT_SYN_H

#include "bpf/front_answer.h"
#include "bpf/front_send.h"

enum {
	/* The least a socket can be built with (bpf_sk_assign_tcp_reqsk): TCP_MSS_DEFAULT, and what
	 * IPv6's smallest link carries. */
	MSS_LEAST_IPV4 = 536,
	MSS_LEAST_IPV6 = 1220,
};

/* The largest IP packet on the cluster's network; the daemon sets the device's MTU before loading.
 */
const volatile __u32 front_mtu = 1500;

/* What clients are told: as much as still fits when wrapped. */
INLINE __u32 mss_announced(__u32 protocol)
{
	return front_mtu - TCP_LENGTH - (protocol == 4 ? IPV4_LENGTH : IPV6_LENGTH) -
	       BATON_OVERHEAD_IPV6;
}

/* Loads the segment's headers and reads its TCP options to work->seen. Returns 0, or -1. */
INLINE int load_options(struct xdp_md *ctx, struct front_work *work)
{
	const struct segment *segment = &work->segment;
	__u32 at = segment->tcp_at + TCP_LENGTH;

	if (work->loaded < segment->payload_at &&
	    load_packet(ctx, work, ETHERNET_LENGTH, segment->payload_at))
		return -1;
	tcp_options_parse(&work->packet, at, segment->payload_at - at, &work->seen);
	return 0;
}

/* Answers a SYN to a service. */
SUBPROGRAM int syn_answer(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	__u32 mss, least, words = 0;
	struct answer *answer;
	__u64 now;

	if (!work || !here)
		return XDP_DROP;
	if (load_options(ctx, work)) {
		count(FRONT_COUNT_SYN_REFUSED);
		return XDP_DROP;
	}
	answer = &work->answer;
	least = work->segment.protocol == 4 ? MSS_LEAST_IPV4 : MSS_LEAST_IPV6;
	mss = least;
	if (work->seen.seen & TCP_OPTION_MSS) {
		mss = work->seen.mss;
		if (mss < least) {
			count(FRONT_COUNT_MSS_TOO_SMALL);
			mss = least;
		}
	}
	now = frame_now(work, here);
	answer->seq =
		cookie_make(&work->segment.key, &work->seen, work->segment.seq, mss,
			    (const struct siphash_key *)here->cookie_keys[here->epoch & 1], now) ^
		COOKIE_FRONT(here->self & (FRONTS_MAX - 1));
	answer->ack = work->segment.seq + 1;
	answer->flags = TCP_SYN | TCP_ACK;
	answer->window = ANSWER_WINDOW;
	answer->options[0] = net32(2u << 24 | 4u << 16 | mss_announced(work->segment.protocol));
	if (work->seen.seen & TCP_OPTION_TIMESTAMPS) {
		/* SACK permitted, or two paddings, before the timestamps. */
		answer->options[1] = work->seen.seen & TCP_OPTION_SACK
					     ? net32(4u << 24 | 2u << 16 | 8u << 8 | 10u)
					     : TCP_OPTIONS_ALIGNED_TIMESTAMPS;
		answer->options[2] = net32(cookie_tsval(&work->seen, clock_ms(now)));
		answer->options[3] = net32(work->seen.tsval);
		words = 3;
	} else if (work->seen.seen & TCP_OPTION_SACK) {
		answer->options[1] = net32(1u << 24 | 1u << 16 | 4u << 8 | 2u);
		words = 1;
	}
	if (work->seen.seen & TCP_OPTION_WSCALE) {
		__be32 wscale = net32(1u << 24 | 3u << 16 | 3u << 8 | work->service.rcv_wscale);

		if (words == 0)
			answer->options[1] = wscale;
		else if (words == 1)
			answer->options[2] = wscale;
		else
			answer->options[4] = wscale;
		words++;
	}
	answer->words = 1 + words;
	count(FRONT_COUNT_SYN);
	return answer_send(ctx);
}

/* Not 0 if the connection that begins behind the client's sequence number `isn` has the cookie
 * `cookie`; work->offered then says what its SYN offered, and work->made_by which front answered
 * it. work->seen has been read. `lives`: by the clock of so many longest lives of a cookie ago. */
SUBPROGRAM int syn_began(__u32 isn, __u32 cookie, __u32 lives)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	__u64 now;
	int began;

	if (!work || !here)
		return 0;
	now = frame_now(work, here) - lives * (COOKIE_LIFE_MAX_S * 1000000000ull);
	began = cookie_check(&work->segment.key, isn, cookie, &work->seen,
			     (const struct siphash_key *)here->cookie_keys, here->epoch,
			     here->key_count, here->front_count ?: 1, now, &work->offered);
	work->made_by = began - 1;
	return began;
}

/* 1 if the client whose segment is in hand may have got nothing of the connection but the SYN-ACK:
 * its first data is still to come, or to come again. work->seen has been read. */
SUBPROGRAM int syn_may_begin(void)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();

	if (!work || !here)
		return 0;
	return cookie_tagged(&work->segment.key, work->segment.ack - 1, &work->seen,
			     (const struct siphash_key *)here->cookie_keys, here->epoch,
			     here->key_count, cluster_now(here));
}

enum {
	EXPIRED_LIVES = 7,     /* how far back a cookie is looked for: about an hour */
	EXPIRED_PER_TICK = 64, /* how often a CPU looks: 1,000 times a second at most */
};

/* 1 if the segment, whose cookie isn't good, would have been the first data of a connection, or a
 * keepalive probe before it, had it come in time: browsers open connections that they may not use
 * for long. Costs much, so it is not done for everybody. */
INLINE int syn_expired(struct front_work *work, __u32 now)
{
	const struct segment *segment = &work->segment;

	if (work->expired_tick != now) {
		work->expired_tick = now;
		work->expired_count = 0;
	}
	if (work->expired_count >= EXPIRED_PER_TICK)
		return 0;
	work->expired_count++;
	for (__u32 lives = 1; lives <= EXPIRED_LIVES; lives++) {
		if (segment->length && syn_began(segment->seq - 1, segment->ack - 1, lives))
			return 1;
		if (segment->length <= 1 && syn_began(segment->seq, segment->ack - 1, lives))
			return 1;
	}
	return 0;
}

/* A segment of no flow, or one that its flow doesn't explain. Returns 1 if it is the first data of
 * a connection, which work->offered then describes; else it has been dealt with as far as it can be
 * here: `*action` is what the program has to return and the result 0, or -1 if it has no good
 * cookie. */
INLINE int syn_first(struct xdp_md *ctx, struct front_work *work, int *action)
{
	const struct segment *segment = &work->segment;
	struct cluster *here = cluster_here();
	struct answer *answer = &work->answer;

	*action = XDP_DROP;
	if (!here || !(segment->flags & TCP_ACK) || segment->flags & (TCP_SYN | TCP_RST) ||
	    load_options(ctx, work))
		return -1;
	if (syn_began(segment->seq - 1, segment->ack - 1, 0)) {
		if (segment->length)
			return 1;
		if (!(segment->flags & TCP_FIN)) {
			count(FRONT_COUNT_ACKS_SWALLOWED);
			return 0;
		}
		/* The client has nothing to ask: both sides are closed by this answer. */
		count(FRONT_COUNT_EARLY_FINS);
		answer->seq = segment->ack;
		answer->ack = segment->seq + 1;
		answer->flags = TCP_FIN | TCP_ACK;
	} else if (segment->length <= 1 && !(segment->flags & TCP_FIN) &&
		   syn_began(segment->seq, segment->ack - 1, 0)) {
		/* One byte or none before the first one: a keepalive probe. */
		count(FRONT_COUNT_PROBES);
		answer->seq = segment->ack;
		answer->ack = segment->seq + 1;
		answer->flags = TCP_ACK;
	} else if (!segment->length && syn_began(segment->seq - 2, segment->ack - 2, 0)) {
		/* The acknowledgement of the FIN of ours above. */
		count(FRONT_COUNT_ACKS_SWALLOWED);
		return 0;
	} else {
		return -1;
	}
	answer->window = ANSWER_WINDOW;
	answer_timestamps(work,
			  cookie_tsval_again(work->seen.tsecr, clock_ms(frame_now(work, here))));
	*action = answer_send(ctx);
	return 0;
}

#endif

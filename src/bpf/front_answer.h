/* Segments that the front answers by itself: the frame in hand is turned round. */
#ifndef BATON_BPF_FRONT_ANSWER_H
#define BATON_BPF_FRONT_ANSWER_H

#include "bpf/front_maps.h"

enum {
	/* Fresh sockets hold 64 KB; half of it leaves room for what the kernel adds to each
	 * segment. Not scaled, as in every SYN-ACK (RFC 7323, 2.2). */
	ANSWER_WINDOW = 32768,
	ANSWER_TTL = 64,
};

INLINE __u64 answer_tcp(struct tcphdr *tcp, void *end, const struct front_work *work)
{
	const struct answer *answer = &work->answer;
	__be32 *words = (__be32 *)tcp;
	__u64 sum = 0;

	words[0] = (__u32)work->segment.key.vip_port | (__u32)work->segment.key.client_port << 16;
	words[1] = net32(answer->seq);
	words[2] = net32(answer->ack);
	words[3] = net32((5u + answer->words) << 28 | (__u32)answer->flags << 16 | answer->window);
	words[4] = 0;
	sum = (__u64)words[0] + words[1] + words[2] + words[3];
	for (int i = 0; i < 5; i++) {
		if (i >= answer->words || (void *)(words + 6 + i) > end)
			break;
		words[5 + i] = answer->options[i];
		sum += answer->options[i];
	}
	return sum;
}

/* Makes of the frame in hand work->answer, from the service to the client, and sends it where the
 * frame came from. The segment in hand is used up. Returns what the program has to return. */
SUBPROGRAM int answer_send(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	__u32 length, ip_length;
	struct ethhdr *ethernet;
	void *data, *end;
	__u64 sum, swap;

	if (!work)
		return XDP_DROP;
	length = TCP_LENGTH + work->answer.words * 4u;
	ip_length = work->segment.protocol == 4 ? IPV4_LENGTH : IPV6_LENGTH;
	if (bpf_xdp_adjust_tail(ctx, (int)(ETHERNET_LENGTH + ip_length + length) -
					     (int)frame_length(ctx)))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	/* Six bytes of each; the type behind stays. */
	__builtin_memcpy(&swap, ethernet->h_dest, 6);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, 6);
	__builtin_memcpy(ethernet->h_source, &swap, 6);
	if (work->segment.protocol == 4) {
		struct iphdr *ip = data + ETHERNET_LENGTH;
		struct tcphdr *tcp = (void *)(ip + 1);
		__be32 *words = (__be32 *)ip;

		if ((void *)(tcp + 1) > end)
			return XDP_DROP;
		words[0] = net32(4u << 28 | 5u << 24 | (IPV4_LENGTH + length));
		words[1] = net32(0x4000); /* no identification, don't fragment */
		words[2] = net32((__u32)ANSWER_TTL << 24 | IPPROTO_TCP << 16);
		words[3] = work->segment.key.vip.words[3];
		words[4] = work->segment.key.client.words[3];
		ip->check = checksum_finish((__u64)words[0] + words[1] + words[2] + words[3] +
					    words[4]);
		sum = answer_tcp(tcp, end, work) +
		      checksum_pseudo4(ip->saddr, ip->daddr, IPPROTO_TCP, length);
		tcp->check = checksum_finish(sum);
	} else {
		struct ipv6hdr *ip = data + ETHERNET_LENGTH;
		struct tcphdr *tcp = (void *)(ip + 1);
		__be32 *words = (__be32 *)ip;

		if ((void *)(tcp + 1) > end)
			return XDP_DROP;
		words[0] = net32(6u << 28);
		words[1] = net32(length << 16 | IPPROTO_TCP << 8 | ANSWER_TTL);
		__builtin_memcpy(&ip->saddr, &work->segment.key.vip, 16);
		__builtin_memcpy(&ip->daddr, &work->segment.key.client, 16);
		sum = answer_tcp(tcp, end, work) + checksum_pseudo6(work->segment.key.vip.words,
								    work->segment.key.client.words,
								    IPPROTO_TCP, length);
		tcp->check = checksum_finish(sum);
	}
	return XDP_TX;
}

/* NOP NOP TIMESTAMP with this TSval, echoing the client's, if the segment in hand has timestamps.
 */
INLINE void answer_timestamps(struct front_work *work, __u32 tsval)
{
	struct answer *answer = &work->answer;

	answer->words = 0;
	if (!(work->seen.seen & TCP_OPTION_TIMESTAMPS))
		return;
	answer->options[0] = TCP_OPTIONS_ALIGNED_TIMESTAMPS;
	answer->options[1] = net32(tsval);
	answer->options[2] = net32(work->seen.tsval);
	answer->words = 3;
}

/* Ends the client's connection: the RST that its own segment would get from a host without a socket
 * (RFC 9293, 3.5.2, group 1). Returns what the program has to return. */
INLINE int answer_reset(struct xdp_md *ctx, struct front_work *work)
{
	const struct segment *segment = &work->segment;

	if (segment->flags & TCP_RST)
		return XDP_DROP;
	work->answer.words = 0;
	work->answer.window = 0;
	if (segment->flags & TCP_ACK) {
		work->answer.flags = TCP_RST;
		work->answer.seq = segment->ack;
		work->answer.ack = 0;
	} else {
		work->answer.flags = TCP_RST | TCP_ACK;
		work->answer.seq = 0;
		work->answer.ack = segment->seq + segment->length + !!(segment->flags & TCP_SYN) +
				   !!(segment->flags & TCP_FIN);
	}
	return answer_send(ctx);
}

#endif

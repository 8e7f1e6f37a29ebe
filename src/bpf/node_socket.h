/* The kernel's sockets as the node's programs meet them: asked, built, told to go. */
#ifndef BATON_BPF_NODE_SOCKET_H
#define BATON_BPF_NODE_SOCKET_H

#include "bpf/checksum.h"
#include "bpf/node_segment.h"
#include "bpf/tcp_options.h"

/* In a kernel's BTF since 6.9. struct sock must be defined in this object, not only declared, or
 * libbpf refuses the prototype; reading skc_state below sees to it. */
extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk,
				   struct bpf_tcp_req_attrs *attrs, int attrs__sz) __ksym;

#define ANY_NETNS ((__u64)-1) /* bpf_skc_lookup_tcp: the one that the device is in */

INLINE struct bpf_sock *socket_lookup(struct __sk_buff *skb, const struct segment *segment)
{
	struct bpf_sock_tuple tuple;

	if (segment->protocol == 4) {
		tuple.ipv4.saddr = segment->key.client.words[3];
		tuple.ipv4.daddr = segment->key.vip.words[3];
		tuple.ipv4.sport = segment->key.client_port;
		tuple.ipv4.dport = segment->key.vip_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), ANY_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, &segment->key.client, 16);
	__builtin_memcpy(tuple.ipv6.daddr, &segment->key.vip, 16);
	tuple.ipv6.sport = segment->key.client_port;
	tuple.ipv6.dport = segment->key.vip_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), ANY_NETNS, 0);
}

/* Fills work->socket with what the flow's socket says of itself; state TCP_LISTEN: there is only a
 * listener. Takes no lock: the caller knows that nobody changes what it reads, or asks twice. */
SUBPROGRAM int socket_ask(struct __sk_buff *skb)
{
	struct work *work = work_area(WORK_IN);
	struct socket_state *out;
	struct bpf_sock *sock;
	struct tcp_sock *tcp;

	if (!work)
		return 0;
	out = &work->socket;
	__builtin_memset(out, 0, sizeof(*out));
	sock = socket_lookup(skb, &work->segment);
	if (!sock)
		return 0;
	out->state = sock->state;
	if (sock->state == TCP_TIME_WAIT) {
		struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(sock);

		if (tw)
			out->rcv_nxt = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
	} else if (sock->state != TCP_LISTEN) {
		tcp = bpf_skc_to_tcp_sock(sock);
		if (tcp) {
			out->write_seq = tcp->write_seq;
			out->snd_nxt = tcp->snd_nxt;
			out->rcv_nxt = tcp->rcv_nxt;
			out->copied_seq = tcp->copied_seq;
			out->srtt = tcp->srtt_us >> 3;
			out->cwnd = tcp->snd_cwnd;
			out->gaps = tcp->out_of_order_queue.rb_node != NULL;
		}
	}
	bpf_sk_release(sock);
	return out->state;
}

/* Makes an established socket of the flow's listener and the bare segment in hand, which has to be
 * passed up then. Returns 0 or a negative errno. */
SUBPROGRAM int socket_build(struct __sk_buff *skb)
{
	struct work *work = work_area(WORK_IN);
	struct bpf_tcp_req_attrs attrs = {};
	const struct baton_header *header;
	struct tcp_options options;
	struct bpf_sock *sock;
	struct sock *listener;
	int error = -ENOENT;

	if (!work)
		return -EINVAL;
	header = &work->header;
	tcp_options_parse(&work->packet, work->segment.tcp_at - work->segment.ip_at + 20,
			  work->segment.doff * 4 - 20, &options);
	if (header->options & BATON_OPTION_TIMESTAMPS && options.seen & TCP_OPTION_TIMESTAMPS) {
		attrs.tstamp_ok = 1;
		attrs.rcv_tsval = options.tsval;
		attrs.rcv_tsecr = net32(header->ts_clock);
	}
	attrs.mss = net16(header->mss);
	attrs.sack_ok = !!(header->options & BATON_OPTION_SACK);
	attrs.ecn_ok = !!(header->options & BATON_OPTION_ECN);
	if (header->options & BATON_OPTION_WSCALE) {
		attrs.wscale_ok = 1;
		attrs.snd_wscale = header->snd_wscale;
		attrs.rcv_wscale = header->rcv_wscale;
	}
	sock = socket_lookup(skb, &work->segment);
	if (!sock)
		return -ENOENT;
	listener = (struct sock *)bpf_skc_to_tcp_sock(sock);
	if (listener && listener->__sk_common.skc_state == TCP_LISTEN)
		error = bpf_sk_assign_tcp_reqsk(skb, listener, &attrs, sizeof(attrs));
	bpf_sk_release(sock);
	return error;
}

/* Turns the bare segment in hand into an RST with sequence number `seq`. The options become part of
 * the payload: so no timestamp can make the segment look old, and an RST's payload is nobody's.
 * Returns 0 or a negative errno. */
SUBPROGRAM int socket_make_reset(struct __sk_buff *skb, __u32 seq)
{
	struct work *work = work_area(WORK_IN);
	__be32 from = net32(work ? work->segment.seq : 0), to = net32(seq);
	__be16 word, reset;
	__u32 at;

	if (!work)
		return -EINVAL;
	at = work->segment.tcp_at;
	if (bpf_skb_load_bytes(skb, at + 12, &word, sizeof(word)))
		return -EFAULT;
	reset = net16(5 << 12 | TCP_FLAG_BIT_RST | TCP_FLAG_BIT_ACK);
	if (bpf_l4_csum_replace(skb, at + 16, word, reset, 2) ||
	    bpf_l4_csum_replace(skb, at + 16, from, to, 4) ||
	    bpf_skb_store_bytes(skb, at + 4, &to, sizeof(to), 0) ||
	    bpf_skb_store_bytes(skb, at + 12, &reset, sizeof(reset), 0))
		return -EFAULT;
	return 0;
}

/* Turns the bare segment in hand (of work area `which`) into one of nothing but a TCP header, from
 * the client: one on its way out (WORK_OUT) is turned round. What was behind the header is cut off
 * by the length in the IP header. Returns 0 or a negative errno. */
SUBPROGRAM int socket_make_short(struct __sk_buff *skb, __u32 which, __u32 flags, __u32 seq,
				 __u32 ack)
{
	struct work *work = work_area(which);
	struct segment *segment;
	struct tcphdr tcp = {};
	__u32 back = which == WORK_OUT;
	__be16 was, is;
	__u64 sum;

	if (!work)
		return -EINVAL;
	segment = &work->segment;
	tcp.source = segment->key.client_port;
	tcp.dest = segment->key.vip_port;
	tcp.seq = net32(seq);
	tcp.ack_seq = net32(ack);
	tcp.doff = sizeof(tcp) / 4;
	tcp.ack = 1;
	tcp.fin = !!(flags & TCP_FLAG_BIT_FIN);
	tcp.window = 0xffff;
	if (segment->protocol == 4) {
		sum = checksum_pseudo4(segment->key.client.words[3], segment->key.vip.words[3],
				       IPPROTO_TCP, sizeof(tcp));
		was = net16(segment->ip_length);
		is = net16(segment->tcp_at - segment->ip_at + sizeof(tcp));
		if (bpf_l3_csum_replace(skb, segment->ip_at + 10, was, is, 2) ||
		    bpf_skb_store_bytes(skb, segment->ip_at + 2, &is, sizeof(is), 0))
			return -EFAULT;
		if (back && (bpf_skb_store_bytes(skb, segment->ip_at + 12,
						 &segment->key.client.words[3], 4, 0) ||
			     bpf_skb_store_bytes(skb, segment->ip_at + 16,
						 &segment->key.vip.words[3], 4, 0)))
			return -EFAULT;
	} else {
		sum = checksum_pseudo6(segment->key.client.words, segment->key.vip.words,
				       IPPROTO_TCP, sizeof(tcp));
		is = net16(sizeof(tcp));
		if (bpf_skb_store_bytes(skb, segment->ip_at + 4, &is, sizeof(is), 0))
			return -EFAULT;
		if (back &&
		    (bpf_skb_store_bytes(skb, segment->ip_at + 8, &segment->key.client, 16, 0) ||
		     bpf_skb_store_bytes(skb, segment->ip_at + 24, &segment->key.vip, 16, 0)))
			return -EFAULT;
	}
	tcp.check = checksum_finish(bpf_csum_diff(0, 0, (__be32 *)&tcp, sizeof(tcp), 0) + sum);
	return bpf_skb_store_bytes(skb, segment->tcp_at, &tcp, sizeof(tcp), 0) ? -EFAULT : 0;
}

#endif

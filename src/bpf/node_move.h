/* Letting a flow go: at a request boundary, when it is quiet, in an order that can't lose or repeat
 * anything.
 *
 *	mute		the socket's packets are dropped from here on (node_out)
 *	barrier		compare-and-swap is one
 *	look again	nothing written that the client has not acknowledged, nothing received that
 *			the server has not read; else unmute, and the request is served here
 *	let go		the segment goes to the front as a RETURN, and what is left of it becomes an
 *			RST for the local socket, gone within this softirq; or, as the service
 *			chooses, a FIN, and node_out plays the client to the FIN that comes back
 *
 * A server that writes (or closes) after the look finds itself muted, then reset: as if the client
 * had left. What it wrote was no answer to the request that went: it never saw it.
 */
#ifndef BATON_BPF_NODE_MOVE_H
#define BATON_BPF_NODE_MOVE_H

#include "bpf/node_place.h"
#include "bpf/node_record.h"
#include "bpf/node_send.h"
#include "bpf/node_socket.h"
#include "bpf/tcp_options.h"

/* Bits of skb->mark while a frame goes round: how often it has, or that it is of our own making and
 * goes up. What else is in the mark is left alone. */
#define MARK_BOUNCES_SHIFT 28
#define MARK_BOUNCES	   0xf0000000u
#define MARK_OWN	   MARK_BOUNCES

enum { MOVE_TOLD_MS = 2 }; /* a return is not repeated sooner */

INLINE void move_header(struct work *work, const struct cluster *cluster, const struct held *flow,
			__u32 flags)
{
	struct baton_header *header = &work->header;

	send_header(work, cluster, flow, BATON_RETURN, flags);
	header->node = net16(flow->node);
	header->reason = flow->reason;
	header->seq = net32(flow->moved_seq);
	header->ack = net32(flow->moved_ack);
	header->ts_clock = net32(flow->ts_clock);
	header->srtt = net32(flow->srtt);
	header->cwnd = net16(flow->cwnd);
}

/* The client repeats the request that a flow left with (bare or wrapped): so does the return, if
 * the first one may be lost. `question`: a front knows that it is lost. Uses the frame up. */
INLINE int move_again(struct __sk_buff *skb, struct work *work, struct held *flow, __u32 question)
{
	struct cluster *cluster = cluster_here();
	__u32 now_ms = bpf_ktime_get_coarse_ns() / 1000000;
	__u32 room = work->segment.ip_at - ETHERNET_LENGTH;

	if (!cluster || work->segment.seq != flow->moved_seq || !work->segment.length ||
	    (!question && now_ms - flow->told_ms < MOVE_TOLD_MS))
		return TC_ACT_SHOT;
	flow->told_ms = now_ms;
	if (room && send_strip(skb, room, work->segment.protocol))
		return TC_ACT_SHOT;
	work->segment.ip_at = ETHERNET_LENGTH;
	move_header(work, cluster, flow, BATON_FLAG_REPEAT);
	work->header.load = net32(question);
	count(NODE_COUNT_MOVED_AGAIN);
	return send_wrapped(skb, flow->front);
}

/* Gives the flow to `node` with the bare segment in hand, which begins
 * a request, if the flow is quiet. Returns what the program has to return. */
SUBPROGRAM int move_flow(struct __sk_buff *skb, struct held *flow, __u32 node)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	struct node_service_counters *counters;
	struct socket_state *socket;
	struct service *service;
	struct tcp_options options;
	__u32 generation, room, length;
	__u64 owner;
	int device;

	if (!work || !cluster || !flow)
		return TC_ACT_SHOT;
	socket = &work->socket;
	owner = flow->owner;
	generation = owner_generation(owner);
	length = work->segment.ip_length;
	if (skb->gso_segs > 1 || work->segment.flags & TCP_FLAG_BIT_RST ||
	    flow->flags & (HELD_CLIENT_FIN | HELD_SERVER_FIN) ||
	    !send_front(cluster, flow->front)->reachable ||
	    segment_load(skb, work, SCRATCH_SIZE) != length)
		goto stay;
	if (owner_state(owner) != HELD_OPEN ||
	    !owner_change(flow, owner, owner_of(generation, HELD_MUTED))) {
		count(NODE_COUNT_CONTENDED);
		return TC_ACT_SHOT;
	}
	socket_ask(skb);
	if (socket->state != TCP_ESTABLISHED || socket->write_seq != work->segment.ack ||
	    socket->snd_nxt != work->segment.ack || socket->rcv_nxt != work->segment.seq ||
	    socket->copied_seq != work->segment.seq || socket->gaps) {
		owner_change(flow, owner_of(generation, HELD_MUTED), owner);
		count(NODE_COUNT_UNMUTED);
		goto stay;
	}
	tcp_options_parse(&work->packet, work->segment.tcp_at - work->segment.ip_at + 20,
			  work->segment.doff * 4 - 20, &options);
	flow->moved_seq = work->segment.seq;
	flow->moved_ack = work->segment.ack;
	flow->node = node;
	flow->reason = work->reason;
	flow->srtt = socket->srtt;
	flow->cwnd = socket->cwnd > 0xffff ? 0xffff : socket->cwnd;
	/* The next owner's clock begins where an acknowledgement of this moment would put it: a
	 * round trip after what the client echoes. An idle pause must not look like a slow path. */
	flow->ts_clock = options.tsecr + (socket->srtt + 999) / 1000;
	flow->told_ms = bpf_ktime_get_coarse_ns() / 1000000;
	owner_change(flow, owner_of(generation, HELD_MUTED), owner_of(generation, HELD_LEFT));
	count(NODE_COUNT_MOVED);
	counters = service_counters(flow->service);
	if (counters)
		counters->handoffs_out++;
	load_abandoned(counters, 1);
	if (record_wanted())
		record_moved(flow);
	move_header(work, cluster, flow, 0);
	device = send_wrap(skb, flow->front);
	if (device < 0)
		return TC_ACT_SHOT;
	room = address_is_ipv4(&send_front(cluster, flow->front)->address) ? BATON_OVERHEAD_IPV4
									   : BATON_OVERHEAD_IPV6;
	if (bpf_clone_redirect(skb, device, send_flags(cluster, flow->front)))
		count(NODE_COUNT_UNSENT);
	if (send_strip(skb, room, work->segment.protocol))
		return TC_ACT_SHOT;
	service = bpf_map_lookup_elem(&services, &work->segment.service_key);
	if (service && service->release == RELEASE_FIN)
		return socket_make_short(skb, WORK_IN, TCP_FLAG_BIT_FIN, work->segment.seq,
					 work->segment.ack)
			       ? TC_ACT_SHOT
			       : TC_ACT_OK;
	return socket_make_reset(skb, work->segment.seq) ? TC_ACT_SHOT : TC_ACT_OK;
stay:
	if (work->segment.flags & TCP_FLAG_BIT_FIN)
		__sync_fetch_and_or(&flow->flags, HELD_CLIENT_FIN);
	count(NODE_COUNT_STAYED);
	return TC_ACT_OK;
}

/* A flow that left by FIN: its server's own FIN (in hand, on its way out) turns round and comes in
 * as the client's last acknowledgement. Returns what the program has to return. */
INLINE int move_last_words(struct __sk_buff *skb, struct work *work)
{
	struct cluster *cluster = cluster_here();
	__u32 seq = work->segment.ack;
	__u32 ack = work->segment.seq + work->segment.length + 1;

	if (!cluster || bpf_skb_store_bytes(skb, 0, cluster->mac, 6, 0) ||
	    socket_make_short(skb, WORK_OUT, 0, seq, ack))
		return TC_ACT_SHOT;
	skb->mark |= MARK_OWN;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

#endif

/* Services that are only forwarded: any TCP protocol, placed at the SYN, and UDP, by flow or
 * datagram by datagram. Nothing is answered or read here; nodes pass such packets to their stack.
 */
#ifndef BATON_BPF_FRONT_LAYER4_H
#define BATON_BPF_FRONT_LAYER4_H

#include "bpf/front_answer.h"
#include "bpf/front_nat.h"
#include "bpf/front_place.h"
#include "bpf/front_send.h"

/* Chooses a node for the packet in hand by its service's policy. What stands for the target is the
 * flow itself: address and port. Returns its id; 0: no node is up. For policies that go by load the
 * flow weighs on it until layer4_close. */
SUBPROGRAM int layer4_choose(void)
{
	struct front_work *work = work_area();
	struct front_node_counters *counters;
	__u64 hash;
	int node;

	if (!work)
		return 0;
	place_begin(work);
	work->query.flags = PLACE_FLOW;
	hash = place_mix(work->query.client + work->segment.key.client_port);
	work->query.target = hash;
	work->query.carp = hash;
	work->query.md5 = hash;
	node = place_choose(&work->query);
	if (node <= 0) {
		count(FRONT_COUNT_NO_NODE);
		return 0;
	}
	counters = node_counters(node);
	if (counters) {
		counters->first++;
		counters->reasons[work->query.reason & 15]++;
	}
	count(FRONT_COUNT_LAYER4_FLOWS);
	return node;
}

/* What the flow weighs is given back, once. What nobody closes, front/layer4.c counts out. */
INLINE void layer4_close(struct layer4_flow *flow)
{
	if (!__sync_lock_test_and_set(&flow->closed, 1) &&
	    place_wants(flow->pool) & PLACE_WANT_LOAD)
		place_give_back(flow->pool, flow->node);
}

/* 1 if the packet in hand goes on with what `flow` remembers. */
INLINE int layer4_goes_on(const struct layer4_flow *flow, const struct segment *segment,
			  __u32 protocol, __u32 now)
{
	if (protocol == IPPROTO_UDP)
		return now - flow->seen <= LAYER4_UDP_TICKS;
	return !(segment->flags & TCP_SYN) || !flow->closed;
}

/* Sends the packet in hand to the node. Returns what the program has to return. */
INLINE int layer4_out(struct xdp_md *ctx, const struct front_work *work, const struct cluster *here,
		      const struct node_entry *entry, __u32 node, __u32 protocol)
{
	if (work->service.forward == FORWARD_NAT)
		return nat_send(ctx, node, protocol);
	return send_bare(ctx, here, entry, node);
}

/* A packet to work->service, a layer-4 one. Returns what the program has to return. */
SUBPROGRAM int layer4_send(struct xdp_md *ctx, __u32 protocol)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct layer4_key key = {.protocol = protocol};
	struct layer4_flow *flow, fresh = {};
	const struct node_entry *entry;
	const struct segment *segment;
	__u32 now = tick_now();
	int node = 0;

	if (!work || !here)
		return XDP_DROP;
	segment = &work->segment;
	count(FRONT_COUNT_LAYER4);
	if (protocol == IPPROTO_UDP && work->service.flags & SERVICE_PACKET) {
		node = layer4_choose();
		entry = node_entry(node);
		if (node <= 0 || !entry)
			return XDP_DROP;
		/* A datagram is no flow: it is over when it is sent. */
		if (place_wants(work->query.pool) & PLACE_WANT_LOAD)
			place_give_back(work->query.pool, node);
		return layer4_out(ctx, work, here, entry, node, protocol);
	}
	key.flow = segment->key;
	flow = bpf_map_lookup_elem(&layer4, &key);
	if (flow && layer4_goes_on(flow, segment, protocol, now)) {
		node = flow->node;
		entry = node_entry(node);
		if (entry && node_serves(entry)) {
			flow->seen = now;
			if (segment->flags & (TCP_FIN | TCP_RST))
				layer4_close(flow);
			return layer4_out(ctx, work, here, entry, node, protocol);
		}
		/* Its node is gone: datagrams and SYNs go elsewhere, connections end. */
		if (protocol == IPPROTO_TCP && !(segment->flags & TCP_SYN)) {
			layer4_close(flow);
			count(FRONT_COUNT_RESETS);
			return answer_reset(ctx, work);
		}
	}
	if (flow)
		layer4_close(flow);
	node = layer4_choose();
	entry = node_entry(node);
	if (node <= 0 || !entry)
		return protocol == IPPROTO_TCP ? answer_reset(ctx, work) : XDP_DROP;
	fresh.seen = now;
	fresh.node = node;
	fresh.pool = work->query.pool;
	bpf_map_update_elem(&layer4, &key, &fresh, BPF_ANY);
	return layer4_out(ctx, work, here, entry, node, protocol);
}

#endif

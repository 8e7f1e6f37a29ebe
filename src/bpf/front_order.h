/* The daemon's orders about flows that it keeps (wire/slow.h). They run here and not there, so that
 * one policy, with one memory, places all connections, and one piece of code wraps all segments. */
#ifndef BATON_BPF_FRONT_ORDER_H
#define BATON_BPF_FRONT_ORDER_H

#include "bpf/front_peer.h"

/* 1 if the flow is still the one that the order is about, kept by the daemon; the lock is held, or
 * somebody asks again under it. */
INLINE int order_holds(const struct front_flow *flow, const struct slow_order *order)
{
	return flow->owner.state == FRONT_SLOW && flow->owner.generation == order->generation;
}

/* Names the node, or the dispatcher that is to do so. The flow stays the daemon's until SLOW_OPEN,
 * so that nothing of the client's can overtake what was kept. */
INLINE int order_place(struct front_work *work, const struct cluster *here,
		       struct slow_order *order)
{
	struct place_query *query = &work->query;
	const struct node_entry *entry;
	struct front_flow *flow;
	__u32 now = tick_now();
	int node, pinned, holds;

	flow = bpf_map_lookup_elem(&flows, &order->key);
	if (!flow || !order_holds(flow, order) || flow->owner.node ||
	    !service_find(work, IPPROTO_TCP))
		return -ESTALE;
	place_begin(work);
	if (order->flags & SLOW_BY_TARGET) {
		query->pool = order->pool;
		query->target = order->target;
		query->carp = order->carp;
		query->md5 = order->md5;
	}
	work->answered = order->answered;
	work->answer_reason = order->answer_reason;
	if (order->flags & SLOW_UNANSWERED)
		work->may_ask = ASK_AGAIN;
	else if (order->flags & SLOW_MAY_ASK)
		work->may_ask = ASK_ONCE;
	pinned = work->service.kind != SERVICE_HTTP || order->flags & SLOW_PINNED;
	work->fallback = order->fallback;
	node = place_decide();
	if (node == -EINPROGRESS) {
		order->pool = query->pool;
		order->target = query->target;
		order->carp = query->carp;
		order->md5 = query->md5;
		order->dispatcher = work->dispatcher;
		entry = host_entry(here, BATON_DISPATCHER(work->dispatcher));
		order->ifindex = entry ? entry->ifindex : 0;
		return node;
	}
	if (node <= 0) {
		count(FRONT_COUNT_NO_NODE);
		return -ENOENT;
	}
	bpf_spin_lock(&flow->lock);
	holds = order_holds(flow, order) && !flow->owner.node;
	if (holds) {
		flow->owner.node = node;
		if (pinned)
			flow->owner.flags |= FRONT_PINNED;
		flow->reason = work->reason;
		flow->since = now;
		flow->seen = now;
	}
	bpf_spin_unlock(&flow->lock);
	if (!holds)
		return -ESTALE;
	flow_count_first(work, node);
	entry = node_entry(node);
	order->node = node;
	order->ifindex = entry ? entry->ifindex : 0;
	return 0;
}

/* Changes the entry as the action says. */
INLINE int order_change(const struct slow_order *order)
{
	struct front_flow *flow;
	int holds;

	flow = bpf_map_lookup_elem(&flows, &order->key);
	if (!flow)
		return -ESTALE;
	bpf_spin_lock(&flow->lock);
	holds = flow->owner.generation == order->generation;
	if (order->action == SLOW_LOSE) {
		if (holds)
			flow->owner.state = FRONT_ENDED;
	} else if (order->action == SLOW_KILL) {
		if (holds)
			flow->owner.state = FRONT_LOST;
	} else if (holds && flow->owner.state == FRONT_SLOW) {
		if (order->action == SLOW_ACKED)
			flow->owner.flags |= FRONT_ACKED;
		else if (order->action == SLOW_OPEN)
			flow->owner.state =
				order->flags & SLOW_CLOSING ? FRONT_CLOSING : FRONT_OPEN;
		else
			flow->owner.state = FRONT_ENDED;
	} else {
		holds = 0;
	}
	bpf_spin_unlock(&flow->lock);
	if (!holds)
		return -ESTALE;
	/* No node has heard of it: nothing needs to be remembered. */
	if (order->action == SLOW_END)
		bpf_map_delete_elem(&flows, &order->key);
	return 0;
}

/* Wraps the frame behind the order, of a flow without a node, as a question to the dispatcher. */
INLINE int order_ask(struct xdp_md *ctx, struct front_work *work)
{
	work->dispatcher = work->order.dispatcher;
	__builtin_memset(&work->header, 0, sizeof(work->header));
	work->header.generation = net32(work->order.generation);
	count(FRONT_COUNT_QUESTIONS);
	dispatcher_asked(work->dispatcher);
	return flow_question(ctx, work, BATON_FLAG_FIRST | BATON_FLAG_TARGET);
}

/* Wraps the frame behind the order for the flow's node, or for a dispatcher. Returns what comes of
 * it: XDP_DROP if the flow is not that any more. */
SUBPROGRAM int order_send(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct slow_order *order;
	struct front_flow *flow;
	__u32 frame, length, node, protocol;
	int holds, asks;

	if (!work)
		return XDP_DROP;
	order = &work->order;
	frame = frame_length(ctx);
	if (frame < sizeof(*order) + ETHERNET_LENGTH + IPV4_LENGTH + TCP_LENGTH)
		return XDP_DROP;
	length = frame - sizeof(*order) - ETHERNET_LENGTH;
	protocol = address_is_ipv4(&order->key.vip) ? 4 : 6;
	if (bpf_xdp_adjust_head(ctx, sizeof(*order)) ||
	    load_packet(ctx, work, ETHERNET_LENGTH, length) || message_inner(work, protocol) ||
	    work->segment.ip_length != length)
		return XDP_DROP;
	flow = bpf_map_lookup_elem(&flows, &work->segment.key);
	if (!flow)
		return XDP_DROP;
	bpf_spin_lock(&flow->lock);
	node = flow->owner.node;
	holds = flow->owner.generation == order->generation && node &&
		(flow->owner.state == FRONT_SLOW || flow->owner.state == FRONT_OPEN ||
		 flow->owner.state == FRONT_CLOSING);
	handoff_header(work, flow);
	asks = order->action == SLOW_ASK && order_holds(flow, order) && !node;
	bpf_spin_unlock(&flow->lock);
	if (order->action == SLOW_ASK)
		return asks ? order_ask(ctx, work) : XDP_DROP;
	return holds ? send_wrapped(ctx, node) : XDP_DROP;
}

/* All orders without a frame. Returns XDP_PASS: the answer is in the order's own place. */
SUBPROGRAM int order_do(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct slow_order *order;

	if (!work || !here)
		return XDP_DROP;
	order = &work->order;
	work->segment.key = order->key;
	switch (order->action) {
	case SLOW_PLACE:
		order->result = order_place(work, here, order);
		break;
	case SLOW_COUNT:
		order->result = 0;
		break;
	default:
		order->result = order_change(order);
	}
	if (!order->result && order->count)
		count(order->count);
	return bpf_xdp_store_bytes(ctx, 0, order, sizeof(*order)) ? XDP_DROP : XDP_PASS;
}

#endif

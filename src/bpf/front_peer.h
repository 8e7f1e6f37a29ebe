/* What nodes tell the front: everything under a Baton header.
 *
 * A message counts only if its MAC is good, it is fresh, and it speaks of the generation that the
 * flow is in; only the owner is believed. So a message that is late, repeated or replayed changes
 * nothing. */
#ifndef BATON_BPF_FRONT_PEER_H
#define BATON_BPF_FRONT_PEER_H

#include "bpf/front_ask.h"
#include "bpf/message.h"

/* 1 if work->header is the owner's word in the flow's present generation; the lock is held. */
INLINE int peer_owns(const struct front_flow *flow, const struct baton_header *header)
{
	return flow->owner.node == net16(header->sender) &&
	       flow->owner.generation == net32(header->generation);
}

/* What a node has returned is asked about; `at` is where it begins in the frame. The header goes
 * there and back, its sender's name meanwhile in `load`. */
INLINE int question_returned(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	work->header.load = net32(net16(work->header.sender));
	if (send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	count(FRONT_COUNT_QUESTIONS);
	dispatcher_asked(work->dispatcher);
	return flow_question(ctx, work, BATON_FLAG_RETURNED);
}

/* The answer in hand is about a connection's first data, which begins `at` bytes into the frame:
 * makes it what came from the client. Returns FLOW_BEGINS, or what the program has to return. */
INLINE int question_answered(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	const struct front_question *question = bpf_map_lookup_elem(&questions, &work->segment.key);
	int action;

	if (!question || question->seq != work->segment.seq || question->ack != work->segment.ack ||
	    bpf_map_delete_elem(&questions, &work->segment.key)) {
		count(FRONT_COUNT_ANSWERS_LATE);
		return XDP_DROP;
	}
	count(FRONT_COUNT_ANSWERS);
	if (!service_find(work, IPPROTO_TCP) || send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	/* The cookie was good before, and what it says of the connection is needed again. */
	return syn_first(ctx, work, &action) == 1 ? FLOW_BEGINS : XDP_DROP;
}

/* The node to which a returned request goes: the one its sender names, if that one can be given
 * anything; the one that the front chooses; or back to the sender. 0: work->dispatcher is to be
 * asked. */
INLINE __u32 peer_choose(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	__u32 node = net16(work->header.node);
	const struct node_entry *entry = node_entry(node);
	int placed;

	work->reason = work->header.reason;
	if (node && entry && entry->reachable && node_serves(entry))
		return node;
	work->asker = net16(work->header.sender);
	if (service_find(work, IPPROTO_TCP) &&
	    !load_text(ctx, work, at + work->segment.payload_at, work->segment.length)) {
		/* It has been read by now. */
		work->service.flags &= ~SERVICE_SPREAD;
		work->may_ask =
			work->header.flags & net16(BATON_FLAG_REPEAT) ? ASK_AGAIN : ASK_ONCE;
		placed = place_segment(work->segment.length);
		if (placed > 0)
			return placed & 0xffff;
		if (placed == -EINPROGRESS)
			return 0;
		count(FRONT_COUNT_NO_NODE);
	}
	work->reason = PLACE_REASON_STAY;
	return net16(work->header.sender);
}

/* The owner has let go of the flow at the request in hand, which goes to another node. `at` is
 * where the inner packet begins in the frame. */
SUBPROGRAM int peer_return(struct xdp_md *ctx, __u32 at)
{
	struct front_work *work = work_area();
	struct front_service_counters *service;
	struct front_node_counters *counters;
	const struct baton_header *header;
	struct front_flow *flow;
	__u32 node, sender, now;
	int owns;

	if (!work)
		return XDP_DROP;
	header = &work->header;
	sender = net16(header->sender);
	node = peer_choose(ctx, work, at);
	if (!node)
		return question_returned(ctx, work, at);
	now = tick_now();
	flow = bpf_map_lookup_elem(&flows, &work->segment.key);
	if (!flow)
		return XDP_DROP;
	bpf_spin_lock(&flow->lock);
	owns = peer_owns(flow, header) && flow->owner.state != FRONT_ENDED;
	if (owns) {
		flow->owner.generation++;
		flow->owner.node = node;
		flow->owner.flags &= ~FRONT_CONFIRMED;
		flow->owner.flags |= FRONT_LATER;
		flow->since = now;
		flow->seen = now;
		flow->handoff_seq = net32(header->seq);
		flow->handoff_ack = net32(header->ack);
		flow->ts_clock = net32(header->ts_clock);
		flow->srtt = net32(header->srtt);
		flow->cwnd = net16(header->cwnd);
		flow->reason = work->reason;
		flow->handoffs++;
		handoff_header(work, flow);
	}
	bpf_spin_unlock(&flow->lock);
	if (!owns) {
		count(FRONT_COUNT_STALE);
		return XDP_DROP;
	}
	count(FRONT_COUNT_HANDOFFS_LATER);
	service = service_counters(flow->service);
	if (service)
		service->handoffs_later++;
	counters = node_counters(node);
	if (counters) {
		counters->later++;
		counters->reasons[work->reason & 15]++;
	}
	counters = node_counters(sender);
	if (counters)
		counters->away++;
	if (send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	return send_wrapped(ctx, node);
}

/* The owner asks who should serve the request in hand. It keeps the flow: the answer is the same
 * segment under a header that names a node, and what the flow's entry says stays true whatever
 * becomes of it. `at` is where the inner packet begins in the frame. */
SUBPROGRAM int peer_ask(struct xdp_md *ctx, __u32 at)
{
	struct front_work *work = work_area();
	struct baton_header *header;
	struct front_flow *flow;
	int owns, node;
	__u32 load;

	if (!work)
		return XDP_DROP;
	header = &work->header;
	flow = bpf_map_lookup_elem(&flows, &work->segment.key);
	if (!flow)
		return XDP_DROP;
	bpf_spin_lock(&flow->lock);
	owns = peer_owns(flow, header) && flow->owner.state == FRONT_OPEN;
	if (owns) /* who asks has the flow */
		flow->owner.flags |= FRONT_CONFIRMED;
	bpf_spin_unlock(&flow->lock);
	if (!owns) {
		count(FRONT_COUNT_STALE);
		return XDP_DROP;
	}
	load = net32(header->load);
	work->asker = net16(header->sender);
	work->alone = load & 0xffff;
	if (header->flags & net16(BATON_FLAG_OVERLOAD))
		work->ask_flags = PLACE_OVERLOADED;
	place_hear(work->asker, load >> 16, net32(header->ts_clock));
	count(FRONT_COUNT_ASKS);
	node = work->asker;
	if (service_find(work, IPPROTO_TCP) &&
	    !load_text(ctx, work, at + work->segment.payload_at, work->segment.length))
		node = place_segment(work->segment.length);
	if (node <= 0)
		node = work->asker;
	node &= 0xffff;
	if (node == work->asker)
		count(FRONT_COUNT_ASKS_STAY);
	header->type = BATON_ANSWER;
	header->flags = 0;
	header->reason = work->reason;
	header->node = net16(node);
	header->ts_clock = 0;
	header->load = 0;
	if (send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	return send_wrapped(ctx, work->asker);
}

/* The entry, if it is still as `owner` says, has an owner that can't go on. */
INLINE void peer_lose(struct front_flow *flow, const struct front_owner *owner)
{
	bpf_spin_lock(&flow->lock);
	if (flow->owner_word == *(const __u64 *)owner)
		flow->owner.state = FRONT_LOST;
	bpf_spin_unlock(&flow->lock);
}

/* A segment came to a node that hasn't its flow. It goes to the owner; if the owner itself has
 * forgotten a flow that it had, nobody can go on with it. */
INLINE int peer_astray(struct xdp_md *ctx, struct front_work *work, const struct cluster *here,
		       struct front_flow *flow, __u32 room)
{
	struct front_owner owner = owner_of(owner_load(flow));
	__u32 now = tick_now();

	count(FRONT_COUNT_ASTRAY);
	if (owner.state == FRONT_LOST || flow_tombstone(&owner, now - flow->seen))
		goto drop;
	if (owner.node == net16(work->header.sender)) {
		if (work->header.flags & net16(BATON_FLAG_ELSEWHERE) &&
		    !before(net32(work->header.generation), owner.generation)) {
			/* The client's next segment asks where it is now. */
			peer_lose(flow, &owner);
			count(FRONT_COUNT_OUTDATED);
			goto drop;
		}
		if (owner.generation == net32(work->header.generation))
			goto drop; /* it remembers that the flow is over */
		if (owner.flags & FRONT_CONFIRMED) {
			peer_lose(flow, &owner);
			count(FRONT_COUNT_FORGOTTEN);
			goto drop;
		}
	}
	if (send_strip(ctx, work, room))
		return XDP_DROP;
	return flow_hand(ctx, work, here, flow, now, 0);
drop:
	count(FRONT_COUNT_ASTRAY_DROPPED);
	return XDP_DROP;
}

/* Instead of what the program has to return: a good RETURN, for peer_return; an answer to a
 * question, for ask_on; an ASK, for peer_ask; a dispatcher's answer, for peer_answer. */
enum { PEER_RETURNS = -3, PEER_HAS_NOT = -4, PEER_ASKS = -5, PEER_ANSWERS = -8 };

/* A UDP datagram to the cluster's port. `at` is where the Baton header begins in the frame,
 * `length` the datagram's payload. Returns what the program has to return, or one of the
 * above. */
SUBPROGRAM int peer_message(struct xdp_md *ctx, __u32 at, __u32 length)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct baton_header *header;
	struct front_flow *flow;
	__u32 room, now;
	int owns;

	if (!work || !here)
		return XDP_DROP;
	header = &work->header;
	if (message_open(ctx, work, here, at, length))
		return XDP_DROP;
	length -= sizeof(*header);
	if (header->type == BATON_ANSWER) {
		dispatcher_heard(net16(header->sender));
		if (work->segment.ip_length == length)
			return PEER_ANSWERS;
	}
	flow = bpf_map_lookup_elem(&flows, &work->segment.key);
	/* What has a question's number may know better than an entry that is here. */
	if (!flow || (header->load && header->type != BATON_ASK)) {
		if (header->type == BATON_HAS_NOT && work->segment.ip_length == length)
			return PEER_HAS_NOT;
		if (header->type == BATON_CONFIRM && ask_found(work))
			return XDP_DROP;
		if (header->type == BATON_RETURN && work->segment.ip_length == length &&
		    ask_found(work))
			return PEER_RETURNS;
	}
	if (!flow) {
		count(FRONT_COUNT_NO_FLOW);
		return XDP_DROP;
	}
	room = at + sizeof(*header) - ETHERNET_LENGTH;
	switch (header->type) {
	case BATON_RETURN:
		if (work->segment.ip_length != length)
			break;
		return PEER_RETURNS;
	case BATON_ASK:
		if (work->segment.ip_length != length)
			break;
		return PEER_ASKS;
	case BATON_ASTRAY:
		if (work->segment.ip_length != length)
			break;
		return peer_astray(ctx, work, here, flow, room);
	case BATON_CONFIRM:
		bpf_spin_lock(&flow->lock);
		owns = peer_owns(flow, header);
		if (owns) {
			flow->owner.flags |= FRONT_CONFIRMED;
			flow->have_seq = net32(header->ts_clock);
		}
		bpf_spin_unlock(&flow->lock);
		count(owns ? FRONT_COUNT_CONFIRMS : FRONT_COUNT_STALE);
		return XDP_DROP;
	case BATON_HAS_NOT:
		count(FRONT_COUNT_STALE);
		return XDP_DROP;
	case BATON_RELEASE:
		now = tick_now();
		bpf_spin_lock(&flow->lock);
		owns = peer_owns(flow, header);
		if (owns && flow->owner.state != FRONT_LOST) {
			flow->owner.state = FRONT_ENDED;
			flow->seen = now;
		}
		bpf_spin_unlock(&flow->lock);
		count(owns ? FRONT_COUNT_RELEASES : FRONT_COUNT_STALE);
		return XDP_DROP;
	}
	count(FRONT_COUNT_BAD_HEADER);
	return XDP_DROP;
}

/* A dispatcher's answer to the front. Returns what the program has to return; FLOW_BEGINS: the
 * connection begins as if its first data had come now, with work->answered; PEER_RETURNS: a
 * returned request goes on to who is named. `at` is where the inner packet begins in the frame. */
SUBPROGRAM int peer_answer(struct xdp_md *ctx, __u32 at)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct front_flow *flow;
	__u32 flags;

	if (!work || !here)
		return XDP_DROP;
	flags = work->header.flags;
	work->answered = net16(work->header.node) ?: ANSWERED_NOBODY;
	work->answer_reason = work->header.reason;
	if (flags & net16(BATON_FLAG_RETURNED)) {
		count(FRONT_COUNT_ANSWERS);
		work->header.sender = net16(net32(work->header.load));
		return PEER_RETURNS;
	}
	if (flags & net16(BATON_FLAG_LATER)) {
		flow = bpf_map_lookup_elem(&flows, &work->segment.key);
		if (!flow || owner_of(owner_load(flow)).state != FRONT_OPEN ||
		    !flow_plausible(flow, &work->segment) ||
		    send_strip(ctx, work, at - ETHERNET_LENGTH))
			return XDP_DROP;
		return flow_hand(ctx, work, here, flow, tick_now(), 1);
	}
	if (flags & net16(BATON_FLAG_TARGET)) {
		count(slow_answered(work) ? FRONT_COUNT_ANSWERS : FRONT_COUNT_ANSWERS_LATE);
		return XDP_DROP;
	}
	return question_answered(ctx, work, at);
}

#endif

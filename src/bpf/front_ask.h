/* Asking the nodes who has a flow that this front knows nothing of: it began with an empty table,
 * it took over from another front, or routers send it what went to another one before.
 *
 * One node after the other gets the segment under a WHO_HAS, so a stranger's segment makes one
 * packet at a time, not one for each node at once, and each answer HAS_NOT takes the segment on to
 * the next node: nothing is kept here but whose turn it is. The holder delivers the segment and
 * answers CONFIRM, of which the entry is made. Who let go of the flow at this very segment says so;
 * if nobody else has it (the RETURN was lost with the front), it is asked to return it again. When
 * nobody knows anything, a connection's first data begins it, and any other segment gets the RST
 * that a host without a socket would send; but not a bare acknowledgement of what can be a SYN-ACK
 * of ours. A node that doesn't answer, or can't be asked since its MAC isn't known yet, ends the
 * round: the client's next segment begins another one, elsewhere, until the node answers or counts
 * as down.
 */
#ifndef BATON_BPF_FRONT_ASK_H
#define BATON_BPF_FRONT_ASK_H

#include "bpf/front_flow.h"

/* 1 if one more segment of this client's may be asked for now. */
INLINE int ask_room(struct front_work *work, const struct cluster *here, __u32 now)
{
	struct front_asker fresh = {.tick = now, .count = 1}, *asker;

	if (work->ask_tick != now) {
		work->ask_tick = now;
		work->ask_count = 0;
	}
	if (work->ask_count >= here->ask_per_tick)
		return 0;
	asker = bpf_map_lookup_elem(&askers, &work->segment.key.client);
	if (!asker) {
		bpf_map_update_elem(&askers, &work->segment.key.client, &fresh, BPF_ANY);
	} else if (asker->tick != now) {
		asker->tick = now;
		asker->count = 1;
	} else if (asker->count >= here->ask_per_source) {
		return 0;
	} else {
		asker->count++;
	}
	work->ask_count++;
	return 1;
}

/* The next node behind the one that has the question, as work->question says; 0: all have been
 * asked. */
INLINE __u32 ask_next(struct front_work *work, const struct cluster *here)
{
	struct front_asked *question = &work->question;
	__u64 at = question->at, passed = question->passed, zero = scratch_zero(&work->packet);
	__u64 most = here->node_most;
	__u32 found = 0;

	while (passed < most) {
		const struct node_entry *node;
		__u32 id;

		LOOP_STEP(passed, zero);
		FORGET(at, zero);
		passed++;
		at = at >= most ? 1 : at + 1;
		id = at;
		node = node_entry(id);
		if (!node || !node_serves(node))
			continue;
		if (node->reachable) {
			found = id;
			break;
		}
		question->skipped = 1;
	}
	question->at = found;
	question->passed = passed;
	return found;
}

/* Sends the segment in hand to `node` with the question. */
INLINE int ask_send(struct xdp_md *ctx, struct front_work *work, __u32 node, __u32 flags)
{
	struct baton_header *header = &work->header;

	__builtin_memset(header, 0, sizeof(*header));
	header->type = BATON_WHO_HAS;
	header->flags = net16(flags);
	header->node = net16(node);
	header->generation = flags ? net32(work->question.left_generation) : 0;
	header->load = net32(work->question.number);
	return send_wrapped(ctx, node);
}

/* A segment of a flow that only a node may know, with work->service. Returns what the program has
 * to return. */
SUBPROGRAM int ask_begin(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct front_asked *question, *under_way;
	struct ethhdr *ethernet;
	void *data, *end;
	__u32 now, node;

	if (!work || !here)
		return XDP_DROP;
	now = tick_now();
	under_way = bpf_map_lookup_elem(&asked, &work->segment.key);
	if (under_way && now - under_way->tick < FRONT_ASK_TICKS)
		return XDP_DROP;
	if (!ask_room(work, here, now)) {
		count(FRONT_COUNT_ASKED_LIMITED);
		return XDP_DROP;
	}
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	question = &work->question;
	__builtin_memset(question, 0, sizeof(*question));
	question->tick = now;
	question->number = bpf_get_prandom_u32() | 1;
	question->ifindex = ctx->ingress_ifindex;
	__builtin_memcpy(question->mac, ethernet->h_source, 6);
	question->at = bpf_get_prandom_u32() % ((here->node_most & 0xffff) + 1);
	node = ask_next(work, here);
	count(FRONT_COUNT_ASKED);
	if (!node && question->skipped) {
		count(FRONT_COUNT_UNREACHABLE);
		return XDP_DROP;
	}
	if (!node) {
		count(FRONT_COUNT_NO_NODE);
		return answer_reset(ctx, work);
	}
	if (bpf_map_update_elem(&asked, &work->segment.key, question, BPF_ANY))
		return XDP_DROP;
	return ask_send(ctx, work, node, 0);
}

/* Copies the question that work->header is an answer to, from the node that has it, to
 * work->question. 0: it is none. */
INLINE int ask_answers(struct front_work *work)
{
	struct front_asked *question = bpf_map_lookup_elem(&asked, &work->segment.key);

	if (!question || question->number != net32(work->header.load) ||
	    question->at != net16(work->header.sender))
		return 0;
	work->question = *question;
	return 1;
}

/* 1 if a node let go of the flow at the segment in hand and may be asked for it again: who was to
 * get it is known not to have it. */
INLINE int ask_left(const struct front_work *work)
{
	const struct front_asked *question = &work->question;
	const struct node_entry *to = node_entry(question->left_to);

	return question->left_node && !question->returning &&
	       (!question->left_to || (to && node_serves(to)));
}

/* A node that has the question hasn't the flow. `at` is where the segment begins in the frame.
 * Returns what the program has to return, or FLOW_BEGINS. */
SUBPROGRAM int ask_on(struct xdp_md *ctx, __u32 at)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct front_asked *question;
	struct baton_header *header;
	struct ethhdr *ethernet;
	void *data, *end;
	__u32 node, generation;
	int action;

	if (!work || !here)
		return XDP_DROP;
	header = &work->header;
	if (!ask_answers(work) || !service_find(work, IPPROTO_TCP)) {
		count(FRONT_COUNT_STALE);
		return XDP_DROP;
	}
	question = &work->question;
	generation = net32(header->generation);
	if (generation && (!question->left_node || before(question->left_generation, generation))) {
		question->left_generation = generation;
		question->left_node = net16(header->sender);
		question->left_to = net16(header->node);
	}
	if (send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	node = question->returning ? 0 : ask_next(work, here);
	if (node) {
		bpf_map_update_elem(&asked, &work->segment.key, question, BPF_ANY);
		return ask_send(ctx, work, node, 0);
	}
	if (ask_left(work)) {
		question->returning = 1;
		question->at = question->left_node;
		bpf_map_update_elem(&asked, &work->segment.key, question, BPF_ANY);
		return ask_send(ctx, work, question->left_node, BATON_FLAG_REPEAT);
	}
	if (question->skipped) {
		count(FRONT_COUNT_UNREACHABLE);
		bpf_map_delete_elem(&asked, &work->segment.key);
		return XDP_DROP;
	}
	count(FRONT_COUNT_ASKED_NOBODY);
	bpf_map_delete_elem(&asked, &work->segment.key);
	/* As if it came from the client now. */
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, here->mac, 6);
	__builtin_memcpy(ethernet->h_source, question->mac, 6);
	switch (syn_first(ctx, work, &action)) {
	case 1:
		return FLOW_BEGINS;
	case -1:
		/* The first data may be lost, or be on its way still, behind an acknowledgement
		 * of the SYN-ACK's second coming. */
		action =
			!work->segment.length && !(work->segment.flags & TCP_FIN) && syn_may_begin()
				? XDP_DROP
				: answer_reset(ctx, work);
	}
	if (action == XDP_TX && question->ifindex && question->ifindex != ctx->ingress_ifindex)
		return bpf_redirect(question->ifindex, 0);
	return action;
}

/* A node's CONFIRM, or the RETURN that it was asked for, of a flow that isn't known here, or better
 * known there: makes the entry of it. 1: it is known now, and the sender is its owner. */
SUBPROGRAM int ask_found(struct front_work *work)
{
	const struct baton_header *header;
	const struct segment *segment;
	struct front_flow *flow, *known;

	if (!work)
		return 0;
	header = &work->header;
	if (!ask_answers(work) || !service_find(work, IPPROTO_TCP) ||
	    (header->type == BATON_RETURN &&
	     (!work->question.returning ||
	      work->question.left_generation != net32(header->generation))))
		return 0;
	segment = &work->segment;
	known = bpf_map_lookup_elem(&flows, &segment->key);
	if (known && before(net32(header->generation), owner_of(owner_load(known)).generation))
		return 0;
	flow = (struct front_flow *)work->fresh;
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->owner.generation = net32(header->generation);
	flow->owner.node = net16(header->sender);
	flow->owner.state = segment->flags & TCP_FIN ? FRONT_CLOSING : FRONT_OPEN;
	flow->owner.flags = FRONT_CONFIRMED | FRONT_LATER;
	if (header->flags & net16(BATON_FLAG_PINNED))
		flow->owner.flags |= FRONT_PINNED;
	if (work->service.forward == FORWARD_TUNNEL)
		flow->owner.flags |= FRONT_TUNNEL;
	flow->seen = tick_now();
	flow->since = flow->seen;
	flow->made = flow->seen;
	flow->last_seq = segment->seq + segment->length + !!(segment->flags & TCP_FIN);
	flow->last_ack = segment->ack;
	flow->first_seq = net32(header->seq);
	flow->first_ack = net32(header->ack);
	flow->handoff_seq = flow->first_seq;
	flow->handoff_ack = flow->first_ack;
	flow->mss = net16(header->mss);
	flow->snd_wscale = header->snd_wscale;
	flow->rcv_wscale = header->rcv_wscale;
	flow->options = header->options;
	flow->service = work->service.id;
	flow->handoffs = 1;
	/* An entry that is here is outdated, and goes. */
	if (bpf_map_update_elem(&flows, &segment->key, flow, known ? BPF_EXIST : BPF_NOEXIST))
		return 0;
	bpf_map_delete_elem(&asked, &segment->key);
	count(FRONT_COUNT_ASKED_FOUND);
	return 1;
}

#endif

/* The segments of a flow that has begun, and those of no flow that is known: which of the front's
 * ways each goes. */
#ifndef BATON_BPF_FRONT_FLOW_H
#define BATON_BPF_FRONT_FLOW_H

#include "bpf/front_begin.h"
#include "bpf/front_elsewhere.h"

/* The client's FIN or RST is in hand; the lock is held. */
INLINE void flow_close(struct front_flow *flow, const struct segment *segment)
{
	/* An RST out of place is the node's to judge (RFC 5961, 3.2), and changes nothing. */
	if (segment->flags & TCP_RST) {
		if (segment->seq == flow->last_seq)
			flow->owner.state = FRONT_ENDED;
	} else if (flow->owner.state == FRONT_OPEN && flow_plausible(flow, segment)) {
		flow->owner.state = FRONT_CLOSING;
	}
}

/* A segment of the client's of a flow whose owner isn't known to have it: goes to the owner under
 * the header of its handoff, until it is confirmed or has had time enough. `fresh`: it comes from
 * the client and has not been taken note of yet. */
INLINE int flow_hand(struct xdp_md *ctx, struct front_work *work, const struct cluster *here,
		     struct front_flow *flow, __u32 now, int fresh)
{
	const struct node_entry *node;
	__u32 owner;
	int bare;

	bpf_spin_lock(&flow->lock);
	if (fresh && work->segment.flags & (TCP_FIN | TCP_RST))
		flow_close(flow, &work->segment);
	if (before(flow->handoff_ack, work->segment.ack))
		flow->owner.flags |= FRONT_CONFIRMED; /* it has heard from the owner */
	bare = !(flow->owner.flags & FRONT_TUNNEL) &&
	       (flow->owner.flags & FRONT_CONFIRMED || now - flow->since > FRONT_HANDOFF_TICKS);
	owner = flow->owner.node;
	if (!bare)
		handoff_header(work, flow);
	bpf_spin_unlock(&flow->lock);
	if (fresh)
		flow_saw(flow, &work->segment, now);
	if (!bare)
		return send_wrapped(ctx, owner);
	node = node_entry(owner);
	if (!node)
		return XDP_DROP;
	count(FRONT_COUNT_BARE);
	return send_bare(ctx, here, node, owner);
}

/* Instead of what the program has to return: the segment is the first data of a connection, for
 * flow_begin; or of a flow that only a node may know, for ask_begin; or a request on a connection
 * of a dead node, for flow_revive; or for flow_follow. (Not called from here: the kernel bounds the
 * stack of all callers together.) */
enum {
	FLOW_BEGINS = -1,
	FLOW_ASKS = -2,
	FLOW_REVIVES = -5,
	FLOW_OPENS = -6,
	FLOW_FOLLOWS = -7,
};

/* A segment of a flow that the daemon keeps. Returns as flow_known does; or FLOW_OPENS: the daemon
 * went away after it had named the node, the flow is like any other. */
INLINE int flow_slow(struct xdp_md *ctx, struct front_work *work, struct front_flow *flow,
		     __u32 now)
{
	const struct segment *segment = &work->segment;
	struct front_owner owner;
	int action;

	if (slow_alive(now)) {
		flow_saw(flow, segment, now);
		return slow_keep(ctx);
	}
	bpf_spin_lock(&flow->lock);
	if (flow->owner.state == FRONT_SLOW) {
		if (flow->owner.flags & FRONT_ACKED)
			flow->owner.state = FRONT_LOST;
		else if (flow->owner.node)
			flow->owner.state = FRONT_OPEN;
	}
	owner = flow->owner;
	bpf_spin_unlock(&flow->lock);
	if (owner.state == FRONT_LOST)
		count(FRONT_COUNT_SLOW_LOST);
	if (owner.state != FRONT_SLOW)
		return FLOW_OPENS;
	/* Nothing of it is acknowledged and no node has heard of it: it begins again with the
	 * client's repeat of its first segment. */
	if (segment->seq != flow->first_seq || segment->ack != flow->first_ack ||
	    !segment->length || syn_first(ctx, work, &action) != 1 ||
	    !service_find(work, IPPROTO_TCP))
		return XDP_DROP;
	return FLOW_BEGINS;
}

/* A segment of the client's of a known flow. Returns what the program has to return, or
 * FLOW_BEGINS. */
SUBPROGRAM int flow_known(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	const struct node_entry *node;
	struct front_owner owner;
	struct segment *segment;
	struct front_flow *flow;
	int action, tombstone, first, other;
	__u32 now;

	if (!work || !here)
		return XDP_DROP;
	segment = &work->segment;
	flow = bpf_map_lookup_elem(&flows, &segment->key);
	if (!flow)
		return XDP_DROP;
	now = tick_now();
	owner = owner_of(owner_load(flow));
	tombstone = flow_tombstone(&owner, now - flow->seen);
	first = segment->seq == flow->first_seq && segment->ack == flow->first_ack;
	/* After a FIN the client's segments all begin behind it. */
	other = owner.state == FRONT_OPEN || owner.state == FRONT_SLOW
			? !flow_plausible(flow, segment)
			: segment->length || segment->seq != flow->last_seq;
	if (other && !first) {
		/* Perhaps a new connection from the same port. */
		switch (syn_first(ctx, work, &action)) {
		case 1:
			if (!service_find(work, IPPROTO_TCP))
				return XDP_DROP;
			return flow_older(work, here) ? FLOW_ASKS : FLOW_BEGINS;
		case 0:
			return action;
		}
		if (flow_follows(work, here))
			return FLOW_FOLLOWS;
		/* Or one from there that another front has begun. */
		if ((tombstone || owner.state == FRONT_OPEN) && owner.state != FRONT_LOST &&
		    segment->flags & TCP_ACK && !(segment->flags & TCP_RST) &&
		    flow_outdated(here, first))
			return service_find(work, IPPROTO_TCP) ? FLOW_ASKS : XDP_DROP;
	}
	if (tombstone && owner.state != FRONT_LOST) {
		count(FRONT_COUNT_REPLAYS);
		return XDP_DROP;
	}
	if (owner.state == FRONT_SLOW) {
		action = flow_slow(ctx, work, flow, now);
		if (action != FLOW_OPENS)
			return action;
		owner = owner_of(owner_load(flow));
	}
	node = node_entry(owner.node);
	if (owner.state == FRONT_LOST || !node || !node_serves(node)) {
		if (segment->length && !(segment->flags & (TCP_FIN | TCP_RST)) &&
		    segment->seq == flow->last_seq && segment->ack == flow->last_ack &&
		    flow_quiet(&segment->key, flow))
			return FLOW_REVIVES;
		/* Of a keepalive probe nothing is to be seen on a flow that may go on. */
		if (!segment->length && segment->flags == TCP_ACK &&
		    flow_quiet(&segment->key, flow))
			return XDP_DROP;
		if (flow_outdated(here, first))
			return service_find(work, IPPROTO_TCP) ? FLOW_ASKS : XDP_DROP;
		bpf_spin_lock(&flow->lock);
		if (flow->owner.node == owner.node)
			flow->owner.state = FRONT_LOST;
		bpf_spin_unlock(&flow->lock);
		count(FRONT_COUNT_RESETS);
		return answer_reset(ctx, work);
	}
	return flow_hand(ctx, work, here, flow, now, 1);
}

/* A request on a connection whose node is dead, but had nothing under way (flow_quiet): goes to
 * another one as if it had been returned. Returns what the program has to return. */
SUBPROGRAM int flow_revive(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct front_node_counters *counters;
	struct segment *segment;
	struct front_flow *flow;
	__u32 node, now, dead;
	int placed, owns;
	__u64 word;

	if (!work)
		return XDP_DROP;
	segment = &work->segment;
	flow = bpf_map_lookup_elem(&flows, &segment->key);
	if (!flow || !service_find(work, IPPROTO_TCP) || flow_load(ctx, work) ||
	    load_options(ctx, work))
		return XDP_DROP;
	word = owner_load(flow);
	dead = owner_of(word).node;
	placed = place_segment(segment->length);
	if (placed <= 0)
		return answer_reset(ctx, work);
	node = placed & 0xffff;
	now = tick_now();
	bpf_spin_lock(&flow->lock);
	owns = flow->owner_word == word && flow->last_seq == segment->seq;
	if (owns) {
		flow->owner.generation++;
		flow->owner.node = node;
		flow->owner.flags &= ~FRONT_CONFIRMED;
		flow->owner.flags |= FRONT_LATER | (placed & PLACED_PINNED ? FRONT_PINNED : 0);
		flow->since = now;
		flow->seen = now;
		flow->last_seq = segment->seq + segment->length;
		flow->handoff_seq = segment->seq;
		flow->handoff_ack = segment->ack;
		/* Nobody knows how far away the client is: as at a first handoff, an estimate that
		 * is too long heals. */
		flow->ts_clock = work->seen.tsecr + 333;
		flow->srtt = 0;
		flow->cwnd = 0;
		flow->reason = PLACE_REASON_DOWN;
		flow->handoffs++;
	}
	handoff_header(work, flow);
	bpf_spin_unlock(&flow->lock);
	if (!owns)
		return XDP_DROP;
	count(FRONT_COUNT_REVIVED);
	count(FRONT_COUNT_HANDOFFS_LATER);
	counters = node_counters(node);
	if (counters) {
		counters->later++;
		counters->reasons[PLACE_REASON_DOWN]++;
	}
	counters = node_counters(dead);
	if (counters)
		counters->away++;
	return send_wrapped(ctx, node);
}

/* A segment of no flow, to work->service. Returns as flow_known does, or FLOW_ASKS. */
INLINE int flow_unknown(struct xdp_md *ctx, struct front_work *work, const struct cluster *here)
{
	int action;

	switch (syn_first(ctx, work, &action)) {
	case 1:
		return flow_older(work, here) ? FLOW_ASKS : FLOW_BEGINS;
	case 0:
		return action;
	}
	if (flow_follows(work, here))
		return FLOW_FOLLOWS;
	if (work->segment.flags & TCP_ACK && !(work->segment.flags & TCP_RST) &&
	    syn_expired(work, tick_now())) {
		count(FRONT_COUNT_COOKIES_EXPIRED);
		return answer_reset(ctx, work);
	}
	count(FRONT_COUNT_COOKIES_BAD);
	return work->segment.flags & TCP_ACK && flow_may_be_elsewhere(work, here) ? FLOW_ASKS
										  : XDP_DROP;
}

#endif

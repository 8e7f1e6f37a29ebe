/* The life of a flow on the front.
 *
 * Many CPUs see segments of one flow: the client's come by one queue, its nodes' messages by
 * others. `owner` (generation, node, state, flags) is one word, so that one load tells where a
 * segment goes. Whoever changes it, or reads or changes what a handoff carries, holds the entry's
 * lock; no segment is ever sent under a header whose parts are of two owners. `seen`, `last_seq`
 * and `last_ack` belong to nobody: a lost update costs nothing.
 *
 * A generation is the cluster's time (67 ms) when the connection began, or one more than the last
 * one of its addresses and ports if that is later. So it rises even where an entry has been
 * forgotten, and a node can tell a late header of an older connection by it alone.
 */
#ifndef BATON_BPF_FRONT_FLOW_H
#define BATON_BPF_FRONT_FLOW_H

#include "bpf/front_elsewhere.h"
#include "bpf/front_question.h"
#include "bpf/front_slow.h"
#include "bpf/front_source.h"
#include "bpf/front_syn.h"

INLINE __u64 owner_load(const struct front_flow *flow)
{
	return *(const volatile __u64 *)&flow->owner_word;
}

INLINE struct front_owner owner_of(__u64 word)
{
	union {
		__u64 word;
		struct front_owner owner;
	} both = {.word = word};

	return both.owner;
}

/* 1 if nothing of the flow is alive any more: what is left of it keeps replays out. */
INLINE int flow_tombstone(const struct front_owner *owner, __u32 idle)
{
	return ((owner->state == FRONT_ENDED || owner->state == FRONT_LOST) &&
		idle > FRONT_ENDED_TICKS) ||
	       (owner->state == FRONT_CLOSING && idle > FRONT_FIN_TICKS);
}

/* 1 if the segment lies where the flow's next one may: 16 MB around what the client sent and
 * acknowledged last, more than that forward. A port that is used again is far from there. */
INLINE int flow_plausible(const struct front_flow *flow, const struct segment *segment)
{
	return segment->seq - flow->last_seq + (1u << 24) < 1u << 25 &&
	       segment->ack - flow->last_ack + (1u << 24) < 1u << 29;
}

/* 1 if the flow's owner had nothing under way where the client now is, by its last checkpoint and
 * by all that has gone to it since. */
INLINE int flow_quiet(const struct flow_key *key, const struct front_flow *flow)
{
	const struct front_checkpoint *point = bpf_map_lookup_elem(&checkpoints, key);
	struct front_owner owner = owner_of(owner_load(flow));

	return point && owner.state == FRONT_OPEN && !(owner.flags & FRONT_PINNED) &&
	       point->node == owner.node && point->generation == owner.generation &&
	       point->seq == flow->last_seq && point->ack == flow->last_ack;
}

/* Takes note of a segment of the client's that goes on to the owner. */
INLINE void flow_saw(struct front_flow *flow, const struct segment *segment, __u32 now)
{
	__u32 end = segment->seq + segment->length + !!(segment->flags & TCP_FIN);

	flow->seen = now;
	if (before(flow->last_seq, end))
		flow->last_seq = end;
	if (before(flow->last_ack, segment->ack))
		flow->last_ack = segment->ack;
}

/* Fills work->fresh for the connection that begins with the segment in hand and goes to `node`. */
INLINE void flow_fill(struct front_work *work, const struct cluster *here, __u32 node, int pinned,
		      __u32 now)
{
	const struct segment *segment = &work->segment;
	const struct tcp_options *offered = &work->offered;
	struct front_flow *flow = (struct front_flow *)work->fresh;
	__u64 time = frame_now(work, here);

	__builtin_memset(flow, 0, sizeof(*flow));
	flow->owner.generation = time >> BATON_TIME_SHIFT;
	flow->owner.node = node;
	flow->owner.state = segment->flags & TCP_FIN ? FRONT_CLOSING : FRONT_OPEN;
	if (pinned)
		flow->owner.flags |= FRONT_PINNED;
	if (work->service.forward == FORWARD_TUNNEL)
		flow->owner.flags |= FRONT_TUNNEL;
	flow->seen = now;
	flow->since = now;
	flow->made = now;
	flow->last_seq = segment->seq + segment->length + !!(segment->flags & TCP_FIN);
	flow->last_ack = segment->ack;
	flow->first_seq = segment->seq;
	flow->first_ack = segment->ack;
	flow->handoff_seq = segment->seq;
	flow->handoff_ack = segment->ack;
	flow->mss = offered->mss;
	flow->snd_wscale = offered->wscale;
	flow->rcv_wscale = work->service.rcv_wscale;
	if (offered->seen & TCP_OPTION_SACK)
		flow->options |= BATON_OPTION_SACK;
	if (offered->seen & TCP_OPTION_WSCALE)
		flow->options |= BATON_OPTION_WSCALE;
	if (offered->seen & TCP_OPTION_TIMESTAMPS) {
		/* The node's socket takes its first round trip from this clock to the client's
		 * echo. An estimate that is too long heals, one that is too short poisons BBR's
		 * minimum; the client may have waited before it asked, so there is an end to it. */
		__u32 waited = clock_ms(time) - offered->tsecr;

		flow->options |= BATON_OPTION_TIMESTAMPS;
		flow->ts_clock = offered->tsecr + (waited < 333 ? waited : 333);
	}
	flow->reason = work->reason;
	flow->service = work->service.id;
	flow->handoffs = 1;
}

INLINE void flow_count_first(const struct front_work *work, __u32 node)
{
	struct front_service_counters *service = service_counters(work->service.id);
	struct front_node_counters *counters = node_counters(node);

	count(FRONT_COUNT_HANDOFFS_FIRST);
	if (service)
		service->handoffs_first++;
	if (counters) {
		counters->first++;
		counters->reasons[work->reason & 15]++;
	}
}

/* Loads the segment in hand, which is to be placed, if its checksum is right. Returns 0, or -1 with
 * the reason counted. */
INLINE int flow_load(struct xdp_md *ctx, struct front_work *work)
{
	const struct segment *segment = &work->segment;
	__u32 length = segment->ip_length - segment->tcp_at;
	__u64 pseudo;

	if (load_packet(ctx, work, ETHERNET_LENGTH, segment->ip_length) ||
	    load_text(ctx, work, ETHERNET_LENGTH + segment->payload_at, segment->length)) {
		count(FRONT_COUNT_TOO_LONG);
		return -1;
	}
	if (segment->protocol == 4)
		pseudo = checksum_pseudo4(segment->key.client.words[3], segment->key.vip.words[3],
					  IPPROTO_TCP, length);
	else
		pseudo = checksum_pseudo6(segment->key.client.words, segment->key.vip.words,
					  IPPROTO_TCP, length);
	if (!checksum_good(&work->packet, segment->tcp_at, length, pseudo)) {
		count(FRONT_COUNT_BAD_CHECKSUM);
		return -1;
	}
	return 0;
}

/* The first data of a connection, its cookie found good and work->offered filled: places it, makes
 * or takes over the entry, and sends it. Returns what the program has to return. */
SUBPROGRAM int flow_begin(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct segment *segment;
	struct front_flow *flow, *fresh;
	__u32 now, node;
	int placed, error, slow, taken;
	__u64 word;

	if (!work || !here)
		return XDP_DROP;
	segment = &work->segment;
	fresh = (struct front_flow *)work->fresh;
	now = tick_now();
	if (flow_load(ctx, work))
		return XDP_DROP;
	if (source_denied(work))
		return XDP_DROP;
	work->may_ask = here->dispatcher_count ? flow_may_ask(now) : ASK_ONCE;
	if (work->may_ask == ASK_WAIT)
		return XDP_DROP;
	/* What was asked about has been counted then. */
	if (work->may_ask == ASK_ONCE && !work->answered && work->service.flags & SERVICE_LIMITED &&
	    source_exceeds(work))
		return answer_reset(ctx, work);
	slow = slow_alive(now);
	work->may_wait = slow && slow_room();
	placed = place_segment(segment->length);
	if (placed == -EINPROGRESS)
		return flow_ask(ctx);
	if (work->may_ask == ASK_AGAIN)
		bpf_map_delete_elem(&questions, &segment->key);
	if (placed <= 0 && !work->may_wait) {
		count(FRONT_COUNT_NO_NODE);
		/* An answer's frame has no way back to the client. */
		return work->answered ? XDP_DROP : answer_reset(ctx, work);
	}
	if (placed > 0 && placed & PLACED_SPLIT)
		count(slow ? FRONT_COUNT_SLOW_FULL : FRONT_COUNT_SLOW_AWAY);
	/* The daemon waits for the rest, or says to the client that nobody is there. */
	slow = placed <= 0;
	node = slow ? 0 : placed & 0xffff;
	flow_fill(work, here, node, placed & PLACED_PINNED, now);
	if (slow) {
		fresh->owner.state = FRONT_SLOW;
		fresh->owner.flags &= ~FRONT_PINNED;
	}
	/* A client uses its ports again and again: more often than not there is an entry. */
	error = 0;
	flow = bpf_map_lookup_elem(&flows, &segment->key);
	if (!flow) {
		error = bpf_map_update_elem(&flows, &segment->key, fresh, BPF_NOEXIST);
		if (error == -EEXIST) {
			error = 0;
			flow = bpf_map_lookup_elem(&flows, &segment->key);
			if (!flow)
				return XDP_DROP;
		}
	}
	if (flow) {
		bpf_spin_lock(&flow->lock);
		word = flow->owner_word;
		/* One that the daemon kept and nothing is known of elsewhere may be begun anew. */
		taken = flow->owner.state != FRONT_SLOW || flow->owner.node ||
			flow->owner.flags & FRONT_ACKED || slow;
		if (flow->first_seq == fresh->first_seq && flow->first_ack == fresh->first_ack &&
		    taken) {
			/* Another CPU had the same segment. */
			bpf_spin_unlock(&flow->lock);
			return XDP_DROP;
		}
		if (before(fresh->owner.generation, owner_of(word).generation + 1))
			fresh->owner.generation = owner_of(word).generation + 1;
		flow->owner_word = fresh->owner_word;
		flow->seen = fresh->seen;
		flow->last_seq = fresh->last_seq;
		flow->last_ack = fresh->last_ack;
		flow->since = fresh->since;
		flow->made = fresh->made;
		flow->first_seq = fresh->first_seq;
		flow->first_ack = fresh->first_ack;
		flow->handoff_seq = fresh->handoff_seq;
		flow->handoff_ack = fresh->handoff_ack;
		flow->ts_clock = fresh->ts_clock;
		flow->srtt = 0;
		flow->cwnd = 0;
		flow->mss = fresh->mss;
		flow->snd_wscale = fresh->snd_wscale;
		flow->rcv_wscale = fresh->rcv_wscale;
		flow->options = fresh->options;
		flow->reason = fresh->reason;
		flow->service = fresh->service;
		flow->handoffs = 1;
		flow->have_seq = 0;
		bpf_spin_unlock(&flow->lock);
	} else if (error) {
		count(FRONT_COUNT_FLOWS_FULL);
		return XDP_DROP;
	}
	if (slow) {
		count(FRONT_COUNT_SLOW_FLOWS);
		return slow_keep(ctx);
	}
	flow_count_first(work, node);
	handoff_header(work, fresh);
	return send_wrapped(ctx, node);
}

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

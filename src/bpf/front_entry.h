/* What a flow's entry says: who has the flow, and whether it is over.
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
#ifndef BATON_BPF_FRONT_ENTRY_H
#define BATON_BPF_FRONT_ENTRY_H

#include "bpf/front_maps.h"

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

#endif

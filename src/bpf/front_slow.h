/* Flows whose first request isn't whole yet: their segments go to the daemon (wire/slow.h).
 *
 * A ring buffer carries them, since it needs no queue of its own on the device, works alike under
 * the driver's XDP and the kernel's generic one, and outlives the daemon. It is bounded: what finds
 * no room is dropped, counted, and sent again by the client. */
#ifndef BATON_BPF_FRONT_SLOW_H
#define BATON_BPF_FRONT_SLOW_H

#include "bpf/front_maps.h"
#include "bpf/front_place.h"

INLINE const struct slow_control *slow_control_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&slow_control, &zero);
}

/* 1 while the daemon gives signs of life. */
INLINE int slow_alive(__u32 now)
{
	const struct slow_control *control = slow_control_here();
	__u32 heard = control ? control->heard : 0;

	return heard && (__s32)(now - heard) < (__s32)SLOW_AWAY_TICKS;
}

/* 1 if a connection that begins may be given to the daemon; else counts why not, if it would have
 * been. */
INLINE int slow_room(void)
{
	const struct slow_control *control = slow_control_here();

	return control && control->room;
}

/* Gives the segment in hand, of the flow in its entry, to the daemon. Returns what the program has
 * to return. */
SUBPROGRAM int slow_keep(struct xdp_md *ctx)
{
	struct front_work *work = work_area();
	const struct front_flow *flow;
	struct slow_segment *head;
	__u32 length;

	if (!work)
		return XDP_DROP;
	flow = bpf_map_lookup_elem(&flows, &work->segment.key);
	if (!flow)
		return XDP_DROP;
	/* What is behind the packet (padding of short frames) does not count. */
	length = ETHERNET_LENGTH + work->segment.ip_length;
	if (length > SLOW_FRAME_MAX) {
		count(FRONT_COUNT_TOO_LONG);
		return XDP_DROP;
	}
	asm volatile("" : "+r"(length));
	length &= 2 * SLOW_FRAME_MAX - 1;
	if (!length || length > SLOW_FRAME_MAX ||
	    bpf_xdp_load_bytes(ctx, 0, work->slow.frame.bytes, length))
		return XDP_DROP;
	head = &work->slow.head;
	head->key = work->segment.key;
	head->generation = flow->owner.generation;
	head->first_seq = flow->first_seq;
	head->first_ack = flow->first_ack;
	head->service = flow->service;
	head->length = length;
	head->node = flow->owner.node;
	head->flags = flow->owner.flags;
	head->protocol = work->segment.protocol;
	if (bpf_ringbuf_output(&slow_segments, &work->slow, sizeof(*head) + length, 0))
		count(FRONT_COUNT_SLOW_DROPPED);
	else
		count(FRONT_COUNT_SLOW_SEGMENTS);
	return XDP_DROP;
}

/* Tells the daemon what a dispatcher has answered, work->answered, about a flow that it keeps. 0:
 * that is not waited for any more. */
INLINE int slow_answered(struct front_work *work)
{
	const struct front_flow *flow = bpf_map_lookup_elem(&flows, &work->segment.key);
	struct slow_segment *head = &work->slow.head;

	if (!flow || flow->owner.state != FRONT_SLOW || flow->owner.node ||
	    flow->owner.generation != net32(work->header.generation))
		return 0;
	__builtin_memset(head, 0, sizeof(*head));
	head->key = work->segment.key;
	head->generation = flow->owner.generation;
	head->node = work->answered;
	head->reason = work->answer_reason;
	if (bpf_ringbuf_output(&slow_segments, head, sizeof(*head), 0))
		count(FRONT_COUNT_SLOW_DROPPED);
	return 1;
}

#endif

/* The slow path: what the front's program and its daemon say to each other about connections whose
 * first request is not whole in one segment.
 *
 *	program -> daemon   ring buffer `slow_segments`: each segment of such a flow, in order, and
 *			    what a dispatcher elsewhere has answered about it
 *	daemon -> program   map `slow_control`: signs of life and whether there is room
 *	                    program `front_slow` (BPF_PROG_TEST_RUN): an order, and for SLOW_SEND
 *			    and SLOW_ASK a frame behind it
 *
 * The flow's entry is FRONT_SLOW meanwhile (wire/front.h). Every order names the generation that it
 * is about: one that comes too late changes nothing.
 */
#ifndef BATON_WIRE_SLOW_H
#define BATON_WIRE_SLOW_H

#include "wire/front.h"

enum {
	SLOW_RING_BYTES = 4 << 20, /* of `slow_segments`; about 2,600 whole segments */
	SLOW_FRAME_MAX = 2048,	   /* longer ones are refused, as all that can't be wrapped are */
};

/* A daemon that has not been heard of for so long is taken to be away. */
#define SLOW_AWAY_TICKS FRONT_TICKS(5)

/* An entry that is still FRONT_SLOW so long after it was made belongs to nobody: longer than any
 * configuration lets a head take (CONFIG_SLOW_TIME_MOST_S) and then be answered. */
#define SLOW_LIFE_TICKS FRONT_TICKS(150)

enum { ANSWERED_NOBODY = 0xffff }; /* not a node's id: the dispatcher knows of none that is up */

/* Map `slow_control`: ARRAY of one, written by the daemon. */
struct slow_control {
	__u32 heard; /* tick of its last sign of life; 0: it is away */
	__u32 room;  /* 0: no further flow is kept */
};
WIRE_SIZE(struct slow_control, 8);

/* A record of `slow_segments`: this, and the frame from its Ethernet header on; or without a frame
 * a dispatcher's answer, of which `node` and `reason` are what it says. */
struct slow_segment {
	struct flow_key key;
	__u32 generation;
	__u32 first_seq, first_ack; /* as in the flow's entry */
	__u16 service;
	__u16 length;  /* of the frame; 0: an answer */
	__u16 node;    /* not 0: it has been placed already */
	__u8 flags;    /* enum front_flow_flags */
	__u8 protocol; /* IP version: 4 or 6 */
	__u8 reason;   /* of an answer: enum place_reason */
	__u8 zero[3];
};
WIRE_SIZE(struct slow_segment, 60);

enum slow_action {
	SLOW_PLACE = 1, /* choose the node: `fallback`, and by SLOW_BY_TARGET the hashes, say how */
	SLOW_SEND = 2,	/* the frame behind the order goes to the flow's node as a handoff: what
			 * comes out is the wrapped frame, or nothing (XDP_DROP) */
	SLOW_OPEN = 3,	/* all that was kept is sent: the flow is like any other from now on */
	SLOW_ACKED = 4, /* bytes will be acknowledged that the client won't send again */
	SLOW_END = 5,	/* the flow is over, no node has had it */
	SLOW_LOSE = 6,	/* what was acknowledged can't be delivered: reset it */
	SLOW_COUNT = 7, /* only count */
	SLOW_KILL = 8,	/* of a flow in any state: its owner has reset it; whatever comes of it yet
			 * gets an RST */
	SLOW_ASK = 9,	/* the frame behind the order, a segment that carries a struct baton_target,
			 * goes to `dispatcher` as a question; what comes out is as for SLOW_SEND */
};

enum slow_flags {
	SLOW_BY_TARGET = 1, /* pool, target, carp, md5 are set */
	SLOW_PINNED = 2,
	SLOW_CLOSING = 4,     /* SLOW_OPEN: the client's FIN was among what was sent */
	SLOW_MAY_ASK = 8,     /* SLOW_PLACE: there is time to ask a dispatcher elsewhere */
	SLOW_UNANSWERED = 16, /* SLOW_PLACE: it was asked, and no answer has come */
};

struct slow_order {
	struct flow_key key;
	__u32 generation;
	__u64 target;
	__u32 carp, md5;
	__u16 action;	/* enum slow_action */
	__u16 flags;	/* enum slow_flags */
	__u16 fallback; /* SLOW_PLACE: its counter (enum front_counter), 0 none */
	__u16 count;	/* counter that goes up if the order is carried out; 0 none */
	__u16 service;
	__u16 node;	/* out, SLOW_PLACE: who it is */
	__u32 ifindex;	/* out, SLOW_PLACE: the device towards it; 0 the front's own */
	__s32 result;	/* out: 0; -ESTALE: the flow is not that any more; -ENOENT: no node is up;
			 * -EINPROGRESS: `dispatcher`, by `ifindex`, is to be asked about what target,
			 * carp, md5 and pool now say */
	__u32 pool;	/* SLOW_BY_TARGET: the one that the service's rules name, or its own */
	__u16 answered; /* SLOW_PLACE: the node that the dispatcher has named */
	__u8 answer_reason; /* the same: enum place_reason */
	__u8 dispatcher;    /* its number */
	__u32 zero;
};
WIRE_SIZE(struct slow_order, 88);

#endif

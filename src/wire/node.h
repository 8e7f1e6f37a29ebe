/* What a node remembers of a flow, and what its programs tell the node's daemon.
 *
 * Map `held`: HASH of struct flow_key -> struct held. The programs make and change entries, the
 * daemon takes them out again (see `seen_s`). An entry outlives the connection, so that a late
 * segment or a replayed header can't make a second one of it.
 */
#ifndef BATON_WIRE_NODE_H
#define BATON_WIRE_NODE_H

#include "wire/address.h"

enum {
	HELD_MAX = 262144, /* default size of `held`; the daemon may change it before loading */
	HELD_RESPONSE_WORDS = 9,
	HELD_BODY_WORDS = 2,
};

/* The lower half of `owner`; the upper half is the generation. Changed by compare-and-swap only. */
enum held_state {
	HELD_OPEN = 1,	/* the flow is here: its socket may speak */
	HELD_MUTED = 2, /* being moved or being built: nobody speaks, nobody else may change it */
	HELD_LEFT = 3,	/* given back to the front at `moved_seq` */
	HELD_OVER = 4,	/* reset, or both sides have closed */
};

/* Set and cleared by atomic operations: both directions of a flow do. */
enum held_flags {
	HELD_SPOKEN = 1, /* its socket has sent something */
	HELD_CLIENT_FIN = 2,
	HELD_SERVER_FIN = 4,
	HELD_PINNED = 8,   /* not to be moved any more; `pin` says why */
	HELD_READING = 16, /* a CPU is following the request stream */
	HELD_FIRST = 32,   /* it came with the connection's first handoff */
	HELD_ASKING = 64,  /* the dispatcher is asked about the request at `moved_seq` */
};

/* Why a flow was pinned: counted by the programs, shown by flows. */
#define PIN_REASONS(X)                                                                             \
	X(NONE, "none")                                                                            \
	X(ASKED, "front")	   /* the handoff said so */                                       \
	X(KIND, "protocol")	   /* the service's protocol has no requests to follow */          \
	X(FRAMING, "framing")	   /* a request that isn't understood */                           \
	X(SPLIT, "split head")	   /* a request head cut where it can't be followed */             \
	X(GAP, "gap")		   /* bytes were not seen in order */                              \
	X(UPGRADE, "upgrade")	   /* Upgrade or CONNECT */                                        \
	X(LOGIN, "login")	   /* authentication bound to the connection */                    \
	X(PIPELINE, "pipeline")	   /* more requests under way than are followed */                 \
	X(RESPONSE, "response")	   /* a response that isn't understood, or answers nothing */      \
	X(CLOSE, "close")	   /* the connection ends with the response */                     \
	X(EARLY, "early response") /* answered before the request's body had ended */

#define X(name, text) PIN_##name,
enum pin_reason { PIN_REASONS(X) PIN_REASON_COUNT };
#undef X

struct held {
	__u64 owner; /* generation << 32 | enum held_state */
	__u32 flags; /* enum held_flags */
	__u32 service;
	__u32 first_seq, first_ack; /* where this ownership began: client's and server's */
	__u32 request_seq;	    /* client bytes before it have been followed */
	__u32 response_seq;	    /* server bytes before it have been followed */
	__u32 moved_seq, moved_ack; /* HELD_LEFT: where the next owner begins; HELD_ASKING */
	__u32 ts_clock;		    /* what the handoff, or the return, carried */
	__u32 srtt;		    /* us */
	__u16 cwnd, mss;
	__u8 snd_wscale, rcv_wscale;
	__u8 options; /* enum baton_options */
	__u8 pin;     /* enum pin_reason */
	__u16 node;   /* HELD_LEFT: to whom; 0 the front was to choose */
	__u8 front;   /* which one handed over */
	__u8 reason;  /* enum place_reason: why it came here; HELD_LEFT: why it left */
	__u32 seen_s; /* CLOCK_MONOTONIC in seconds of the last segment in either direction */
	__u32 since_s;
	__u32 told_ms;	    /* CLOCK_MONOTONIC in ms of the last CONFIRM or repeated RETURN */
	__u32 requests;	    /* heads seen at ingress */
	__u32 responses;    /* whole ones seen at egress */
	__u32 received_seq; /* the end of the last client bytes that came */
	__u32 pool;	    /* as `target`, and of it */
	__u64 bytes_out;    /* payload towards the client, repeats left out */
	__u64 asked_ns; /* when the request in hand came, CLOCK_MONOTONIC; 0: none, or several */
	__u64 first_ns; /* when the first byte of the response in hand went; 0: not yet */
	__u64 body[HELD_BODY_WORDS];
	__u64 response[HELD_RESPONSE_WORDS];
	__u64 target;	 /* of the request at hand, where its policy is a central one */
	__u32 published; /* of the last checkpoint: see node_quiet */
	__u32 zero;
};
WIRE_SIZE(struct held, 216);
WIRE_OFFSET(struct held, request_seq, 24);
WIRE_OFFSET(struct held, cwnd, 48);
WIRE_OFFSET(struct held, bytes_out, 88);

/* Map `node_load`: ARRAY of one, mmapable. What the node tells the dispatcher of itself. */
struct node_load {
	__s64 in_service; /* requests read whose response has not ended, atomically */
	__u64 received;	  /* requests that a decider elsewhere gave to this node, atomically */
};
WIRE_SIZE(struct node_load, 16);

/* Ring buffer `parked`: a wrapped segment whose way is barred by a socket that is not gone yet. The
 * daemon runs `node_unpark` (BPF_PROG_TEST_RUN, the frame as data, `ifindex` as ctx.ifindex) with
 * it after PARK_US, and so again until the segment is too old to be taken. */
#define PARK_US	       200
#define PARK_FRAME_MAX 2048
#define PARK_BOUNCES   8 /* so many times at once before a segment is parked */

struct parked {
	__u32 ifindex;
	__u32 length;
	__u8 frame[PARK_FRAME_MAX];
};

/* A moment at which nothing of a flow was under way: every request that came has been answered
 * whole. The client's next segment begins at `seq`, and acknowledges `ack` once it has all of the
 * answers. Nodes tell the front, which needs it when the node is dead (struct front_checkpoint). */
struct checkpoint {
	struct flow_key key;
	__u32 generation, seq, ack;
};
WIRE_SIZE(struct checkpoint, 48);

/* `node_quiet` (BPF_PROG_TEST_RUN, this as context): writes the checkpoints that have not been told
 * yet into the ring buffer `quiet`. Another `salt` makes it tell all of them again: the front is
 * another one. `left`: there was no room for all, and the rest is to be asked for again. */
struct node_quiet {
	__u32 salt;
	__u32 told, left;
	__u32 zero;
};
WIRE_SIZE(struct node_quiet, 16);

/* `node_check` (BPF_PROG_TEST_RUN): data is 14 bytes of any Ethernet header with the protocol of
 * the flow's IP version and a struct flow_key; its answer is one of these or, if positive, the
 * state of the socket that has the flow (TCP_ESTABLISHED is 1). */
enum node_check_answer { NODE_CHECK_BAD = -1, NODE_CHECK_NONE = 0 };

#endif

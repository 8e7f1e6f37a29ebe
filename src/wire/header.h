/* The Baton header: how a client's segment travels between front, nodes and dispatcher.
 *
 *	outer Ethernet | outer IPv4 or IPv6 | UDP (port of the configuration) | struct baton_header
 *| the client's own IP packet, untouched
 *
 * docs/protocol.md tells the same byte by byte and says who sends what when. All fields are in
 *network byte order. The MAC covers the header up to the MAC itself and the whole inner packet.
 */
#ifndef BATON_WIRE_HEADER_H
#define BATON_WIRE_HEADER_H

#include "wire/types.h"

#define BATON_MAGIC	   0x4274 /* "Bt" */
#define BATON_VERSION_WIRE 1
#define BATON_PORT	   7700 /* default of the configuration */

enum baton_type {
	/* Front -> node. The flow belongs to `node` in `generation`; whoever receives it and has no
	 * socket builds one from the inner segment if its sequence number is `seq`. Repeated for
	 * every client segment until the front knows that the node has the flow; a repeat is
	 * nothing new. */
	BATON_HANDOFF = 1,
	/* Node -> front. The inner segment begins a request that belongs to `node` (0: the front is
	 * to choose); the sender was the owner in `generation`, was quiet, and has let go. */
	BATON_RETURN = 2,
	/* Node -> front. The sender holds the flow in `generation`: the front need not wrap its
	 * segments any more. The inner packet is the segment's headers without payload. */
	BATON_CONFIRM = 3,
	/* Node -> front. A bare segment reached a node that doesn't hold its flow: `generation` is
	 * what the sender remembers, 0 nothing. The front sends it where it belongs, or drops it.
	 */
	BATON_ASTRAY = 4,
	/* Node -> dispatcher and back, with the request's segment both ways: who should serve it?
	 * The asker stays the owner; `node` of the answer is itself (it goes on as if the segment
	 * had just come) or another (it gives the flow to that one by BATON_RETURN). A front asks a
	 * dispatcher on a host of its own the same, and says by a flag what about. */
	BATON_ASK = 5,
	BATON_ANSWER = 6,
	/* Front -> node, when it knows nothing of a flow: one node after the other is asked. The
	 * holder takes the segment and answers BATON_CONFIRM; any other BATON_HAS_NOT. With
	 * BATON_FLAG_REPEAT: the node let go of it in `generation` and nobody has got it, so the
	 * node is to return it once more. `load` is the question's number, in answers too. */
	BATON_WHO_HAS = 7,
	/* Node -> front. The flow is over on `node` in `generation` (both sides closed, or reset).
	 */
	BATON_RELEASE = 8,
	/* Node -> front. The answer of a node that hasn't the flow, with the segment as it came.
	 * `generation` if the node let go of the flow at this very segment, and to whom (`node`);
	 * else 0. */
	BATON_HAS_NOT = 9,
};

enum baton_flags {
	BATON_FLAG_FIRST = 1,	  /* the first handoff of a connection */
	BATON_FLAG_PINNED = 2,	  /* the receiver must not move the flow any more */
	BATON_FLAG_REPEAT = 4,	  /* the sender had sent this before */
	BATON_FLAG_ALONE = 8,	  /* decided by the node itself (DS: hot and already its own) */
	BATON_FLAG_OVERLOAD = 16, /* the asker is over its limit */
	/* A front's question, besides BATON_FLAG_FIRST; the answer has the same flag. */
	BATON_FLAG_LATER = 32, /* no question: it follows one, and comes back behind the answer */
	BATON_FLAG_RETURNED =
		64, /* about what a node has returned undecided; `load` is that node */
	/* ASTRAY: the flow has moved on through another front than the one that this goes to. */
	BATON_FLAG_ELSEWHERE = 128,
	/* A front's question about a first request that is not whole in one segment: the inner one
	 * is of the front's making, its payload a struct baton_target. */
	BATON_FLAG_TARGET = 256,
};

/* One of these is in each question of a front's, and in its answer. */
#define BATON_FLAGS_FRONT (BATON_FLAG_FIRST | BATON_FLAG_LATER | BATON_FLAG_RETURNED)

/* TCP options both ends agreed on. */
enum baton_options {
	BATON_OPTION_TIMESTAMPS = 1,
	BATON_OPTION_SACK = 2,
	BATON_OPTION_WSCALE = 4,
	BATON_OPTION_ECN = 8,
};

struct baton_header {
	__be16 magic;
	__u8 version;
	__u8 type;	   /* enum baton_type */
	__be16 flags;	   /* enum baton_flags */
	__u8 epoch;	   /* which of the two keys made the MAC: 0 or 1 */
	__u8 reason;	   /* enum place_reason: why `node` (counted, traced) */
	__be16 node;	   /* the node it is about, see the types; ids begin at 1 */
	__be16 sender;	   /* node id of the sender; BATON_FRONT or BATON_DISPATCHER */
	__be32 generation; /* of the flow's ownership; compared by serial arithmetic */
	__be32 time;	   /* cluster time when sent, in units of 2^26 ns (67 ms) */
	__be32 seq;	   /* the client's sequence number at which this ownership begins */
	__be32 ack;	   /* the server's sequence number at which it begins */
	__be32 ts_clock;   /* timestamp clock (ms) from which the new socket's own goes on */
	__be32 srtt;	   /* smoothed round trip in us; 0 unknown */
	__be16 cwnd;	   /* congestion window in segments; 0 unknown */
	__be16 mss;	   /* the client's MSS */
	__u8 snd_wscale;   /* the client's window scale: what the server shifts by */
	__u8 rcv_wscale;   /* the window scale that the SYN-ACK announced */
	__u8 options;	   /* enum baton_options */
	__u8 protocol;	   /* of the inner packet: 4 or 6, the IP version */
	__be32 load; /* asks: the sender's requests in service << 16 | how many for this target it
		      * decided alone; ts_clock is then how many it has received in all */
	__be64 mac;  /* SipHash-2-4 under the cluster key of bytes 0..47 and the inner packet */
} __attribute__((packed));
WIRE_SIZE(struct baton_header, 56);
WIRE_OFFSET(struct baton_header, node, 8);
WIRE_OFFSET(struct baton_header, generation, 12);
WIRE_OFFSET(struct baton_header, seq, 20);
WIRE_OFFSET(struct baton_header, ts_clock, 28);
WIRE_OFFSET(struct baton_header, cwnd, 36);
WIRE_OFFSET(struct baton_header, options, 42);
WIRE_OFFSET(struct baton_header, mac, 48);

/* What a front has read of a request that goes to a dispatcher without it. In network byte order.
 */
struct baton_target {
	__be64 target; /* as in struct place_query, like the others */
	__be32 carp, md5;
	__be32 pool;
} __attribute__((packed));
WIRE_SIZE(struct baton_target, 20);

/* What a wrapped segment is longer than a bare one; the client's MSS is lowered by it. */
#define BATON_OVERHEAD_IPV4 (20 + 8 + (int)sizeof(struct baton_header))
#define BATON_OVERHEAD_IPV6 (40 + 8 + (int)sizeof(struct baton_header))

/* Ids of hosts that are no nodes. */
#define BATON_FRONT(number)	 (0x8000 + (number))
#define BATON_DISPATCHER(number) (0xc000 + (number))

/* Cluster time: CLOCK_BOOTTIME plus an offset that the front fixes from its wall clock when it
 * loads its programs and that nodes learn over the control channel. Steps of any wall clock don't
 * touch it. */
#define BATON_TIME_SHIFT 26
#define BATON_TIME_HZ	 (1000000000.0 / (1 << BATON_TIME_SHIFT))

/* A header older or newer than this is refused: 8 s. */
#define BATON_FRESH ((__u32)(8ull * 1000000000 >> BATON_TIME_SHIFT))

/* How long a front goes on making handoffs of the segments of an owner that it named but that
 * nobody confirmed; later its segments go bare. Nodes remember flows they let go three times as
 * long, so that no late segment can find a node that has forgotten and runs a request again. */
#define FLOW_HANDOFF_S	 30
#define FLOW_TOMBSTONE_S 90

#endif

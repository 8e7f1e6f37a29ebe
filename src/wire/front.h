/* What the front remembers of a flow, and what its programs tell the front's daemon.
 *
 * Map `flows`: HASH of struct flow_key -> struct front_flow. Only the program `front` makes and
 * changes entries; `front_sweep` takes out those whose time is over. An entry outlives its
 * connection as a tombstone: while the connection's cookie is good, a replay of its first segment
 * must find that it has been run already.
 */
#ifndef BATON_WIRE_FRONT_H
#define BATON_WIRE_FRONT_H

#include "wire/address.h"

#ifndef __bpf__
#include <linux/bpf.h>
#endif

enum {
	FLOWS_MAX = 1048576, /* default size of `flows`; the daemon may change it before loading */
};

/* The front's own clock: CLOCK_MONOTONIC (coarse) in units of 2^26 ns, 67 ms. */
#define FRONT_TICK_SHIFT    26
#define FRONT_TICKS(s)	    ((__u32)((__u64)(s)*1000000000 >> FRONT_TICK_SHIFT))
#define FRONT_ENDED_TICKS   FRONT_TICKS(10)  /* what an ended flow is forwarded for, if idle */
#define FRONT_FIN_TICKS	    FRONT_TICKS(300) /* the same of one that the client has closed */
#define FRONT_HANDOFF_TICKS FRONT_TICKS(30)  /* FLOW_HANDOFF_S */
/* A tombstone stays until no cookie of its connection can be good any more (COOKIE_LIFE_MAX_S and a
 * margin) and no node remembers the flow (FLOW_TOMBSTONE_S). */
#define FRONT_TOMBSTONE_TICKS FRONT_TICKS(540)
/* When the table fills up, tombstones go earlier, down to this: room for the living comes before
 * memory of the dead. What is given up then is said in docs/architecture.md. */
#define FRONT_TOMBSTONE_LEAST_TICKS FRONT_TICKS(120)

enum front_flow_state {
	FRONT_OPEN = 1,	   /* the client is sending, as far as is known */
	FRONT_CLOSING = 2, /* it has sent its FIN: answers may still be on their way to it */
	FRONT_ENDED = 3,   /* reset, or the owner says that it is over: a tombstone when idle */
	FRONT_LOST = 4,	   /* its owner has forgotten it, or is dead: segments get an RST */
	FRONT_SLOW = 5,	   /* the daemon keeps its first request until it is whole (wire/slow.h) */
};

enum front_flow_flags {
	FRONT_CONFIRMED = 1, /* the owner is known to have the flow: segments go bare */
	FRONT_PINNED = 2,    /* not HTTP as far as the front could read it */
	FRONT_LATER = 4,     /* the owner was named by another node's return */
	FRONT_TUNNEL = 8,    /* every segment goes under a Baton header, for the flow's life */
	FRONT_ACKED = 16, /* the daemon has acknowledged bytes: the client won't send them again */
};

/* What one compare-and-swap or one load sees: who has the flow. */
struct front_owner {
	__u32 generation;
	__u16 node;
	__u8 state; /* enum front_flow_state */
	__u8 flags; /* enum front_flow_flags */
};
WIRE_SIZE(struct front_owner, 8);

struct front_flow {
	union {
		struct front_owner owner;
		__u64 owner_word;
	};
	__u32 seen;		    /* tick of the client's last segment */
	__u32 last_seq, last_ack;   /* behind the last byte it sent; what it acknowledged last */
	struct bpf_spin_lock lock;  /* for everything below, and for writing `owner` */
	__u32 since;		    /* tick when the owner was named */
	__u32 made;		    /* tick when the connection was first handed off */
	__u32 first_seq, first_ack; /* of the segment that began it: client's ISN + 1, cookie + 1 */
	__u32 handoff_seq, handoff_ack; /* where the owner's part begins */
	__u32 ts_clock, srtt;		/* as in the Baton header */
	__u16 cwnd, mss;
	__u8 snd_wscale, rcv_wscale;
	__u8 options; /* enum baton_options */
	__u8 reason;  /* enum place_reason: why the owner is the owner */
	__u16 service;
	__u16 zero;
	__u32 handoffs; /* owners it has had */
	__u32 have_seq; /* the owner has said that it has all before this; 0: nothing said */
};
WIRE_SIZE(struct front_flow, 80);
WIRE_OFFSET(struct front_flow, lock, 20);
WIRE_OFFSET(struct front_flow, handoff_seq, 40);
WIRE_OFFSET(struct front_flow, cwnd, 56);

/* Map `checkpoints`: LRU_HASH of struct flow_key -> struct front_checkpoint. The last moment at
 * which a flow's node (`node`, in `generation`) had nothing under way: see struct checkpoint. If
 * the node dies, and the client has sent and acknowledged nothing since, its next request can go
 * elsewhere. */
enum { CHECKPOINTS_MAX = 131072 };

struct front_checkpoint {
	__u32 generation, seq, ack;
	__u16 node;
	__u16 zero;
};
WIRE_SIZE(struct front_checkpoint, 16);

/* `front_bury` (BPF_PROG_TEST_RUN, this as context): goes over the table for flows of a node that
 * is down. Those that can't go on elsewhere become FRONT_LOST, and a struct front_lost in the ring
 * buffer `lost`, of which the daemon makes an RST. `left`: there was no room for all, and it has to
 * be run again when the buffer is empty. */
struct front_bury {
	__u32 node;
	__u32 lost, kept, left;
};
WIRE_SIZE(struct front_bury, 16);

struct front_lost {
	struct flow_key key;
	__u32 seq, ack; /* of the RST: what the client acknowledged last, the end of what it sent */
};
WIRE_SIZE(struct front_lost, 44);

/* Map `asked`: LRU_HASH of struct flow_key -> struct front_asked. Whom the nodes are asked for; for
 * as long as one question goes round. */
enum { ASKED_MAX = 16384 };

#define FRONT_ASK_TICKS 4 /* a question that has not come back for 0.27 s is lost */

struct front_asked {
	__u32 tick;	       /* when it was asked first */
	__u32 number;	       /* of the question: answers carry it */
	__u32 passed;	       /* nodes that are behind it, of struct cluster's node_most */
	__u32 left_generation; /* the latest in which a node let go of it, at this very segment */
	__u32 ifindex;	       /* where the segment came from */
	__u16 at;	       /* the node that has the question */
	__u16 left_node;       /* who let go; 0: nobody */
	__u16 left_to;	       /* and to whom; 0: whom the front was to choose */
	__u8 returning;	       /* left_node has been asked to return it once more */
	__u8 mac[6];	       /* where the segment came from */
	__u8 skipped;	       /* a node that serves was left out: nobody knows where it is now */
	__u8 zero[2];
};
WIRE_SIZE(struct front_asked, 36);

/* Map `askers`: LRU_HASH of struct address -> struct front_asker: how often segments of one client
 * have been asked for in a tick. */
enum { ASKERS_MAX = 16384 };

struct front_asker {
	__u32 tick, count;
};
WIRE_SIZE(struct front_asker, 8);

/* Map `questions`: LRU_HASH of struct flow_key -> struct front_question. Connections whose first
 * request a dispatcher on another host is asked about. */
enum { QUESTIONS_MAX = 65536 };

/* A repeat that comes sooner is the network's, not the client's: at most 0.13 s. */
#define FRONT_REPEAT_TICKS 2
/* A segment behind the first one goes to the dispatcher for so long: 10 s. */
#define FRONT_QUESTION_TICKS FRONT_TICKS(10)

struct front_question {
	__u32 tick;	/* when it was asked */
	__u32 seq, ack; /* of the first data */
	__u32 dispatcher;
};
WIRE_SIZE(struct front_question, 16);

/* Map `layer4`: LRU_HASH of struct layer4_key -> struct layer4_flow. Services that only forward:
 * TCP from the SYN on, UDP by flow. */
enum { LAYER4_MAX = 262144 };

#define LAYER4_UDP_TICKS FRONT_TICKS(60) /* a UDP flow silent for so long is placed anew */

struct layer4_key {
	struct flow_key flow;
	__u8 protocol;
	__u8 zero[3];
};
WIRE_SIZE(struct layer4_key, 40);

struct layer4_flow {
	__u32 seen; /* tick of the client's last packet */
	__u16 node;
	__u16 pool;   /* which charged the node with it */
	__u32 closed; /* FIN or RST seen: the next SYN is placed anew; set atomically */
};
WIRE_SIZE(struct layer4_flow, 12);

/* Map `nat_back`: LRU_HASH of struct layer4_key -> struct nat_back. Of a client and a node that
 * does not carry the VIP: `vip` and `vip_port` of the key are the node's own address and port. */
struct nat_back {
	struct address vip; /* what the client knows the node by */
	__u32 ifindex;	    /* where the client's packets come from */
	__u8 mac[6];
	__u16 zero;
};
WIRE_SIZE(struct nat_back, 28);

/* `front_sweep` (BPF_PROG_TEST_RUN, this as context): goes over the whole table once, forgets what
 * is to be forgotten, counts the rest. `idle_ticks`: an open flow silent for so long is forgotten.
 */
struct front_sweep {
	__u32 idle_ticks;
	__u32 removed;
	__u32 open, closing, ended, tombstones;
	__u32 unconfirmed; /* of the open ones */
	__u32 slow;
};
WIRE_SIZE(struct front_sweep, 32);

#endif

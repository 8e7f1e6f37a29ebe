/* What both BPF programs know of the cluster: services, nodes, keys, clock. The daemons fill these
 * maps (place_* of wire/place.h besides), the programs only read them. */
#ifndef BATON_WIRE_CLUSTER_H
#define BATON_WIRE_CLUSTER_H

#include "wire/address.h"

enum {
	SERVICES_MAX = 256,
	NODES_MAX = 4097, /* node ids are 1 .. NODES_MAX - 1 */
	FRONTS_MAX = 16,
	DISPATCHERS_MAX = 8, /* on hosts of their own */
};

enum service_kind { SERVICE_HTTP = 1, SERVICE_TLS = 2, SERVICE_LAYER4 = 3 };
enum forward_kind { FORWARD_DIRECT = 0, FORWARD_TUNNEL = 1, FORWARD_NAT = 2 };
enum release_kind { RELEASE_RST = 0, RELEASE_FIN = 1 };

enum service_flags {
	SERVICE_SPREAD = 2,	/* the first request is read on a node chosen at layer 4 */
	SERVICE_PACKET = 8,	/* UDP: every datagram is placed by itself */
	SERVICE_NO_SWITCH = 16, /* later requests stay where the first went */
	SERVICE_FILTERED = 32,	/* not everybody may use it: wire/source.h */
	SERVICE_LIMITED = 64,	/* nor as much as they like */
};

/* What of a request is its target, beside the host: its path, its path and what is behind '?', or
 * (1 + N) the path's first N segments (RFC 3986, 3.3). */
enum service_target { SERVICE_TARGET_PATH = 0, SERVICE_TARGET_URL = 255 };

/* SO_MARK of what a front's daemon sends: a node's program on the same device lets it pass. */
#define MARK_FRONT 0x42617430u

/* Map `services`: HASH, SERVICES_MAX. */
struct service_key {
	struct address vip;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 zero;
};
WIRE_SIZE(struct service_key, 20);

struct service {
	__u32 id;   /* small and stable: the index of the service's counters */
	__u32 pool; /* of wire/place.h */
	__u16 flags;
	__u8 kind, forward, release;
	__u8 rcv_wscale; /* what the SYN-ACK announces */
	__u8 rules;	 /* 1 + index of its set in `rule_sets`; 0: it has no rules */
	__u8 target;	 /* see enum service_target */
};
WIRE_SIZE(struct service, 16);

enum node_state { NODE_ABSENT = 0, NODE_UP = 1, NODE_DRAIN = 2, NODE_DOWN = 3 };

/* How a host is reached. */
enum reach {
	HOP_UNKNOWN = 0, /* not resolved: nothing can be sent */
	HOP_KNOWN = 1,	 /* mac is valid */
	HOP_HERE = 2, /* it is this very host (`place: dns`): frames for it go up, or come in once
			 more */
};

/* Map `nodes`: ARRAY, NODES_MAX, index is the node's id. On a node the own entry and those of its
 * peers; only the front needs `mac` and `ifindex`. */
struct node_entry {
	struct address address; /* IPv4 (mapped) or IPv6: where wrapped segments go */
	__u8 mac[6];		/* of the next hop */
	__u8 state;		/* enum node_state */
	__u8 reachable;		/* enum reach */
	__u32 ifindex;		/* of the device towards it; 0: where the segment came in */
	__u32 weight;
	struct address address6; /* IPv6 besides; zero: none. For nat, on the front */
};
WIRE_SIZE(struct node_entry, 48);

/* Map `cluster`: ARRAY of one. */
struct cluster {
	__u64 keys[2][2];	 /* cluster key by epoch: MACs of Baton headers; host order words */
	__u64 cookie_keys[2][2]; /* front only */
	__s64 clock_offset;	 /* cluster time = bpf_ktime_get_boot_ns() + this */
	__u32 epoch;		 /* the one to send with; both are accepted if key_count is 2 */
	__u32 key_count;
	__be16 port;   /* of the Baton header */
	__u16 self;    /* own node id; BATON_FRONT(n) on a front */
	__u8 mac[6];   /* own MAC */
	__u16 on_node; /* front: a node's programs are on the same device (`place: dns`) */
	struct address address4, address6; /* own addresses on the cluster's network; zero: none */
	__u32 idle_s;			   /* front: a flow silent for so long is forgotten */
	__u32 ready; /* 0: the maps are being filled, pass everything to the stack */
	struct node_entry fronts[FRONTS_MAX]; /* node only: where returns go, by number */
	/* Front only: when it may ask nodes for flows that it doesn't know. */
	__u64 began_ns;	      /* cluster time when its table of flows was empty */
	__u32 node_most;      /* the highest id of a node */
	__u32 ask_per_tick;   /* questions that a CPU may ask in 67 ms; 0: none */
	__u32 ask_per_source; /* of these for one client's address */
	__u32 ask_always;  /* other fronts have flows too; else only as long as a flow can be older
			    * than the table: idle_s since began_ns */
	__u32 front_count; /* how many there are; 0 as 1 */
	/* Front and nodes: dispatchers on hosts of their own, which share the targets. None: the
	 * front is the dispatcher. */
	__u32 dispatcher_count;
	__u64 dispatcher_hashes[DISPATCHERS_MAX]; /* of their names */
	struct node_entry dispatchers[DISPATCHERS_MAX];
};
WIRE_OFFSET(struct cluster, clock_offset, 64);
WIRE_OFFSET(struct cluster, port, 80);
WIRE_OFFSET(struct cluster, address4, 92);
WIRE_OFFSET(struct cluster, fronts, 132);
WIRE_OFFSET(struct cluster, began_ns, 904);
WIRE_OFFSET(struct cluster, dispatcher_hashes, 936);

/* Map `dispatchers`: ARRAY, DISPATCHERS_MAX, of front and nodes. Whether each answers, as this host
 * sees it. */
struct dispatcher_state {
	__u64 open_ns;	 /* CLOCK_MONOTONIC of the first question since its last answer; 0: none */
	__u64 probed_ns; /* when it was asked last although it did not answer */
	__u32 away;	 /* the daemon's word: it has no connection to that host's daemon */
	__u32 zero;
};
WIRE_SIZE(struct dispatcher_state, 24);

/* Without an answer for so long a dispatcher counts as lost; then it is asked so often, to see
 * whether it is back. */
#define DISPATCHER_PATIENCE_NS 100000000ull
#define DISPATCHER_PROBE_NS    500000000ull

/* Why a node was chosen, or why no handoff was made: counted by the programs, shown by status,
 * flows and trace. */
#define PLACE_REASONS(X)                                                                           \
	X(NONE, "none")                                                                            \
	X(POLICY, "policy")                                                                        \
	X(HIT, "hit")		/* central: the target's node */                                   \
	X(ASSIGNED, "assigned") /* central: first seen */                                          \
	X(OVERLOAD, "overload") /* central or bounded: moved off a loaded node */                  \
	X(HOT, "hot")		/* DS: decided on the node */                                      \
	X(DRAIN, "drain")	/* its node is going */                                            \
	X(DOWN, "down")		/* its node is gone */                                             \
	X(FALLBACK, "fallback") /* target unknown: placed by client address */                     \
	X(STAY, "stay")		/* served where it came */                                         \
	X(PINNED, "pinned")                                                                        \
	X(RULE, "rule")

#define X(name, text) PLACE_REASON_##name,
enum place_reason { PLACE_REASONS(X) PLACE_REASON_COUNT };
#undef X

#endif

/* Placement as BPF programs, daemons, the simulator and tests share it: the policies' names, what
 * each pool, member and target looks like in the maps of place/maps.h.
 *
 * The daemons fill pools, members and tables (place/build.h); the programs read them and change
 * only loads, turns and targets, by atomic operations.
 */
#ifndef BATON_WIRE_PLACE_H
#define BATON_WIRE_PLACE_H

#include "wire/types.h"

enum {
	PLACE_POOLS_MAX = 64 + 64 * 16, /* one a service, and those that rules give to */
	PLACE_POOL_MEMBERS_MAX = 4096,
	PLACE_NODES_MAX = 4097, /* node ids are 1 .. PLACE_NODES_MAX - 1 */
	PLACE_SET_MAX = 16,	/* nodes that one target can have */

	/* Room of the maps as they stand in the programs; a daemon may set more before loading. */
	PLACE_MEMBERS_ROOM = 1 << 15,
	PLACE_TABLE_ROOM = 1 << 20, /* words of 64 bits */
	PLACE_TARGETS_ROOM = 1 << 16,
	PLACE_TARGETS_DISPATCHER = 5 << 18, /* what a dispatcher sets for its targets */
};

/* What a policy wants to find in the query, and what it is. */
enum place_want {
	PLACE_WANT_TARGET = 1,	  /* the 64-bit hash of host and path */
	PLACE_WANT_CLIENT = 2,	  /* a hash of the client's address */
	PLACE_WANT_RANDOM = 4,	  /* 64 random bits */
	PLACE_WANT_CARP = 8,	  /* CARP's own hash of the target's bytes */
	PLACE_WANT_MD5 = 16,	  /* the low 32 bits of the MD5 of the target's bytes */
	PLACE_WANT_LOAD = 32,	  /* loads have to be kept up to date */
	PLACE_WANT_TIME = 64,	  /* now_ns */
	PLACE_WANT_CENTRAL = 128, /* one view of the whole cluster: a dispatcher's */
	PLACE_WANT_CENTRAL_LOAD =
		PLACE_WANT_CENTRAL | PLACE_WANT_LOAD | PLACE_WANT_TIME | PLACE_WANT_TARGET,
};

/* Every policy: constant, name in configurations, what it wants, what it is. */
#define PLACE_POLICIES(X)                                                                          \
	X(RR, "rr", 0, "round robin")                                                              \
	X(WRR, "wrr", 0, "round robin by weight, smooth")                                          \
	X(SH, "sh", PLACE_WANT_CLIENT, "hash of the client's address into a table")                \
	X(DH, "dh", PLACE_WANT_TARGET, "hash of the target into a table")                          \
	X(MD5, "md5", PLACE_WANT_MD5, "MD5 of the target modulo the nodes")                        \
	X(MAGLEV, "maglev", PLACE_WANT_TARGET, "Maglev's permutation table")                       \
	X(HRW, "hrw", PLACE_WANT_TARGET, "weighted rendezvous")                                    \
	X(MIT_CH, "mit-ch", PLACE_WANT_TARGET, "consistent hashing on Karger's ring")              \
	X(CARP, "carp", PLACE_WANT_CARP, "Microsoft's CARP with load factors")                     \
	X(MOD_CH, "mod-ch", PLACE_WANT_TARGET, "the ring with every node's share made even")       \
	X(HT_RR, "ht-rr", PLACE_WANT_TARGET | PLACE_WANT_TIME | PLACE_WANT_CENTRAL,                \
	  "hash buckets given to nodes in turn when first seen")                                   \
	X(BOUNDED_CH, "bounded-ch", PLACE_WANT_TARGET | PLACE_WANT_LOAD,                           \
	  "the ring with bounded loads")                                                           \
	X(P2C, "p2c", PLACE_WANT_RANDOM | PLACE_WANT_LOAD, "the less loaded one of two by chance") \
	X(LC, "lc", PLACE_WANT_LOAD, "least connections")                                          \
	X(WLC, "wlc", PLACE_WANT_LOAD, "least connections by weight")                              \
	X(LBLC, "lblc", PLACE_WANT_CENTRAL_LOAD, "LVS's locality, one node a target")              \
	X(LBLCR, "lblcr", PLACE_WANT_CENTRAL_LOAD, "LVS's locality, a set of nodes a target")      \
	X(LARD, "lard", PLACE_WANT_CENTRAL_LOAD, "locality-aware distribution")                    \
	X(LARD_2004, "lard-2004", PLACE_WANT_CENTRAL_LOAD, "LARD in the cost form of 2004")        \
	X(LARD_R, "lard-r", PLACE_WANT_CENTRAL_LOAD, "LARD with replication")                      \
	X(DS, "ds", PLACE_WANT_CENTRAL_LOAD, "dual scheduling by a decayed request rate")          \
	X(DS_2004, "ds-2004", PLACE_WANT_CENTRAL_LOAD, "dual scheduling as in 2004")               \
	X(TLS_AFFINITY, "tls-affinity", PLACE_WANT_CENTRAL_LOAD | PLACE_WANT_CLIENT,               \
	  "client and server name stay together for a window")

#define X(constant, name, wants, text) PLACE_##constant,
enum place_policy { PLACE_NONE, PLACE_POLICIES(X) PLACE_POLICY_COUNT };
#undef X

enum place_pool_flags {
	PLACE_EVEN = 1, /* all members weigh the same */
};

/* Map `place_pools`: ARRAY, two copies of each pool at 2 * id and 2 * id + 1; place_state says
 * which one holds. A change is made in the other one, then that holds. */
struct place_pool {
	__u32 policy;	  /* enum place_policy */
	__u32 wants;	  /* enum place_want */
	__u32 flags;	  /* enum place_pool_flags */
	__u32 up;	  /* members that take new targets: the first ones of `count` */
	__u32 count;	  /* all members, in the order of the builder */
	__u32 members_at; /* the first one's index in `place_members` */
	__u32 table_at;	  /* index of the first word in `place_table` */
	__u32 table_words;
	__u32 slots; /* entries of the table, in the policy's own packing */
	__u32 zero;  /* always 0, which the verifier doesn't know */
	__u64 version;
	__u32 low, high;  /* loads of a node of mean weight: T_low and T_high of LARD */
	__u32 limit;	  /* load at which a node takes nothing more; 0: no limit */
	__u32 bound;	  /* bounded loads: most times the mean, in 1/1024 */
	__u64 window_ns;  /* tls-affinity: length of the window; sets: stillness before one shrinks
			   */
	__u64 hot_gap_ns; /* DS: requests closer than this are hot */
	__u64 weight_total; /* of the members that are up */
	__u32 weight_most;
	__u32 give_back; /* DS: a node goes below so much, in 1/1024, of what the others are for */
	__u64 decay_ns;	 /* DS: time constant of the rate */
	__u64 step_ns;	 /* DS: between two nodes given back */
};
WIRE_SIZE(struct place_pool, 112);
WIRE_OFFSET(struct place_pool, version, 40);
WIRE_OFFSET(struct place_pool, window_ns, 64);

enum place_member_state { PLACE_UP = 1, PLACE_DRAIN = 2, PLACE_DOWN = 3 };

/* Map `place_members`: ARRAY. */
struct place_member {
	__u64 hash;   /* of the node's name */
	__u32 node;   /* id */
	__u32 weight; /* 1 .. 65535 */
	__u32 carp;   /* CARP's hash of the name */
	__u32 factor; /* CARP's load multiplier X_k, the largest one being 2^32 - 1 */
	__u32 state;  /* enum place_member_state */
	__u32 reserved;
};
WIRE_SIZE(struct place_member, 32);

/* Map `place_table`: ARRAY of __u64. Slot tables hold four 16-bit member indices a word; rings one
 * point a word, position in the upper 48 bits and member index in the lower 16. Central policies
 * have a slot table by node id, member index + 1 in it, 0 for nodes that aren't members. */
enum { PLACE_SLOTS_PER_WORD = 4 };

/* Map `place_state`: ARRAY, one a pool. */
struct place_state {
	__u64 turn;   /* rr and its kin */
	__u32 active; /* which copy of the pool holds: 0 or 1 */
	__u32 ready;  /* 0: the pool has never been filled */
};
WIRE_SIZE(struct place_state, 16);

/* Map `place_loads`: ARRAY by node id, then, from PLACE_NODES_MAX on, one a pool for its sum. The
 * load is charged - handed + in_service + flows: what was given away since the node spoke last
 * counts at once, so that many decisions between two reports don't all find the same node idle. A
 * node speaks by its daemon's reports and by each of its questions (BATON_ASK). */
struct place_load {
	__u64 charged;	  /* requests, by the deciders here, atomically; never falls */
	__u64 handed;	  /* how many of those had reached the node when it spoke last */
	__u64 in_service; /* requests the node had in service then */
	__u64 reported_ns;
	__u64 lost;  /* handed is what the node says it received, and this: what never arrives */
	__s64 flows; /* of services that are only forwarded: begun and not over, atomically */
};
WIRE_SIZE(struct place_load, 48);

/* Map `place_targets`: HASH. What central policies remember of a target. Nodes are 16-bit ids, four
 * a word, 0 a free place; each word changes by compare-and-swap. */
struct place_target_key {
	__u64 target;
	__u32 pool;
	__u32 scope; /* of the query */
};
WIRE_SIZE(struct place_target_key, 16);

struct place_target {
	__u64 nodes[PLACE_SET_MAX / 4];
	__u64 changed_ns; /* when the set changed last */
	__u64 used_ns;	  /* when it was asked for last; the daemon evicts by it */
	__u64 rate;	  /* DS: requests in the last decay_ns, decayed, in 1/1024 */
	__u64 alone;	  /* DS, on a node: requests decided here that no ask has told of yet */
};
WIRE_SIZE(struct place_target, 64);

enum place_query_flags {
	PLACE_PEEK = 1,	 /* only look: nothing is charged, no turn taken, nothing remembered */
	PLACE_TAKEN = 4, /* place_own: the request came by a handoff, so nobody has counted it */
	PLACE_FLOW = 8,	 /* a whole flow is placed: it weighs until place_give_back */
	PLACE_OVERLOADED = 2, /* the asking node says that it is over its limit */
};

/* What a decision is made from: input passed in, so a run can be repeated. */
struct place_query {
	__u64 target; /* place_hash of host and path */
	__u64 client; /* hash of the client's address */
	__u64 random;
	__u64 now_ns; /* any clock that only rises */
	__u32 pool;
	__u32 carp; /* if the pool wants it */
	__u32 md5;  /* likewise: the digest's last four bytes, big-endian */
	__u16 node; /* who asks; 0 the front */
	__u16 flags;
	__u32 reason; /* out: enum place_reason */
	__u32 scope; /* whose memory of targets: 0 the dispatcher's, else a node's own, by its id */
	__u32 alone; /* requests for the target that the asking node decided by itself before */
	__u32 reserved;
};
WIRE_SIZE(struct place_query, 64);

#endif

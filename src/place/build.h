/* Fills a pool: from a list of nodes and a policy's name to members and tables, in the kernel's
 * maps or on the heap. The same list gives the same tables everywhere, in whatever order it comes:
 * nodes are sorted by name, and names, not ids, are what is hashed. */
#ifndef BATON_PLACE_BUILD_H
#define BATON_PLACE_BUILD_H

#include "place/world.h"

struct place_node {
	__u32 id; /* 1 .. PLACE_NODES_MAX - 1 */
	const char *name;
	__u32 weight; /* 1 .. 65535 */
	enum place_member_state state;
};

/* What a pool is to be. Zero means the default for all that has one. */
struct place_plan {
	enum place_policy policy;
	const struct place_node *nodes;
	__u32 count;	  /* 1 .. PLACE_POOL_MEMBERS_MAX */
	__u32 slots;	  /* maglev: a prime [65537, or 655373 above 512 nodes] */
	__u32 low, high;  /* T_low and T_high, requests in service at mean weight [25, 65] */
	__u32 limit;	  /* load at which a node takes nothing more [80] */
	__u32 bound;	  /* bounded loads: most times the mean, in 1/1024 [1280, which is 1.25] */
	__u64 window_ns;  /* tls-affinity: its window [300 s]; stillness before a set shrinks [20 s,
			     lblcr 1 day] */
	__u64 hot_gap_ns; /* DS: requests closer than this are hot [5 ms] */
	__u64 decay_ns;	  /* DS: time constant of the rate [500 ms] */
	__u64 step_ns;	  /* DS: between two nodes given back [250 ms] */
	__u32 give_back;  /* DS: a node goes below so much of what one node less is for, in 1/1024
			     [512] */
};

enum {
	PLACE_HASH_SLOTS = 16384, /* sh, dh; at least PLACE_POOL_MEMBERS_MAX */
	PLACE_PERIOD_MAX = 16384, /* wrr */
};

/* The policy of that name, or -EINVAL. */
int place_policy_by_name(const char *name);

/* Name and wants (enum place_want) of a policy; NULL and 0 for no policy. */
const char *place_policy_name(enum place_policy policy);
__u32 place_policy_wants(enum place_policy policy);

/* All names in order, separated by '|': for the choices of an option. */
const char *place_policy_names(void);

/* Makes pool `pool` of `world` what the plan says. The new tables are built beside those that hold
 * and then switched to, so a reader finds one or the other. Returns 0; -EINVAL: no nodes, or a
 * weight, id, state or policy out of range, or two nodes of one name or id; -ENOSPC: no room in the
 * world's arrays; -ENOMEM. On failure what held goes on holding. */
int place_build(struct place_world *world, __u32 pool, const struct place_plan *plan);

#endif

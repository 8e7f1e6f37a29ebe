/* The tables that policies read, as build.c makes them. */
#ifndef BATON_PLACE_TABLES_H
#define BATON_PLACE_TABLES_H

#include "place/build.h"

struct place_table {
	__u64 *data; /* to be freed; NULL: the policy has none */
	__u32 words, slots;
};

/* Makes the table of pool->policy from the members that are up (the first pool->up), and sets what
 * the policy keeps in members (CARP's factors). `divisor` is the common divisor of their weights.
 * Returns 0, -ENOMEM, or -EINVAL (Maglev's size is no prime or too small). */
int place_table_fill(struct place_table *table, const struct place_pool *pool,
		     struct place_member *members, __u32 divisor, const struct place_plan *plan);

/* A member's order of preference: begins at `next` (its offset at first), goes on by `skip`, modulo
 * the slots. `credit` begins with 0. */
struct maglev_order {
	__u32 next, skip, weight, credit;
};

/* Maglev's table of `slots` (a prime) entries, which are indices of `orders`, which are used up.
 * Every weight is at least 1, `most` is the largest one. Returns 0 or -ENOMEM. */
int maglev_fill(__u16 *entries, __u32 slots, struct maglev_order *orders, __u32 count, __u32 most);

/* CARP's hash of a member's name, and the load multipliers of members by their weights. */
__u32 carp_member_hash(const char *name);
int carp_factors(struct place_member *members, __u32 count);

/* The default of window_ns. */
__u64 place_policy_window(enum place_policy policy);

#endif

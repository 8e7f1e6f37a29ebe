/* How a policy reaches its pool, members, table, loads and targets: map lookups in BPF, the world
 * of place/world.h on the host. Everything returns NULL for what is not there.
 *
 * A BPF program includes vmlinux.h and <bpf/bpf_helpers.h> before. */
#ifndef BATON_PLACE_ACCESS_H
#define BATON_PLACE_ACCESS_H

#include "wire/cluster.h"
#include "wire/freestanding.h"
#include "wire/place.h"

#ifdef __bpf__

#include "place/maps.h"

INLINE struct place_state *place_state_at(__u32 pool)
{
	return bpf_map_lookup_elem(&place_state, &pool);
}

INLINE struct place_pool *place_copy_at(__u32 index)
{
	return bpf_map_lookup_elem(&place_pools, &index);
}

INLINE struct place_member *place_member_index(__u32 index)
{
	return bpf_map_lookup_elem(&place_members, &index);
}

INLINE __u64 *place_word_index(__u32 index)
{
	return bpf_map_lookup_elem(&place_table, &index);
}

INLINE struct place_load *place_load_at(__u32 node)
{
	return bpf_map_lookup_elem(&place_loads, &node);
}

INLINE struct place_target *place_target_find(const struct place_target_key *key)
{
	return bpf_map_lookup_elem(&place_targets, key);
}

/* Remembers `first` unless somebody else was quicker; either way what is remembered now. NULL: the
 * table is full. */
INLINE struct place_target *place_target_add(const struct place_target_key *key,
					     const struct place_target *first)
{
	bpf_map_update_elem(&place_targets, key, first, BPF_NOEXIST);
	return bpf_map_lookup_elem(&place_targets, key);
}

#else

#include "place/world.h"

#endif

/* The copy of the pool that holds. */
INLINE struct place_pool *place_pool_at(__u32 id)
{
	const struct place_state *state = place_state_at(id);

	if (!state || !state->ready)
		return 0;
	return place_copy_at(2 * id + (state->active & 1));
}

INLINE struct place_member *place_member_at(const struct place_pool *pool, __u32 index)
{
	return place_member_index(pool->members_at + index);
}

INLINE __u64 *place_word_at(const struct place_pool *pool, __u32 index)
{
	return place_word_index(pool->table_at + index);
}

/* The member index in a slot of a slot table; ~0 if there is none. */
INLINE __u32 place_slot_at(const struct place_pool *pool, __u32 slot)
{
	const __u64 *word = place_word_at(pool, slot / PLACE_SLOTS_PER_WORD);

	return word ? (*word >> 16 * (slot % PLACE_SLOTS_PER_WORD)) & 0xffff : ~0u;
}

/* The node of member `index`, if it takes new targets; else -ENOENT. */
INLINE __s32 place_node_of(const struct place_pool *pool, __u32 index)
{
	const struct place_member *member = place_member_at(pool, index);

	if (!member || member->state != PLACE_UP || !member->node)
		return -2; /* -ENOENT, which vmlinux.h doesn't have */
	return member->node;
}

/* The member that has this node, in a pool of a central policy; NULL if there is none. */
INLINE struct place_member *place_member_of(const struct place_pool *pool, __u32 node)
{
	__u32 index = node < pool->slots ? place_slot_at(pool, node) : 0;

	return index && index <= pool->count ? place_member_at(pool, index - 1) : 0;
}

/* Requests that the node has now, as far as is known here. Reports may be ahead of charges. */
INLINE __u64 place_load_of(const struct place_load *load)
{
	__u64 charged = load->charged, handed = load->handed;

	return load->in_service + (charged > handed ? charged - handed : 0) +
	       (load->flows > 0 ? load->flows : 0);
}

INLINE __u64 place_node_load(__u32 node)
{
	const struct place_load *load = place_load_at(node);

	return load ? place_load_of(load) : 0;
}

INLINE void place_charge_slot(__u32 slot, __u32 flags)
{
	struct place_load *load = place_load_at(slot);

	if (!load)
		return;
	if (flags & PLACE_FLOW)
		__sync_fetch_and_add(&load->flows, 1);
	else
		__sync_fetch_and_add(&load->charged, 1);
}

INLINE void place_charge(const struct place_query *query, __u32 node)
{
	place_charge_slot(node, query->flags);
	place_charge_slot(PLACE_NODES_MAX + query->pool, query->flags);
}

INLINE void place_give_back_slot(__u32 slot)
{
	struct place_load *load = place_load_at(slot);

	if (load)
		__sync_fetch_and_add(&load->flows, -1);
}

/* A flow that was placed with PLACE_FLOW is over. */
INLINE void place_give_back(__u32 pool, __u32 node)
{
	place_give_back_slot(node);
	place_give_back_slot(PLACE_NODES_MAX + pool);
}

/* The node says how many requests it has in service, and how many of those that it was charged with
 * have reached it, in the low 32 bits. Words that come in another order than they were said change
 * nothing. */
INLINE void place_hear(__u32 node, __u64 in_service, __u32 received)
{
	struct place_load *load = place_load_at(node);
	__u64 handed;
	__s32 more;

	if (!load)
		return;
	handed = load->handed;
	more = received - (__u32)(handed - load->lost);
	if (more < 0)
		return;
	load->in_service = in_service;
	load->handed = handed + more;
}

/* The next turn of the pool's counter; the present one when only looking. */
INLINE __u64 place_turn(const struct place_query *query)
{
	struct place_state *state = place_state_at(query->pool);

	if (!state)
		return 0;
	if (query->flags & PLACE_PEEK)
		return state->turn;
	return __sync_fetch_and_add(&state->turn, 1);
}

#endif

/* The host's side of place/access.h: the maps as plain arrays.
 *
 * Each thread works on the world it has named last. A daemon's world lies on the kernel's own maps
 * (mmap), the simulator's and the tests' on the heap (world_new).
 */
#ifndef BATON_PLACE_WORLD_H
#define BATON_PLACE_WORLD_H

#include "wire/freestanding.h"
#include "wire/place.h"

struct place_targets; /* host's table of targets, place/targets.h */

struct place_world {
	struct place_pool *pools;     /* 2 * PLACE_POOLS_MAX */
	struct place_member *members; /* members_room */
	__u64 *table;		      /* table_room */
	struct place_state *states;   /* PLACE_POOLS_MAX */
	struct place_load *loads;     /* PLACE_NODES_MAX + PLACE_POOLS_MAX */
	__u32 members_room, table_room;
	struct place_targets *targets; /* NULL: central policies remember nothing, or: */
	/* Where the kernel holds the targets: a copy of one, good until the next call, for who only
	 * looks (PLACE_PEEK). NULL: nowhere. */
	struct place_target *(*peek)(const struct place_target_key *key);
};

/* The thread's world; NULL at first. */
extern __thread struct place_world *place_world;

/* A world on the heap, nothing in it yet; `targets` is the room for targets, 0 for none. NULL when
 * memory is out. */
struct place_world *world_new(__u32 members_room, __u32 table_room, __u32 targets);
void world_free(struct place_world *world);

/* Strides of the kernel's arrays are whole words of 8 bytes, as are these. */
_Static_assert(sizeof(struct place_pool) % 8 == 0 && sizeof(struct place_member) % 8 == 0 &&
		       sizeof(struct place_state) % 8 == 0 && sizeof(struct place_load) % 8 == 0,
	       "the kernel's arrays can be used in place");

struct place_target *targets_find(struct place_targets *targets,
				  const struct place_target_key *key);
struct place_target *targets_add(struct place_targets *targets, const struct place_target_key *key,
				 const struct place_target *first);

INLINE struct place_state *place_state_at(__u32 pool)
{
	return pool < PLACE_POOLS_MAX ? &place_world->states[pool] : NULL;
}

INLINE struct place_pool *place_copy_at(__u32 index)
{
	return index < 2 * PLACE_POOLS_MAX ? &place_world->pools[index] : NULL;
}

INLINE struct place_member *place_member_index(__u32 index)
{
	return index < place_world->members_room ? &place_world->members[index] : NULL;
}

INLINE __u64 *place_word_index(__u32 index)
{
	return index < place_world->table_room ? &place_world->table[index] : NULL;
}

INLINE struct place_load *place_load_at(__u32 node)
{
	return node < PLACE_NODES_MAX + PLACE_POOLS_MAX ? &place_world->loads[node] : NULL;
}

INLINE struct place_target *place_target_find(const struct place_target_key *key)
{
	if (place_world->targets)
		return targets_find(place_world->targets, key);
	return place_world->peek ? place_world->peek(key) : NULL;
}

INLINE struct place_target *place_target_add(const struct place_target_key *key,
					     const struct place_target *first)
{
	return place_world->targets ? targets_add(place_world->targets, key, first) : NULL;
}

#endif

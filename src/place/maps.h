/* The maps behind the policies; see wire/place.h for who writes what. All arrays can be mapped into
 * a daemon's memory, where the same policy code then runs on the same data (place/world.h). */
#ifndef BATON_PLACE_MAPS_H
#define BATON_PLACE_MAPS_H

#include "wire/place.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * PLACE_POOLS_MAX);
	__type(key, __u32);
	__type(value, struct place_pool);
} place_pools SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PLACE_MEMBERS_ROOM);
	__type(key, __u32);
	__type(value, struct place_member);
} place_members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PLACE_TABLE_ROOM);
	__type(key, __u32);
	__type(value, __u64);
} place_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PLACE_POOLS_MAX);
	__type(key, __u32);
	__type(value, struct place_state);
} place_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PLACE_NODES_MAX + PLACE_POOLS_MAX);
	__type(key, __u32);
	__type(value, struct place_load);
} place_loads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PLACE_TARGETS_ROOM);
	__type(key, struct place_target_key);
	__type(value, struct place_target);
} place_targets SEC(".maps");

#endif

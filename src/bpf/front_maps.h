/* The maps that only the front's program has: flows, and what it remembers besides. */
#ifndef BATON_BPF_FRONT_MAPS_H
#define BATON_BPF_FRONT_MAPS_H

#include "bpf/front_work.h"
#include "wire/source.h"

/* No LRU: that would evict connections that are alive and only silent. When the table is full, new
 * connections are refused. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOWS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct front_flow);
} flows SEC(".maps");

/* LRU here: a layer-4 flow begins with a packet that anybody can send, so a flood must not keep
 * others out; whose entry it pushes out is placed anew, by hash policies on the same node. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LAYER4_MAX);
	__type(key, struct layer4_key);
	__type(value, struct layer4_flow);
} layer4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CHECKPOINTS_MAX);
	__type(key, struct flow_key);
	__type(value, struct front_checkpoint);
} checkpoints SEC(".maps");

/* Flows whose node is dead, for an RST. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} lost SEC(".maps");

/* LRU: anybody can make entries, and one that is pushed out costs a client a repeated segment. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ASKED_MAX);
	__type(key, struct flow_key);
	__type(value, struct front_asked);
} asked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ASKERS_MAX);
	__type(key, struct address);
	__type(value, struct front_asker);
} askers SEC(".maps");

/* LRU: a connection whose entry is pushed out is asked about once more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, QUESTIONS_MAX);
	__type(key, struct flow_key);
	__type(value, struct front_question);
} questions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SOURCES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_key);
	__type(value, __u8);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct source_limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CLIENTS_MAX);
	__type(key, struct client_key);
	__type(value, struct client_use);
} clients SEC(".maps");

/* Segments for the daemon (wire/slow.h). */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SLOW_RING_BYTES);
} slow_segments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slow_control);
} slow_control SEC(".maps");

#endif

/* The maps that both programs have: what wire/cluster.h says, filled by the daemons. */
#ifndef BATON_BPF_CLUSTER_MAPS_H
#define BATON_BPF_CLUSTER_MAPS_H

#include "wire/cluster.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SERVICES_MAX);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NODES_MAX);
	__type(key, __u32);
	__type(value, struct node_entry);
} nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cluster);
} cluster SEC(".maps");

static inline __attribute__((always_inline)) struct cluster *cluster_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cluster, &zero);
}

#endif

/* Who may use a service, and how much of it. By address, which a SYN may lie about: so limits count
 * only clients that have proved theirs by a cookie, and nobody can use up another one's share. */
#ifndef BATON_BPF_FRONT_SOURCE_H
#define BATON_BPF_FRONT_SOURCE_H

#include "bpf/front_maps.h"

/* Of the last whole sweep. */
__u32 source_sweep;

INLINE struct source_limit *source_limit(__u32 service)
{
	return bpf_map_lookup_elem(&limits, &service);
}

/* 1 if the client in hand may not use work->service at all; counted. */
INLINE int source_denied(const struct front_work *work)
{
	struct source_key key = {.bits = SOURCE_SERVICE_BITS + 128,
				 .service = net32(work->service.id),
				 .address = work->segment.key.client};
	__u8 *verdict;

	if (!(work->service.flags & SERVICE_FILTERED))
		return 0;
	verdict = bpf_map_lookup_elem(&sources, &key);
	if (!verdict || *verdict != SOURCE_DENY)
		return 0;
	count(FRONT_COUNT_DENIED);
	return 1;
}

/* Flows that the client has open, as far as is known. */
INLINE __u32 source_open(const struct client_use *use, __u32 sweep)
{
	__u32 open = 0;

	if (use->sweep == sweep)
		open = use->counted;
	else if (use->sweep == sweep + 1) /* that one is under way */
		open = use->open;
	return open + (use->begun_sweep == sweep ? use->begun : 0);
}

/* A connection of the client in hand is about to begin at work->service: 1 if it is one too many,
 * which is counted. */
SUBPROGRAM int source_exceeds(struct front_work *work)
{
	struct client_use fresh = {.count = 1, .begun = 1}, *use;
	__u32 second = bpf_ktime_get_coarse_ns() / 1000000000, sweep = source_sweep;
	struct client_key key;
	struct source_limit *limit;

	if (!work)
		return 0;
	limit = source_limit(work->service.id);
	if (!limit)
		return 0;
	key.address = work->segment.key.client;
	key.service = work->service.id;
	use = bpf_map_lookup_elem(&clients, &key);
	if (!use) {
		fresh.second = second;
		fresh.begun_sweep = sweep;
		bpf_map_update_elem(&clients, &key, &fresh, BPF_ANY);
		return 0;
	}
	if (use->second != second) {
		use->second = second;
		use->count = 0;
	}
	if (limit->rate && use->count >= limit->rate) {
		count(FRONT_COUNT_SOURCE_RATE);
		return 1;
	}
	if (limit->connections && source_open(use, sweep) >= limit->connections) {
		count(FRONT_COUNT_SOURCE_CONNECTIONS);
		return 1;
	}
	use->count++;
	if (use->begun_sweep != sweep) {
		use->begun_sweep = sweep;
		use->begun = 0;
	}
	use->begun++;
	return 0;
}

/* The sweep number `sweep` meets a living flow. */
INLINE void source_count(const struct flow_key *flow, __u32 service, __u32 sweep)
{
	struct source_limit *limit = source_limit(service);
	struct client_key key;
	struct client_use *use;

	if (!limit || !limit->connections)
		return;
	key.address = flow->client;
	key.service = service;
	use = bpf_map_lookup_elem(&clients, &key);
	if (!use)
		return;
	if (use->sweep != sweep) {
		use->open = use->sweep == sweep - 1 ? use->counted : 0;
		use->counted = 0;
		use->sweep = sweep;
	}
	use->counted++;
}

#endif

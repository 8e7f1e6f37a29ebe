/* Whether a dispatcher on another host answers: for front and nodes, which ask it.
 *
 * Each host sees that for itself: a question that has had no answer for DISPATCHER_PATIENCE_NS
 * means that the dispatcher doesn't, until an answer comes. Meanwhile requests are placed by hash,
 * but for one now and then that is asked about all the same. Which dispatcher has a target is said
 * in place/dispatcher.h.
 */
#ifndef BATON_BPF_DISPATCHERS_H
#define BATON_BPF_DISPATCHERS_H

#include "bpf/cluster_maps.h"
#include "place/dispatcher.h"
#include "wire/header.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DISPATCHERS_MAX);
	__type(key, __u32);
	__type(value, struct dispatcher_state);
} dispatchers SEC(".maps");

/* 1 if the dispatcher is to be asked. */
INLINE int dispatcher_answers(const struct cluster *here, __u32 number)
{
	struct dispatcher_state *state = bpf_map_lookup_elem(&dispatchers, &number);
	__u64 open, probed, now = bpf_ktime_get_ns();

	if (!state || number >= DISPATCHERS_MAX || !here->dispatchers[number].reachable)
		return 0;
	open = state->open_ns;
	if (!open || now - open < DISPATCHER_PATIENCE_NS)
		return 1;
	probed = state->probed_ns;
	return !state->away && now - probed >= DISPATCHER_PROBE_NS &&
	       __sync_val_compare_and_swap(&state->probed_ns, probed, now) == probed;
}

/* A question goes to it. */
INLINE void dispatcher_asked(__u32 number)
{
	struct dispatcher_state *state = bpf_map_lookup_elem(&dispatchers, &number);

	if (state && !state->open_ns)
		__sync_val_compare_and_swap(&state->open_ns, 0, bpf_ktime_get_ns());
}

/* Something has come from `sender` of a header. */
INLINE void dispatcher_heard(__u32 sender)
{
	__u32 number = sender - BATON_DISPATCHER(0);
	struct dispatcher_state *state = bpf_map_lookup_elem(&dispatchers, &number);

	if (state)
		state->open_ns = 0;
}

#endif

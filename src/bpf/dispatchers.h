/* Which dispatcher has a target, and whether it answers: for front and nodes, where dispatchers are
 * on hosts of their own.
 *
 * A target's dispatcher is found by rendezvous hashing over the dispatchers' names (Thaler and
 * Ravishankar, IEEE/ACM ToN 1998), so all hosts agree on it without a word, and one more dispatcher
 * takes from the others only what is its own. Whether it answers each host sees for itself: a
 * question that has had no answer for DISPATCHER_PATIENCE_NS means that it doesn't, until an answer
 * comes. Meanwhile requests are placed by hash, but for one now and then that is asked all the
 * same.
 */
#ifndef BATON_BPF_DISPATCHERS_H
#define BATON_BPF_DISPATCHERS_H

#include "bpf/cluster_maps.h"
#include "place/hash.h"
#include "wire/header.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DISPATCHERS_MAX);
	__type(key, __u32);
	__type(value, struct dispatcher_state);
} dispatchers SEC(".maps");

/* The number of the target's dispatcher; there is at least one. */
INLINE __u32 dispatcher_of(const struct cluster *here, __u64 target)
{
	__u64 best = 0, score;
	__u32 found = 0;

	for (__u32 i = 0; i < DISPATCHERS_MAX; i++) {
		if (i >= here->dispatcher_count)
			break;
		score = place_mix(target ^ here->dispatcher_hashes[i]);
		if (score >= best) {
			best = score;
			found = i;
		}
	}
	return found;
}

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

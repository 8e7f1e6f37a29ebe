/* Following the server's bytes: where responses end, what they were, how long they took. */
#ifndef BATON_BPF_NODE_RESPONSE_H
#define BATON_BPF_NODE_RESPONSE_H

#include "bpf/node_request.h"
#include "wire/times.h"

INLINE __u32 answer_pin_reason(const struct response_state *state)
{
	switch (state->carried) {
	case RESPONSE_REASON_UPGRADE:
		return PIN_UPGRADE;
	case RESPONSE_REASON_CLOSE:
		return PIN_CLOSE;
	case RESPONSE_REASON_PIPELINE:
		return PIN_PIPELINE;
	default:
		return PIN_RESPONSE;
	}
}

/* How long requests take: wire/times.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TIMES_SERVICES *TIMES_KINDS);
	__type(key, __u32);
	__type(value, struct times);
} node_times SEC(".maps");

INLINE void answer_time(__u32 service, __u32 kind, __u64 ns)
{
	__u32 at = TIMES_OF(service, kind);
	struct times *times = bpf_map_lookup_elem(&node_times, &at);
	__u64 bucket = BOUND(times_bucket(ns), 255);

	if (times && bucket < TIMES_BUCKETS)
		times->buckets[bucket]++;
}

/* The response in hand has ended at `now`. */
SUBPROGRAM int answer_end(struct held *flow, __u64 now)
{
	const struct response_state *state;
	struct node_service_counters *counters;
	__u64 class;

	if (!flow)
		return 0;
	state = (const struct response_state *)flow->response;
	class = BOUND(state->status / 100, 7);
	if (record_wanted())
		record_response(flow, 0, now);
	flow->responses++;
	count(NODE_COUNT_RESPONSES);
	counters = service_counters(flow->service);
	load_answered(counters, 1);
	if (!counters)
		return 0;
	counters->status[class < 6 ? class : 0]++;
	/* Pipelined requests have no times of their own. */
	if (flow->asked_ns && flow->requests == flow->responses) {
		counters->timed++;
		counters->first_byte_ns += flow->first_ns - flow->asked_ns;
		counters->whole_ns += now - flow->asked_ns;
		answer_time(flow->service, TIMES_FIRST_BYTE, flow->first_ns - flow->asked_ns);
		answer_time(flow->service, TIMES_WHOLE, now - flow->asked_ns);
		flow->asked_ns = 0;
	}
	flow->first_ns = 0;
	return 0;
}

/* Follows the payload of the segment in hand, on its way out. Returns 0. */
SUBPROGRAM int answer_follow(struct __sk_buff *skb, struct held *flow)
{
	struct work *work = work_area(WORK_OUT);
	struct node_service_counters *counters;
	struct response_state *state;
	__u32 end, length, responses;
	__u64 used, zero, now = 0;
	__u16 done;
	int at;

	if (!work || !flow)
		return 0;
	end = work->segment.seq + work->segment.length;
	if (!before(flow->response_seq, end))
		return 0; /* sent again */
	at = flow->response_seq - work->segment.seq;
	if (at < 0) {
		request_pin(flow, PIN_GAP);
		at = 0;
	}
	length = work->segment.length - at;
	flow->bytes_out += length;
	counters = service_counters(flow->service);
	if (counters)
		counters->bytes_out += length;
	state = (struct response_state *)flow->response;
	responses = flow->responses;
	zero = scratch_zero(&work->text);
	used = 0;
	while (used < length) {
		LOOP_STEP(used, zero);
		if (flow->flags & HELD_PINNED || state->phase == RESPONSE_PINNED)
			break;
		if (!flow->first_ns)
			flow->first_ns = now = bpf_ktime_get_ns();
		done = state->done;
		used += response_follow_one(skb, work->segment.payload_at + at + used,
					    length - used, state, &work->text);
		if (state->done != done)
			answer_end(flow, now ?: (now = bpf_ktime_get_ns()));
	}
	/* An answer to a request that is still being sent: what the server makes of the rest is its
	 * own affair. */
	if (flow->responses != responses && flow->requests == flow->responses &&
	    (before(flow->received_seq, flow->request_seq) ||
	     body_running((struct body_state *)flow->body)))
		request_pin(flow, PIN_EARLY);
	if (state->phase == RESPONSE_PINNED && !(flow->flags & HELD_PINNED))
		request_pin(flow, answer_pin_reason(state));
	if (used < length)
		state->sent += length - used;
	flow->response_seq = end;
	return 0;
}

/* The server ends the connection, by the segment in hand: so do the responses that are under way.
 */
INLINE void answer_cut(struct held *flow, __u32 reset)
{
	const struct response_state *state = (const struct response_state *)flow->response;

	if (!record_wanted() || !response_awaited(state))
		return;
	if (state->phase == RESPONSE_PINNED && state->carried == RESPONSE_REASON_CLOSE && !reset)
		record_response(flow, 0, 0); /* as long as the connection: it is whole */
	else
		record_response(
			flow,
			flow->flags & HELD_PINNED ? RECORD_CUT | RECORD_UNFOLLOWED : RECORD_CUT, 0);
}

#endif

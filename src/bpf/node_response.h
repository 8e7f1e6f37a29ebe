/* Following the server's bytes: where responses end, what they were, how long they took. */
#ifndef BATON_BPF_NODE_RESPONSE_H
#define BATON_BPF_NODE_RESPONSE_H

#include "bpf/node_request.h"

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

/* `done` responses have ended with the segment in hand. */
INLINE void answer_count(struct held *flow, const struct response_state *state, __u32 done)
{
	struct node_service_counters *counters = service_counters(flow->service);
	__u64 class = BOUND(state->status / 100, 7);

	for (__u32 i = 0; i < done && i < RESPONSE_REQUESTS; i++)
		count(NODE_COUNT_RESPONSES);
	if (!counters)
		return;
	counters->requests += done;
	counters->status[class < 6 ? class : 0] += done;
	/* Pipelined requests have no times of their own. */
	if (flow->asked_ns && done == 1 && flow->requests == flow->responses) {
		__u64 now = bpf_ktime_get_ns();

		counters->timed++;
		counters->first_byte_ns += flow->first_ns - flow->asked_ns;
		counters->whole_ns += now - flow->asked_ns;
		flow->asked_ns = 0;
	}
}

/* Follows the payload of the segment in hand, on its way out. Returns 0. */
SUBPROGRAM int answer_follow(struct __sk_buff *skb, struct held *flow)
{
	struct work *work = work_area(WORK_OUT);
	struct node_service_counters *counters;
	struct response_state *state;
	__u32 end, length;
	int at, done;

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
	if (!(flow->flags & HELD_PINNED)) {
		state = (struct response_state *)flow->response;
		if (flow->asked_ns && !flow->first_ns)
			flow->first_ns = bpf_ktime_get_ns();
		done = response_follow(skb, work->segment.payload_at + at, length, state,
				       &work->text);
		if (done > 0) {
			flow->responses += done;
			answer_count(flow, state, done);
			/* An answer to a request that is still being sent: what the server makes of
			 * the rest is its own affair. */
			if (flow->requests == flow->responses &&
			    (before(flow->received_seq, flow->request_seq) ||
			     body_running((struct body_state *)flow->body)))
				request_pin(flow, PIN_EARLY);
		}
		if (state->phase == RESPONSE_PINNED)
			request_pin(flow, answer_pin_reason(state));
	}
	flow->response_seq = end;
	return 0;
}

#endif

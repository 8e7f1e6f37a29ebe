/* Following the client's bytes: where requests begin, and what the response follower must know of
 * them.
 *
 * `request_seq` is the sequence number of the next request head, or of the next byte of a chunked
 * body: everything before it has been understood. A body with a length is stepped over by moving
 * request_seq to its end, so its segments may come in any order. What can't be followed pins the
 * flow: it stays here until its end, and is none of our business any more.
 */
#ifndef BATON_BPF_NODE_REQUEST_H
#define BATON_BPF_NODE_REQUEST_H

#include "bpf/http_head.h"
#include "bpf/http_response.h"
#include "bpf/node_place.h"
#include "bpf/node_record.h"
#include "bpf/node_segment.h"

enum {
	REQUESTS_IN_SEGMENT = 16,   /* heads followed in one segment; more pin the flow */
	REQUEST_BODY_MAX = 1 << 30, /* longest body that sequence numbers can step over */
};

/* The flow stays here from now on. */
INLINE void request_pin(struct held *flow, __u32 reason)
{
	if (__sync_fetch_and_or(&flow->flags, HELD_PINNED) & HELD_PINNED)
		return;
	load_abandoned(service_counters(flow->service), flow->requests - flow->responses);
	flow->pin = reason;
	if (reason != PIN_CLOSE)
		count(NODE_COUNT_PINNED);
}

/* One side has ended the connection: what is not answered by now won't be. */
INLINE void request_end(struct held *flow)
{
	if (flow->requests != flow->responses)
		request_pin(flow, PIN_CLOSE);
}

_Static_assert(sizeof(struct response_state) == HELD_RESPONSE_WORDS * 8 &&
		       sizeof(struct body_state) == HELD_BODY_WORDS * 8,
	       "the followers' states fit into struct held");

/* A request's head has been read whole. Returns how long its body is, if that has a length. */
INLINE __u32 request_begun(struct held *flow, const struct http_fields *fields)
{
	__u32 flags = fields->flags;

	count(NODE_COUNT_REQUESTS);
	load_begun(service_counters(flow->service));
	flow->requests++;
	if (response_expect((struct response_state *)flow->response, flags & HTTP_HEAD))
		request_pin(flow, PIN_PIPELINE);
	if (flags & HTTP_BOUND_AUTH)
		request_pin(flow, PIN_LOGIN);
	if (flags & HTTP_CONNECT)
		request_pin(flow, PIN_UPGRADE);
	if (flags & HTTP_LENGTH && fields->content_length > REQUEST_BODY_MAX)
		request_pin(flow, PIN_FRAMING);
	if (flags & HTTP_CHUNKED)
		body_start_chunked((struct body_state *)flow->body);
	return flags & HTTP_LENGTH ? (__u32)fields->content_length & 0x7fffffff : 0;
}

/* Reads one request head, or what comes next of one that was cut, at `at` of the payload in hand.
 * Returns where what follows begins, which may lie behind this segment (head_running(): the head
 * goes on there), or a negative errno: the flow is pinned. */
SUBPROGRAM int request_next(struct __sk_buff *skb, struct held *flow, __u32 at)
{
	struct work *work = work_area(WORK_IN);
	struct http_request *request;
	struct body_state *body;
	__u32 length, flags;
	int used;

	if (!work || !flow)
		return -EINVAL;
	request = &work->request;
	body = (struct body_state *)flow->body;
	length = work->segment.length - at;
	if (length > SCRATCH_SIZE)
		length = SCRATCH_SIZE;
	asm volatile("" : "+r"(length));
	length &= 4095;
	if (!length || length > SCRATCH_SIZE ||
	    bpf_skb_load_bytes(skb, work->segment.payload_at + at, work->text.bytes, length)) {
		request_pin(flow, PIN_GAP);
		return -EFAULT;
	}
	if (head_running(body)) {
		used = head_follow(&work->text, length, body, &request->fields);
		if (used < 0) {
			body->phase = BODY_NONE;
			request_pin(flow, PIN_SPLIT);
			return -EAGAIN;
		}
		at += used;
		return head_running(body) ? at : at + request_begun(flow, &request->fields);
	}
	http_request_parse(&work->text, length, request);
	flags = request->fields.flags;
	if (flags & HTTP_BAD) {
		request_pin(flow, PIN_FRAMING);
		return -EPROTO;
	}
	if (!(flags & HTTP_COMPLETE)) {
		if (!head_split(body, &work->text, length, request))
			return at + length;
		request_pin(flow, PIN_SPLIT);
		return -EAGAIN;
	}
	return at + request->head_length + request_begun(flow, &request->fields);
}

/* Follows the payload of the segment in hand. Returns the node that its request belongs to if that
 * is another one (or PLACE_ASK) and nothing in the request stands against moving the flow; 0:
 * it is served here; -EBUSY: another CPU is at it, the segment is to be dropped. */
SUBPROGRAM int request_follow(struct __sk_buff *skb, struct held *flow)
{
	struct work *work = work_area(WORK_IN);
	struct body_state *body;
	__u32 end, length, idle, split;
	__u64 i, zero, now = 0;
	__s64 at;

	if (!work || !flow)
		return 0;
	length = work->segment.length;
	end = work->segment.seq + length;
	if (!length)
		return 0;
	work->wanted = 0;
	work->behind = 0;
	if (before(flow->received_seq, end))
		flow->received_seq = end;
	if (flow->flags & HELD_PINNED || !before(flow->request_seq, end))
		return 0;
	if (__sync_fetch_and_or(&flow->flags, HELD_READING) & HELD_READING) {
		count(NODE_COUNT_CONTENDED);
		return -EBUSY;
	}
	body = (struct body_state *)flow->body;
	at = (__s32)(flow->request_seq - work->segment.seq);
	if (at < 0) {
		request_pin(flow, PIN_GAP);
		goto out;
	}
	idle = !at && !body_running(body) &&
	       response_quiet((struct response_state *)flow->response) &&
	       flow->response_seq == work->segment.ack;
	zero = scratch_zero(&work->text);
	i = 0;
	while (i < REQUESTS_IN_SEGMENT) {
		LOOP_STEP(i, zero);
		FORGET(at, zero);
		split = head_running(body);
		if (body_running(body) && !split) {
			at += body_follow(skb, work->segment.payload_at + at, length - at, body,
					  &work->text);
			if (body->phase == BODY_BAD) {
				request_pin(flow, PIN_FRAMING);
				goto out;
			}
		} else {
			at = request_next(skb, flow, at);
			if (at < 0)
				goto out;
			/* What came in pieces is served here, and nobody asks where it belongs. */
			if (split || head_running(body)) {
				if (!work->taking && !head_running(body))
					count(NODE_COUNT_STAY_SPLIT);
				goto next;
			}
			work->reason = PLACE_REASON_STAY;
			work->stay = NODE_COUNT_STAY_BUSY;
			if (i)
				work->behind++;
			if (!i && idle) {
				flow->asked_ns = now = bpf_ktime_get_ns();
				work->wanted = place_elsewhere();
			}
			if (!i && !work->taking && !work->wanted)
				count(work->stay);
			if (record_wanted())
				record_request(flow, i ? 0 : work->wanted, now);
		}
next:
		if (at >= (__s64)length)
			break;
		i++;
	}
	if (at < (__s64)length) {
		request_pin(flow, PIN_PIPELINE);
		goto out;
	}
	flow->request_seq = work->segment.seq + at;
	/* A body that goes on behind this segment stays with its head. */
	if ((at > (__s64)length || body_running(body)) && work->wanted) {
		if (!work->taking)
			count(NODE_COUNT_STAY_BODY);
		work->wanted = 0;
	}
out:
	if (flow->flags & HELD_PINNED && work->wanted) {
		count(NODE_COUNT_STAYED_PINNED);
		work->wanted = 0;
	}
	/* Those behind a request that moves go with it. */
	if (work->behind && (!work->wanted || work->taking))
		count_more(NODE_COUNT_STAY_BUSY, work->behind);
	__sync_fetch_and_and(&flow->flags, ~HELD_READING);
	return work->wanted;
}

#endif

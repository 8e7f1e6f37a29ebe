/* Telling the daemon of single requests (wire/request_record.h), if it wants to know. */
#ifndef BATON_BPF_NODE_RECORD_H
#define BATON_BPF_NODE_RECORD_H

#include "bpf/node_maps.h"
#include "wire/request_record.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct watch);
} watch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RECORDS_SIZE);
} records SEC(".maps");

/* Where records are put together: too large for the stack. One for each direction, as with `work`.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct request_record);
} record_work SEC(".maps");

INLINE int record_wanted(void)
{
	__u32 zero = 0;
	struct watch *wish = bpf_map_lookup_elem(&watch, &zero);

	return wish && wish->log;
}

/* A record of `flow`, filled in as far as all kinds are alike; NULL if there is none. `now` is
 * CLOCK_MONOTONIC, 0 if it has not been read yet. */
INLINE struct request_record *record_begin(__u32 which, __u32 kind, const struct flow_key *key,
					   const struct held *flow, __u64 now)
{
	struct request_record *record = bpf_map_lookup_elem(&record_work, &which);

	if (!record)
		return NULL;
	record->time_ns = now ?: bpf_ktime_get_ns();
	record->first_ns = 0;
	record->bytes = 0;
	record->key = *key;
	record->generation = owner_generation(flow->owner);
	record->service = flow->service;
	record->status = 0;
	record->flags = 0;
	record->wanted = 0;
	record->kind = kind;
	record->reason = 0;
	record->pin = flow->pin;
	record->line_length = 0;
	record->host_length = 0;
	return record;
}

/* Sends `length` bytes of text with it. The daemon looks by itself often enough; it is woken when
 * the buffer becomes a quarter full, and not again for each record above: a wakeup costs ten times
 * what a record does. No record is longer than the span in which one of them wakes it. */
INLINE void record_send(struct request_record *record, __u32 length)
{
	__u64 above = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) - RECORDS_SIZE / 4;
	__u64 flags = above < sizeof(*record) + BPF_RINGBUF_HDR_SZ ? BPF_RB_FORCE_WAKEUP
								   : BPF_RB_NO_WAKEUP;

	if (length > RECORD_TEXT)
		length = RECORD_TEXT;
	if (bpf_ringbuf_output(&records, record,
			       __builtin_offsetof(struct request_record, text) + length, flags))
		count(NODE_COUNT_LOG_LOST);
}

/* The request in work->request and work->text has been read; `wanted` says to which other node it
 * belongs, `now` when it came (as for record_begin). */
SUBPROGRAM int record_request(struct held *flow, __u32 wanted, __u64 now)
{
	struct work *work = work_area(WORK_IN);
	struct request_record *record;
	const struct http_request *request;
	__u32 line, host, at;

	if (!work || !flow)
		return 0;
	record = record_begin(WORK_IN, RECORD_REQUEST, &work->segment.key, flow, now);
	if (!record)
		return 0;
	request = &work->request;
	record->number = flow->requests - 1;
	record->reason = work->reason;
	record->wanted = wanted > 0xffff ? 0xffff : wanted;
	if (!record->number) {
		record->reason = flow->reason;
		record->flags = flow->flags & HELD_FIRST ? RECORD_FIRST : RECORD_LATER;
	}
	if (request->fields.flags & HTTP_MINOR_1)
		record->flags |= RECORD_MINOR_1;
	line = request->target_at + request->target_length;
	if (line > RECORD_LINE_MAX) {
		line = RECORD_LINE_MAX;
		record->flags |= RECORD_CUT_LINE;
	}
	host = request->fields.flags & HTTP_HOST_KNOWN ? request->fields.host_length : 0;
	if (host > RECORD_HOST_MAX) {
		host = RECORD_HOST_MAX;
		record->flags |= RECORD_CUT_HOST;
	}
	at = request->fields.host_at;
	asm volatile("" : "+r"(line), "+r"(host), "+r"(at));
	line &= 1023;
	host &= 255;
	at &= SCRATCH_SIZE - 1;
	if (line > RECORD_LINE_MAX || host > RECORD_HOST_MAX || at > SCRATCH_SIZE - RECORD_HOST_MAX)
		return 0;
	record->line_length = line;
	record->host_length = host;
	bpf_probe_read_kernel(record->text, line, work->text.bytes);
	bpf_probe_read_kernel(record->text + line, host, work->text.bytes + at);
	record_send(record, line + host);
	return 0;
}

/* The response in hand has ended at `now` (as for record_begin), or with `flags` its connection. */
SUBPROGRAM int record_response(struct held *flow, __u32 flags, __u64 now)
{
	struct work *work = work_area(WORK_OUT);
	const struct response_state *state;
	struct request_record *record;

	if (!work || !flow)
		return 0;
	record = record_begin(WORK_OUT, RECORD_RESPONSE, &work->segment.key, flow, now);
	if (!record)
		return 0;
	state = (const struct response_state *)flow->response;
	record->number = flow->responses;
	record->flags = flags;
	record->first_ns = flow->first_ns;
	if (flow->first_ns) {
		record->status = state->status;
		record->bytes = state->sent;
	}
	record_send(record, 0);
	return 0;
}

/* The flow has left with the request in hand. */
SUBPROGRAM int record_moved(struct held *flow)
{
	struct work *work = work_area(WORK_IN);
	struct request_record *record;

	if (!work || !flow)
		return 0;
	record = record_begin(WORK_IN, RECORD_MOVED, &work->segment.key, flow, 0);
	if (!record)
		return 0;
	record->number = flow->responses;
	record_send(record, 0);
	return 0;
}

#endif

/* A request's head that comes in several segments, for the node's follower: it is served where it
 * is, but where it ends must be known, or the flow could never move again.
 *
 * Nothing is carried over from one segment to the next. A head can be followed that is cut inside
 * its target, between two header lines, or inside the value of a line that doesn't matter to the
 * framing: long URLs, cookies, tokens. Cut anywhere else, the flow is pinned. What is known so far
 * is kept in the body's state, whose phase says that there is no boundary here. */
#ifndef BATON_BPF_HTTP_HEAD_H
#define BATON_BPF_HTTP_HEAD_H

#include "bpf/http_body.h"
#include "bpf/http_request.h"

/* 1 while a head is being followed. */
INLINE int head_running(const struct body_state *body)
{
	return body->phase >= BODY_HEAD_TARGET;
}

/* Header lines have been read up to the end of what is there, `last` being the last byte, and the
 * head goes on. Returns 0, or -1: it can't be followed. */
INLINE int head_goes_on(struct body_state *body, const struct http_fields *fields, __u32 have,
			__u32 last)
{
	body->phase = BODY_NONE;
	if (fields->pending == HTTP_FIELD_OTHER && last != '\r')
		body->phase = BODY_HEAD_VALUE;
	else if (!fields->pending && fields->next == have)
		body->phase = BODY_HEAD_LINE;
	else
		return -1;
	body->flags = fields->flags;
	body->left = fields->content_length;
	return 0;
}

/* scratch[0, have) has been read as a request, which is not complete and not bad. Returns 0, or -1:
 * it can't be followed. */
INLINE int head_split(struct body_state *body, const struct scratch *scratch, __u32 have,
		      const struct http_request *request)
{
	if (request->fields.flags & HTTP_TARGET_KNOWN)
		return head_goes_on(body, &request->fields, have, scratch_u8(scratch, have - 1));
	if (!request->target_at || request->target_length || request->target_at >= have)
		return -1;
	body->phase = BODY_HEAD_TARGET;
	body->flags = request->fields.flags & (HTTP_HEAD | HTTP_CONNECT);
	body->left = 0;
	return 0;
}

/* Goes on with scratch[0, have). Returns how many bytes belong to the head: all of them, and
 * head_running() afterwards, if it still goes on; or -1: it can't be followed. When it is over,
 * `fields` has its flags and its Content-Length. */
SUBPROGRAM int head_follow(struct scratch *scratch, __u32 have, struct body_state *body,
			   struct http_fields *fields)
{
	__u64 zero, at = 0, word, stops;
	__u32 phase;

	if (!scratch || !body || !fields || !have || have > SCRATCH_SIZE)
		return -1;
	zero = scratch_zero(scratch);
	FORGET(at, zero);
	phase = body->phase;
	__builtin_memset(fields, 0, sizeof(*fields));
	fields->flags = body->flags;
	fields->content_length = body->left;
	fields->skip = phase == BODY_HEAD_VALUE;
	if (phase == BODY_HEAD_TARGET) {
		while (at < have) {
			LOOP_STEP(at, zero);
			stops = http_blanks(scratch_u64(scratch, at));
			if (stops) {
				at += http_first(stops);
				break;
			}
			at += 8;
		}
		if (at >= have)
			return have;
		/* " HTTP/1.1" and the line's end, in one piece. */
		if (scratch_u8(scratch, at) != ' ' || have - at < 11)
			return -1;
		word = scratch_u64(scratch, at + 1);
		if (word == HTTP_WORD('H', 'T', 'T', 'P', '/', '1', '.', '1'))
			fields->flags |= HTTP_MINOR_1;
		else if (word != HTTP_WORD('H', 'T', 'T', 'P', '/', '1', '.', '0'))
			return -1;
		if (scratch_u16(scratch, at + 9) != ('\r' | '\n' << 8))
			return -1;
		at += 11;
		fields->flags |= HTTP_TARGET_KNOWN;
	}
	http_fields_scan(scratch, at, have, fields);
	if (fields->flags & HTTP_BAD)
		return -1;
	if (fields->flags & HTTP_COMPLETE) {
		body->phase = BODY_NONE;
		return fields->next;
	}
	return head_goes_on(body, fields, have, scratch_u8(scratch, have - 1)) ? -1 : (int)have;
}

#endif

/* Following the server's side of a connection: where each response begins and ends (RFC 9112, 6.3).
 *
 * Fed with successive ranges of the stream, cut anywhere. What of a header line that matters is cut
 * off at a range's end is carried over to the next; a line that doesn't matter is passed through
 * whatever its length. The result doesn't depend on the cuts.
 *
 * Requests are announced by response_expect() from the other direction, maybe on another CPU: it
 * alone writes `begun` and `heads`, the follower all the rest.
 */
#ifndef BATON_BPF_HTTP_RESPONSE_H
#define BATON_BPF_HTTP_RESPONSE_H

#include "bpf/http_body.h"
#include "bpf/http_fields.h"

enum response_phase {
	RESPONSE_START,	 /* between responses */
	RESPONSE_FIELDS, /* at the beginning of a header line */
	RESPONSE_SKIP,	 /* inside a line that doesn't matter */
	RESPONSE_NAME,	 /* inside a name that is longer than any that matters */
	RESPONSE_BODY,
	RESPONSE_PINNED, /* the flow can't be followed any more; `reason` says why */
};

/* Why a response pins its flow. */
enum response_reason {
	RESPONSE_REASON_NONE,
	RESPONSE_REASON_FRAMING,     /* not understood */
	RESPONSE_REASON_UPGRADE,     /* 101 */
	RESPONSE_REASON_CLOSE,	     /* ended, or will end, with the connection */
	RESPONSE_REASON_UNSOLICITED, /* an answer to nothing */
	RESPONSE_REASON_PIPELINE,    /* more requests under way than are remembered */
};

enum {
	RESPONSE_REQUESTS = 32, /* so many may be under way */
	RESPONSE_CARRY = 32,	/* bytes of a line kept from one range to the next */
	/* A line that frames the response may be so long, with its CR it fits. "Content-Length: "
	 * and 15 digits, "Connection: keep-alive, Upgrade" are. */
	RESPONSE_LINE_MAX = RESPONSE_CARRY - 1,
	RESPONSE_STATUS_LENGTH = 12, /* HTTP/1.1 200 */
};

/* Begins as zeros. */
struct response_state {
	struct body_state body; /* in the head, body.left is the Content-Length */
	__u64 carry[RESPONSE_CARRY / 8];
	__u32 begun;  /* requests announced, ever */
	__u32 heads;  /* bit n % 32: request n is a HEAD */
	__u16 done;   /* responses that ended, ever; 1xx are none */
	__u16 status; /* of the last response whose first line was read */
	__u16 flags;  /* enum http_flags of the head being read */
	__u8 phase;   /* enum response_phase */
	__u8 carried; /* bytes in carry; RESPONSE_PINNED: enum response_reason */
	__u64 sent;   /* bytes behind the head of the last response that has ended, or goes on */
};
WIRE_SIZE(struct response_state, 72);

/* Requests whose response hasn't ended. */
INLINE __u32 response_awaited(const struct response_state *state)
{
	return (__u16)(state->begun - state->done);
}

/* 1 if every announced request's response has ended and nothing behind it has come. */
INLINE int response_quiet(const struct response_state *state)
{
	return state->phase == RESPONSE_START && !state->carried && !response_awaited(state);
}

/* Announces a request, before the server can see it; `head`: its method is HEAD. Returns 0, or -1
 * if too many are under way: the caller pins the flow. One caller at a time. */
INLINE int response_expect(struct response_state *state, int head)
{
	__u32 bit = 1u << (state->begun % RESPONSE_REQUESTS);

	if (response_awaited(state) >= RESPONSE_REQUESTS)
		return -1;
	if (head)
		__sync_fetch_and_or(&state->heads, bit);
	else
		__sync_fetch_and_and(&state->heads, ~bit);
	__sync_fetch_and_add(&state->begun, 1);
	return 0;
}

INLINE void response_pin(struct response_state *state, __u32 reason)
{
	state->phase = RESPONSE_PINNED;
	state->carried = reason;
}

/* The response in hand has ended. */
INLINE void response_end(struct response_state *state)
{
	__u32 flags = state->flags;

	state->done++;
	state->phase = RESPONSE_START;
	state->flags = 0;
	state->body.left = 0;
	if (flags & HTTP_CLOSE || !(flags & (HTTP_MINOR_1 | HTTP_KEEP_ALIVE)))
		response_pin(state, RESPONSE_REASON_CLOSE);
}

/* The head in hand is whole: what follows? */
INLINE void response_head_end(struct response_state *state)
{
	int head = state->heads >> (state->done % RESPONSE_REQUESTS) & 1;

	state->phase = RESPONSE_START;
	if (state->status == 101) {
		response_pin(state, RESPONSE_REASON_UPGRADE);
	} else if (state->status < 200 &&
		   (state->flags & (HTTP_CLOSE | HTTP_LENGTH | HTTP_CHUNKED) ||
		    !(state->flags & HTTP_MINOR_1))) {
		/* "Continue" and "close" at once, or with a body, or from before there were interim
		 * responses. */
		response_pin(state, RESPONSE_REASON_FRAMING);
	} else if (state->status < 200) {
		state->flags = 0;
		state->body.left = 0;
	} else if (head || state->status == 204 || state->status == 304) {
		response_end(state);
	} else if (state->flags & HTTP_CHUNKED) {
		body_start_chunked(&state->body);
		state->phase = RESPONSE_BODY;
	} else if (state->flags & HTTP_LENGTH) {
		body_start_length(&state->body, state->body.left);
		state->phase = RESPONSE_BODY;
		if (!body_running(&state->body))
			response_end(state);
	} else {
		response_pin(state, RESPONSE_REASON_CLOSE);
	}
}

/* Reads the status line's beginning in scratch[0, have). Returns how much of it was used, or -1 if
 * more is needed. */
INLINE int response_status(struct response_state *state, struct scratch *scratch, __u32 have)
{
	__u64 first = scratch_u64(scratch, 0);
	__u64 then = scratch_u64(scratch, 8);
	__u64 digits = then >> 8 & 0xffffff;

	if (!response_awaited(state)) {
		response_pin(state, RESPONSE_REASON_UNSOLICITED);
		return 0;
	}
	if (have <= RESPONSE_STATUS_LENGTH)
		return -1;
	state->flags = 0;
	if (first == HTTP_WORD('H', 'T', 'T', 'P', '/', '1', '.', '1'))
		state->flags = HTTP_MINOR_1;
	else if (first != HTTP_WORD('H', 'T', 'T', 'P', '/', '1', '.', '0'))
		goto bad;
	/* A space, three digits, a space or the line's end. */
	if ((then & 0xff) != ' ' || digits & 0x808080 ||
	    (http_range(digits, '0', '9') & 0x808080) != 0x808080 ||
	    ((then >> 32 & 0xff) != ' ' && (then >> 32 & 0xff) != '\r'))
		goto bad;
	digits -= 0x303030;
	state->sent = 0;
	state->status = (digits & 0xff) * 100 + (digits >> 8 & 0xff) * 10 + (digits >> 16 & 0xff);
	if (state->status < 100)
		goto bad;
	state->body.left = 0;
	/* The reason phrase is passed over like a value. */
	state->phase = RESPONSE_SKIP;
	return RESPONSE_STATUS_LENGTH;
bad:
	response_pin(state, RESPONSE_REASON_FRAMING);
	return 0;
}

/* Keeps scratch[from, have) for the next range; pins the flow if it is too much. */
INLINE void response_carry(struct response_state *state, struct scratch *scratch, __u32 from,
			   __u32 have)
{
	if (have - from > RESPONSE_CARRY) {
		response_pin(state, RESPONSE_REASON_FRAMING);
		return;
	}
	state->carry[0] = scratch_u64(scratch, from);
	state->carry[1] = scratch_u64(scratch, from + 8);
	state->carry[2] = scratch_u64(scratch, from + 16);
	state->carry[3] = scratch_u64(scratch, from + 24);
	state->carried = have - from;
}

/* Reads of a head what scratch[0, have) holds, the carried bytes first. Returns how many of them
 * are used up; all of them if more are needed. */
SUBPROGRAM __u32 response_head(struct response_state *state, struct scratch *scratch, __u32 have)
{
	struct http_fields fields = {};
	__u32 from = 0;
	int used;

	if (!state || !scratch)
		return 0;
	state->carried = 0;
	if (state->phase == RESPONSE_START) {
		used = response_status(state, scratch, have);
		if (used < 0) {
			response_carry(state, scratch, 0, have);
			return have;
		}
		if (state->phase == RESPONSE_PINNED)
			return have;
		from = used;
	}
	fields.flags = state->flags;
	fields.content_length = state->body.left;
	fields.limit = RESPONSE_LINE_MAX;
	fields.skip = state->phase == RESPONSE_SKIP   ? HTTP_SKIP_VALUE
		      : state->phase == RESPONSE_NAME ? HTTP_SKIP_NAME
						      : HTTP_SKIP_NOTHING;
	http_fields_scan(scratch, from, have, &fields);
	state->flags = fields.flags & ~HTTP_COMPLETE;
	state->body.left = fields.content_length;
	if (fields.flags & HTTP_BAD) {
		response_pin(state, RESPONSE_REASON_FRAMING);
		return have;
	}
	if (fields.flags & HTTP_COMPLETE) {
		response_head_end(state);
		return fields.next;
	}
	if (fields.pending == HTTP_FIELD_OTHER) {
		state->phase = RESPONSE_SKIP;
		/* A line's end may be cut in two. */
		from = have - (scratch_u8(scratch, have - 1) == '\r');
	} else if (fields.pending == HTTP_FIELD_LONG) {
		state->phase = RESPONSE_NAME;
		from = have;
	} else {
		state->phase = RESPONSE_FIELDS;
		from = fields.next;
	}
	response_carry(state, scratch, from, have);
	return have;
}

/* Follows the server's stream, of which `length` bytes lie at `offset` of the source, to the end of
 * the response in hand: state->done tells that it has ended. Returns how many bytes were used, all
 * unless it ended before or the flow can't be followed any more (RESPONSE_PINNED). The scratch's
 * content is lost. */
SUBPROGRAM __u32 response_follow_one(struct byte_source *source, __u32 offset, __u32 length,
				     struct response_state *state, struct scratch *scratch)
{
	__u64 zero, at, used;
	__u32 carried, want;
	__u16 done;

	if (!state || !scratch)
		return 0;
	done = state->done;
	zero = scratch_zero(scratch);
	at = 0;
	while (at < length) {
		LOOP_STEP(at, zero);
		if (state->phase == RESPONSE_PINNED || state->done != done)
			break;
		if (state->phase == RESPONSE_BODY) {
			used = body_follow(source, offset + at, length - at, &state->body, scratch);
			at += used;
			state->sent += used;
			if (state->body.phase == BODY_BAD)
				response_pin(state, RESPONSE_REASON_FRAMING);
			else if (!body_running(&state->body))
				response_end(state);
			continue;
		}
		carried = state->carried;
		if (carried > RESPONSE_CARRY)
			break;
		__builtin_memcpy(scratch->bytes, state->carry, RESPONSE_CARRY);
		want = length - at;
		want = byte_source_window(source, offset + at, scratch, carried,
					  want < 512 ? want : 512);
		if (!want) {
			response_pin(state, RESPONSE_REASON_FRAMING);
			break;
		}
		used = response_head(state, scratch, carried + want);
		/* Every turn takes more than was carried, so `at` grows. */
		at += used > carried ? used - carried : want;
	}
	return at < length ? at : length;
}

/* The same to the end of what there is. Returns how many responses ended in it. */
SUBPROGRAM int response_follow(struct byte_source *source, __u32 offset, __u32 length,
			       struct response_state *state, struct scratch *scratch)
{
	__u64 zero, at;
	__u16 done;

	if (!state || !scratch)
		return 0;
	done = state->done;
	zero = scratch_zero(scratch);
	at = 0;
	while (at < length) {
		LOOP_STEP(at, zero);
		if (state->phase == RESPONSE_PINNED)
			break;
		at += response_follow_one(source, offset + at, length - at, state, scratch);
	}
	return (__u16)(state->done - done);
}

#endif

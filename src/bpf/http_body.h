/* Following the body of an HTTP/1.1 message (RFC 9112, 6 and 7.1) through the segments it comes in.
 *
 * A length is counted down and the data of chunks is jumped over, so a body costs by its chunks,
 * not by its bytes. Lines between chunks are read a byte at a time with all state in `phase`, so
 * they may be cut anywhere. Bare CR and LF, folded trailers and control characters are refused.
 */
#ifndef BATON_BPF_HTTP_BODY_H
#define BATON_BPF_HTTP_BODY_H

#include "bpf/byte_source.h"

enum body_phase {
	BODY_NONE,	 /* over, or there was none */
	BODY_BAD,	 /* not understood: nothing behind it can be */
	BODY_DATA,	 /* `left` bytes of a body with a length */
	BODY_CHUNK_DATA, /* `left` bytes of a chunk */
	BODY_CHUNK_CR,	 /* behind a chunk's data */
	BODY_CHUNK_LF,
	BODY_SIZE_FIRST, /* before the first digit of a chunk's size */
	BODY_SIZE,	 /* among its digits */
	BODY_EXTENSION,	 /* behind them, before the line's end */
	BODY_SIZE_LF,
	BODY_TRAILER,	   /* at the beginning of a line behind the last chunk */
	BODY_TRAILER_LINE, /* inside of one */
	BODY_TRAILER_LF,
	BODY_LAST_LF, /* of the empty line that ends it */
	/* Not a body: the request's head goes on in the next segment (http_head.h). */
	BODY_HEAD_TARGET, /* inside of the request-target */
	BODY_HEAD_LINE,	  /* at the beginning of a header line */
	BODY_HEAD_VALUE,  /* inside the value of a line that doesn't matter */
};

struct body_state {
	__u64 left;  /* in a head: its Content-Length */
	__u32 phase; /* enum body_phase */
	__u32 flags; /* in a head: enum http_flags of what has been read */
};
WIRE_SIZE(struct body_state, 16);

#define BODY_CHUNK_BITS 48 /* a larger chunk is refused */

INLINE void body_start_length(struct body_state *body, __u64 length)
{
	body->left = length;
	body->phase = length ? BODY_DATA : BODY_NONE;
}

INLINE void body_start_chunked(struct body_state *body)
{
	body->left = 0;
	body->phase = BODY_SIZE_FIRST;
}

/* 1 while bytes of the body are still to come. */
INLINE int body_running(const struct body_state *body)
{
	return body->phase > BODY_BAD;
}

/* What a hexadecimal digit is worth; above 15 if it is none. */
INLINE __u32 body_digit(__u32 byte)
{
	__u32 letter = (byte | 0x20) - 'a';

	if (byte - '0' <= 9)
		return byte - '0';
	return letter < 6 ? letter + 10 : 16;
}

/* The phase behind `byte`, for the phases that are read by bytes. */
INLINE __u32 body_byte(struct body_state *body, __u32 phase, __u32 byte)
{
	__u32 digit;

	switch (phase) {
	case BODY_CHUNK_CR:
		return byte == '\r' ? BODY_CHUNK_LF : BODY_BAD;
	case BODY_CHUNK_LF:
		return byte == '\n' ? BODY_SIZE_FIRST : BODY_BAD;
	case BODY_SIZE_FIRST:
		body->left = body_digit(byte);
		return body->left > 15 ? BODY_BAD : BODY_SIZE;
	case BODY_SIZE:
		digit = body_digit(byte);
		if (digit <= 15) {
			if (body->left >> (BODY_CHUNK_BITS - 4))
				return BODY_BAD;
			body->left = body->left << 4 | digit;
			return BODY_SIZE;
		}
		if (byte == ';' || byte == ' ' || byte == '\t')
			return BODY_EXTENSION;
		return byte == '\r' ? BODY_SIZE_LF : BODY_BAD;
	case BODY_SIZE_LF:
		if (byte != '\n')
			return BODY_BAD;
		return body->left ? BODY_CHUNK_DATA : BODY_TRAILER;
	case BODY_TRAILER:
		if (byte == '\r')
			return BODY_LAST_LF;
		return byte <= ' ' || byte == 0x7f ? BODY_BAD : BODY_TRAILER_LINE;
	case BODY_EXTENSION:
	case BODY_TRAILER_LINE:
		if (byte == '\r')
			return phase == BODY_EXTENSION ? BODY_SIZE_LF : BODY_TRAILER_LF;
		return (byte < ' ' && byte != '\t') || byte == 0x7f ? BODY_BAD : phase;
	case BODY_TRAILER_LF:
		return byte == '\n' ? BODY_TRAILER : BODY_BAD;
	case BODY_LAST_LF:
		return byte == '\n' ? BODY_NONE : BODY_BAD;
	}
	return BODY_BAD;
}

/* Follows the `length` bytes of the stream that lie at `offset` of the source. Returns how many of
 * them belong to the body: fewer than `length` only if it ended (BODY_NONE) or is BODY_BAD. The
 * scratch's content is lost. */
SUBPROGRAM __u32 body_follow(struct byte_source *source, __u32 offset, __u32 length,
			     struct body_state *body, struct scratch *scratch)
{
	__u64 zero, at, from, until, phase;

	if (!body || !scratch)
		return 0;
	zero = scratch_zero(scratch);
	at = 0;
	from = until = 0; /* what of the stream is in the scratch */
	while (at < length) {
		FORGET(from, zero);
		FORGET(until, zero);
		LOOP_STEP(at, zero);
		phase = body->phase;
		if (phase <= BODY_BAD)
			break;
		if (phase == BODY_DATA || phase == BODY_CHUNK_DATA) {
			__u64 take = length - at;

			if (take > body->left)
				take = body->left;
			at += take;
			body->left -= take;
			if (!body->left)
				body->phase = phase == BODY_DATA ? BODY_NONE : BODY_CHUNK_CR;
			continue;
		}
		if (at < from || at >= until) {
			__u32 want = length - at;

			want = byte_source_window(source, offset + at, scratch, 0,
						  want < 64 ? want : 64);
			if (!want) {
				body->phase = BODY_BAD;
				break;
			}
			from = at;
			until = at + want;
		}
		body->phase = body_byte(body, phase, scratch_u8(scratch, at - from));
		at++;
	}
	return at < length ? at : length;
}

#endif

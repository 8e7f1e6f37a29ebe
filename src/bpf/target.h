/* From a request that has been read to the query that places it: the target's bytes, host and path
 * as if they stood one behind the other, and the three hashes of them that policies key on. The
 * same lines run in the kernel, on a request's bytes, and on the host. */
#ifndef BATON_BPF_TARGET_H
#define BATON_BPF_TARGET_H

#include "bpf/http_request.h"
#include "place/hash.h"
#include "place/md5.h"
#include "wire/address.h"
#include "wire/cluster.h"

struct target_text {
	__u16 host_at, host_length; /* taken in lower case */
	__u16 path_at, path_length;
};

INLINE __u64 text_length(const struct target_text *text)
{
	return (__u64)text->host_length + text->path_length;
}

/* Eight bytes of the text from `at` on, the first one lowest, zeros behind the end. */
INLINE __u64 text_word(const struct scratch *scratch, const struct target_text *text, __u64 at)
{
	__u64 word, left;

	if (at < text->host_length) {
		left = text->host_length - at;
		word = place_lower(scratch_u64(scratch, text->host_at + at));
		if (left < 8) {
			word &= ~0ull >> (64 - 8 * left);
			word |= scratch_u64(scratch, text->path_at) << 8 * left;
		}
	} else {
		word = scratch_u64(scratch, text->path_at + at - text->host_length);
	}
	left = text_length(text) - at;
	return left < 8 ? word & ~(~0ull << 8 * left) : word;
}

/* place_hash of the text. */
SUBPROGRAM __u64 text_hash(struct scratch *scratch, const struct target_text *text)
{
	__u64 zero, at = 0, end, hash = PLACE_HASH_START;

	if (!scratch || !text)
		return 0;
	zero = scratch_zero(scratch);
	FORGET(at, zero);
	FORGET(hash, zero);
	end = text_length(text) & ~7ull;
	while (at < end) {
		LOOP_STEP(at, zero);
		FORGET(hash, zero);
		hash = place_hash_word(hash, text_word(scratch, text, at));
		at += 8;
	}
	return place_hash_end(hash, text_word(scratch, text, at), text_length(text));
}

/* CARP's hash of a URL: place/carp.h says whence. */
SUBPROGRAM __u32 text_carp(struct scratch *scratch, const struct target_text *text)
{
	__u64 zero, at = 0, word = 0, hash = 0;

	if (!scratch || !text)
		return 0;
	zero = scratch_zero(scratch);
	FORGET(at, zero);
	FORGET(word, zero);
	FORGET(hash, zero);
	while (at < text_length(text)) {
		LOOP_STEP(at, zero);
		FORGET(word, zero);
		FORGET(hash, zero);
		if (!(at & 7))
			word = text_word(scratch, text, at);
		hash += (__u32)((__u32)hash << 19 | (__u32)hash >> 13) + (word & 0xff);
		word >>= 8;
		at++;
	}
	return hash;
}

/* Eight bytes of what MD5 is made of: the text, 0x80, zeros, and the text's length in bits in the
 * last eight bytes of a block. */
SUBPROGRAM __u64 text_md5_word(struct scratch *scratch, const struct target_text *text, __u64 at)
{
	__u64 length, word;

	if (!scratch || !text)
		return 0;
	length = text_length(text);
	if (at > length)
		return (at & 63) == 56 ? length * 8 : 0;
	word = text_word(scratch, text, at);
	return length - at < 8 ? word | 0x80ull << 8 * (length - at) : word;
}

/* The last four bytes, big-endian, of the text's MD5. */
SUBPROGRAM __u32 text_md5(struct scratch *scratch, const struct target_text *text)
{
	__u64 zero, at = 0, word;
	struct md5 md5;

	if (!scratch || !text)
		return 0;
	zero = scratch_zero(scratch);
	FORGET(at, zero);
	md5_start(&md5);
	while (at < text_length(text) + 9) {
		LOOP_STEP(at, zero);
		for (int i = 0; i < 16; i += 2) {
			word = text_md5_word(scratch, text, at + 4 * i);
			scratch->block[i] = word;
			scratch->block[i + 1] = word >> 32;
		}
		md5_block(&md5, &scratch->block);
		at += 64;
	}
	return md5_low(&md5);
}

/* A client's address as policies take it. */
INLINE __u64 place_client(const struct address *client)
{
	__u64 hash = PLACE_HASH_START;

	if (!address_is_ipv4(client))
		hash = place_hash_word(hash, (__u64)client->words[0] << 32 | client->words[1]);
	return place_hash_end(hash, (__u64)client->words[2] << 32 | client->words[3], 16);
}

/* Puts into the query what the pool wants (place_wants) of the target. */
INLINE void place_text(struct place_query *query, __u32 wants, struct scratch *scratch,
		       const struct target_text *text)
{
	if (wants & PLACE_WANT_TARGET)
		query->target = text_hash(scratch, text);
	if (wants & PLACE_WANT_CARP)
		query->carp = text_carp(scratch, text);
	if (wants & PLACE_WANT_MD5)
		query->md5 = text_md5(scratch, text);
}

/* The host without the port that its scheme implies. */
INLINE __u16 text_host_length(const struct scratch *scratch, __u32 at, __u32 length)
{
	if (length > 3 && scratch_u16(scratch, at + length - 3) == (':' | '8' << 8) &&
	    scratch_u8(scratch, at + length - 1) == '0')
		return length - 3;
	if (length > 4 &&
	    scratch_u32(scratch, at + length - 4) == (':' | '4' << 8 | '4' << 16 | '3' << 24))
		return length - 4;
	return length;
}

/* How many of the path's bytes are its first `segments` segments; the '/' before each belongs to
 * it. */
SUBPROGRAM __u32 text_segments(struct scratch *scratch, __u32 path_at, __u32 length, __u32 segments)
{
	__u64 zero, at = 0, left = segments, stops;

	if (!scratch)
		return 0;
	zero = scratch_zero(scratch);
	FORGET(at, zero);
	FORGET(left, zero);
	while (at < length) {
		LOOP_STEP(at, zero);
		FORGET(left, zero);
		stops = http_equal(scratch_u64(scratch, path_at + at), '/');
		if (!stops) {
			at += 8;
			continue;
		}
		at += http_first(stops);
		if (at < length && !left--)
			return at;
		at++;
	}
	return length;
}

/* Puts into the query what the pool wants (place_wants) of the request's target: the host, and what
 * `target` (enum service_target) says. */
INLINE void place_request(struct place_query *query, __u32 wants, struct scratch *scratch,
			  const struct http_request *request, __u32 target)
{
	const struct http_fields *fields = &request->fields;
	struct target_text text = {
		.host_at = fields->host_at,
		.host_length = text_host_length(scratch, fields->host_at, fields->host_length),
		.path_at = request->path_at,
		.path_length = request->path_length,
	};

	if (target == SERVICE_TARGET_URL) {
		if (request->path_length)
			text.path_length =
				request->target_at + request->target_length - request->path_at;
	} else if (target != SERVICE_TARGET_PATH) {
		text.path_length =
			text_segments(scratch, text.path_at, text.path_length, target - 1);
	}
	place_text(query, wants, scratch, &text);
}

#endif

/* SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), 64 bits out.
 *
 * Fed with 64-bit little-endian words, so that nothing has to be buffered: siphash_start, any
 * number of siphash_word, siphash_end with the 0 to 7 bytes left over. SipHash-2-4 is what cookies
 * and headers are signed with; -1-3 costs half as much and is for hash tables that a stranger
 * feeds.
 */
#ifndef BATON_BPF_SIPHASH_H
#define BATON_BPF_SIPHASH_H

#include "bpf/scratch.h"

struct siphash_key {
	__u64 word[2];
};

struct siphash {
	__u64 v0, v1, v2, v3;
	__u64 length; /* bytes so far */
};

INLINE __u64 siphash_rotate(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

INLINE void siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v1 = siphash_rotate(s->v1, 13);
	s->v1 ^= s->v0;
	s->v0 = siphash_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = siphash_rotate(s->v3, 16);
	s->v3 ^= s->v2;
	s->v0 += s->v3;
	s->v3 = siphash_rotate(s->v3, 21);
	s->v3 ^= s->v0;
	s->v2 += s->v1;
	s->v1 = siphash_rotate(s->v1, 17);
	s->v1 ^= s->v2;
	s->v2 = siphash_rotate(s->v2, 32);
}

INLINE void siphash_start(struct siphash *s, const struct siphash_key *key)
{
	s->v0 = key->word[0] ^ 0x736f6d6570736575ull;
	s->v1 = key->word[1] ^ 0x646f72616e646f6dull;
	s->v2 = key->word[0] ^ 0x6c7967656e657261ull;
	s->v3 = key->word[1] ^ 0x7465646279746573ull;
	s->length = 0;
}

INLINE void siphash_word(struct siphash *s, __u64 word)
{
	s->v3 ^= word;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= word;
	s->length += 8;
}

/* `tail` holds the last `bytes` (0 to 7) bytes, the first of them lowest; the rest of it is zero.
 */
INLINE __u64 siphash_end(struct siphash *s, __u64 tail, __u64 bytes)
{
	siphash_word(s, tail | (s->length + bytes) << 56);
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* SipHash-1-3: the same three steps with one round a word and three at the end. */
INLINE void siphash13_word(struct siphash *s, __u64 word)
{
	s->v3 ^= word;
	siphash_round(s);
	s->v0 ^= word;
	s->length += 8;
}

INLINE __u64 siphash13_end(struct siphash *s, __u64 tail, __u64 bytes)
{
	siphash13_word(s, tail | (s->length + bytes) << 56);
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* SipHash-2-4 of scratch[from, from + length), going on from `s` if that has been started (then
 * s->length is a multiple of 8); nothing behind SCRATCH_SIZE is read. `s` is used up. */
SUBPROGRAM __u64 siphash_scratch(struct scratch *scratch, __u32 from, __u32 length,
				 struct siphash *s)
{
	struct siphash h;
	__u64 zero, at, end, bytes;
	__u64 tail = 0;

	if (!scratch || !s || from > SCRATCH_SIZE || length > SCRATCH_SIZE - from)
		return 0;
	h = *s;
	h.length += length & ~7u;
	zero = scratch_zero(scratch);
	at = zero + from;
	end = from + (length & ~31u);
	while (at < end) {
		__u64 length_kept = h.length;

		LOOP_STEP(at, zero);
		siphash_word(&h, scratch_u64(scratch, at));
		siphash_word(&h, scratch_u64(scratch, at + 8));
		siphash_word(&h, scratch_u64(scratch, at + 16));
		siphash_word(&h, scratch_u64(scratch, at + 24));
		h.length = length_kept;
		at += 32;
	}
	end = from + (length & ~7u);
	while (at < end) {
		__u64 length_kept = h.length;

		LOOP_STEP(at, zero);
		siphash_word(&h, scratch_u64(scratch, at));
		h.length = length_kept;
		at += 8;
	}
	bytes = length & 7;
	if (bytes)
		tail = scratch_u64(scratch, at) & (~0ull >> (64 - 8 * bytes));
	return siphash_end(&h, tail, bytes);
}

#endif

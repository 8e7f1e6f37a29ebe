/* Hashes that the policies share.
 *
 * place_mix is the finaliser of MurmurHash3 (Appleby, public domain): every bit of the result
 * depends on every bit of the argument. place_hash takes a string of bytes as little-endian words
 * of 64 bits, one multiplication each; the same numbers come out in BPF and on the host.
 */
#ifndef BATON_PLACE_HASH_H
#define BATON_PLACE_HASH_H

#include "wire/freestanding.h"

#define PLACE_HASH_START 0x9e3779b97f4a7c15ull

INLINE __u64 place_mix(__u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	x ^= x >> 33;
	return x;
}

/* Goes on from `hash` (at first PLACE_HASH_START) with eight bytes. */
INLINE __u64 place_hash_word(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0xd6e8feb86659fd93ull;
	return hash ^ hash >> 32;
}

/* Ends a string: `tail` is what is left over, the rest of it zero, and `length` the string's whole
 * length, so that "a" and "a\0" differ. The result may be gone on from with a next string. */
INLINE __u64 place_hash_end(__u64 hash, __u64 tail, __u64 length)
{
	return place_mix(place_hash_word(hash, tail) + length);
}

/* Upper-case letters of eight bytes made lower-case: arithmetic on seven bits of each byte. */
INLINE __u64 place_lower(__u64 word)
{
	__u64 ones = 0x0101010101010101ull, low = word & ones * 0x7f;
	__u64 letters = (low + ones * (0x80 - 'A')) ^ (low + ones * (0x7f - 'Z'));

	return word | (letters & ~word & ones * 0x80) >> 2;
}

/* A number below `n` from a hash's upper 32 bits, without division (Lemire 2019). */
INLINE __u32 place_below(__u64 hash, __u32 n)
{
	return (hash >> 32) * n >> 32;
}

#ifndef __bpf__
/* place_hash of bytes in memory. */
INLINE __u64 place_hash_bytes(__u64 hash, const void *bytes, __u64 length)
{
	const unsigned char *at = bytes;
	__u64 word, left;

	for (left = length; left >= 8; left -= 8, at += 8) {
		__builtin_memcpy(&word, at, 8);
		hash = place_hash_word(hash, word);
	}
	word = 0;
	__builtin_memcpy(&word, at, left);
	return place_hash_end(hash, word, length);
}
#endif

#endif

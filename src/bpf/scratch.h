/* The ground that the parsers stand on: the same lines compile for BPF and for the host.
 *
 * Bytes of a packet are copied once into a scratch buffer (a per-CPU array's value in BPF) and read
 * there eight at a time. Reading behind SCRATCH_SIZE is harmless by construction: every position is
 * cut to the buffer and words may reach into the slack, whose content is never believed, because
 * every finding is compared with the length. So neither the verifier nor a stranger's bytes can
 * make a parser leave its buffer.
 */
#ifndef BATON_BPF_SCRATCH_H
#define BATON_BPF_SCRATCH_H

#include "wire/freestanding.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as little-endian");

/* A power of two. Code of the host may ask for a larger one before it includes anything. */
#ifndef SCRATCH_SIZE
#define SCRATCH_SIZE 2048
#endif
#define SCRATCH_SLACK 64

struct scratch {
	__u8 bytes[SCRATCH_SIZE + SCRATCH_SLACK];
	__u32 block[16]; /* for who hashes them: the stack is short */
};

#ifdef __bpf__

/* Keeps the compiler from proving a bound away that the verifier needs to see. */
#define BOUND(value, mask)                                                                         \
	({                                                                                         \
		__u64 bound_ = (value);                                                            \
		asm volatile("" : "+r"(bound_));                                                   \
		bound_ &(mask);                                                                    \
	})

INLINE __u64 load_u64(const void *at)
{
	return *(const __u64 *)at;
}

INLINE __u32 load_u32(const void *at)
{
	return *(const __u32 *)at;
}

INLINE __u16 load_u16(const void *at)
{
	return *(const __u16 *)at;
}

#else

#define BOUND(value, mask) ((__u64)(value) & (mask))

INLINE __u64 load_u64(const void *at)
{
	__u64 value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

INLINE __u32 load_u32(const void *at)
{
	__u32 value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

INLINE __u16 load_u16(const void *at)
{
	__u16 value;

	__builtin_memcpy(&value, at, sizeof(value));
	return value;
}

#endif

INLINE __u64 scratch_u64(const struct scratch *scratch, __u64 at)
{
	return load_u64(scratch->bytes + BOUND(at, SCRATCH_SIZE - 1));
}

INLINE __u32 scratch_u32(const struct scratch *scratch, __u64 at)
{
	return load_u32(scratch->bytes + BOUND(at, SCRATCH_SIZE - 1));
}

INLINE __u16 scratch_u16(const struct scratch *scratch, __u64 at)
{
	return load_u16(scratch->bytes + BOUND(at, SCRATCH_SIZE - 1));
}

INLINE __u8 scratch_u8(const struct scratch *scratch, __u64 at)
{
	return scratch->bytes[BOUND(at, SCRATCH_SIZE - 1)];
}

/* The nought of LOOP_STEP: the verifier doesn't know: it doesn't follow what a scratch holds. */
INLINE __u64 scratch_zero(struct scratch *scratch)
{
#ifdef __bpf__
	volatile __u64 *place =
		(volatile __u64 *)(scratch->bytes + SCRATCH_SIZE + SCRATCH_SLACK - 8);

	*place = 0;
	return *place;
#else
	(void)scratch;
	return 0;
#endif
}

/* Network order, as TCP and TLS have it. */
INLINE __u32 scratch_be32(const struct scratch *scratch, __u64 at)
{
	return __builtin_bswap32(scratch_u32(scratch, at));
}

INLINE __u16 scratch_be16(const struct scratch *scratch, __u64 at)
{
	return __builtin_bswap16(scratch_u16(scratch, at));
}

#endif

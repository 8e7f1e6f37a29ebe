/* The Internet checksum (RFC 1071), whole and incremental (RFC 1624, its equation 3).
 *
 * Sums are 64 bits wide and of 16-bit words as they lie in memory: one's complement addition does
 * not care about byte order. A folded sum of a correct segment, pseudo header included, is 0xffff.
 */
#ifndef BATON_BPF_CHECKSUM_H
#define BATON_BPF_CHECKSUM_H

#include "bpf/scratch.h"

/* The sum cut to 16 bits; the checksum field is its complement. */
INLINE __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What goes into a checksum field. UDP sends 0xffff where this is 0 (RFC 768). */
INLINE __u16 checksum_finish(__u64 sum)
{
	return ~checksum_fold(sum);
}

INLINE __u64 checksum_add(__u64 sum, __u64 word)
{
	sum += word;
	return sum + (sum < word);
}

/* The field `check` after a 16-bit word of what it covers changed (RFC 1624: HC' = ~(~HC + ~m +
 * m')). All three as they lie in memory. */
INLINE __u16 checksum_update16(__u16 check, __u16 from, __u16 to)
{
	return checksum_finish((__u64)(__u16)~check + (__u16)~from + to);
}

INLINE __u16 checksum_update32(__u16 check, __u32 from, __u32 to)
{
	return checksum_finish((__u64)(__u16)~check + (__u32)~from + to);
}

/* The pseudo header of TCP and UDP over IPv4 (RFC 9293, 3.1). Addresses as in the packet; `length`,
 * of the segment with its header, in host order. */
INLINE __u64 checksum_pseudo4(__u32 source, __u32 destination, __u8 protocol, __u32 length)
{
	return (__u64)source + destination + __builtin_bswap16(length) +
	       __builtin_bswap16(protocol);
}

/* The same for IPv6 (RFC 8200, 8.1), ICMPv6 included. */
INLINE __u64 checksum_pseudo6(const __u32 source[4], const __u32 destination[4], __u8 protocol,
			      __u32 length)
{
	return (__u64)source[0] + source[1] + source[2] + source[3] + destination[0] +
	       destination[1] + destination[2] + destination[3] + __builtin_bswap32(length) +
	       __builtin_bswap32(protocol);
}

/* `sum` plus scratch[from, from + length). Nothing behind SCRATCH_SIZE is read; `from` may be odd
 * only if nothing else is added before or behind. */
SUBPROGRAM __u64 checksum_scratch(struct scratch *scratch, __u32 from, __u32 length, __u64 sum)
{
	__u64 zero, at, end;

	if (!scratch || from > SCRATCH_SIZE || length > SCRATCH_SIZE - from)
		return 0;
	zero = scratch_zero(scratch);
	at = zero + from;
	end = from + (length & ~31u);
	while (at < end) {
		LOOP_STEP(at, zero);
		sum = checksum_add(sum, scratch_u64(scratch, at));
		sum = checksum_add(sum, scratch_u64(scratch, at + 8));
		sum = checksum_add(sum, scratch_u64(scratch, at + 16));
		sum = checksum_add(sum, scratch_u64(scratch, at + 24));
		at += 32;
	}
	end = from + (length & ~7u);
	while (at < end) {
		LOOP_STEP(at, zero);
		sum = checksum_add(sum, scratch_u64(scratch, at));
		at += 8;
	}
	length &= 7;
	if (length)
		sum = checksum_add(sum, scratch_u64(scratch, at) & (~0ull >> (64 - 8 * length)));
	return sum;
}

/* 1 if the segment (header and payload) in scratch[from, from + length) and `pseudo`, the sum of
 * its pseudo header, agree with the checksum it carries. */
INLINE int checksum_good(struct scratch *scratch, __u32 from, __u32 length, __u64 pseudo)
{
	return checksum_fold(checksum_scratch(scratch, from, length, pseudo)) == 0xffff;
}

#endif

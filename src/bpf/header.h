/* Making and checking the Baton header's MAC, and the clock that it is fresh by. */
#ifndef BATON_BPF_HEADER_H
#define BATON_BPF_HEADER_H

#include "bpf/siphash.h"
#include "wire/header.h"

/* The MAC of `header` (a struct baton_header, 8-byte aligned) and the inner packet in packet[from,
 * from + length), in network order, to be stored or compared as it is. */
INLINE __u64 header_mac(const void *header, struct scratch *packet, __u32 from, __u32 length,
			const __u64 key[2])
{
	const __u64 *words = header;
	struct siphash_key cluster_key = {{key[0], key[1]}};
	struct siphash s;

	siphash_start(&s, &cluster_key);
	siphash_word(&s, words[0]);
	siphash_word(&s, words[1]);
	siphash_word(&s, words[2]);
	siphash_word(&s, words[3]);
	siphash_word(&s, words[4]);
	siphash_word(&s, words[5]);
	return __builtin_bswap64(siphash_scratch(packet, from, length, &s));
}

/* Cluster time in units of the header. */
INLINE __u32 header_time(__u64 boot_ns, __s64 offset)
{
	return (boot_ns + offset) >> BATON_TIME_SHIFT;
}

/* 1 if `then` is less than BATON_FRESH before or after `now`. */
INLINE int header_fresh(__u32 now, __u32 then)
{
	return now - then + BATON_FRESH < 2 * BATON_FRESH;
}

#endif

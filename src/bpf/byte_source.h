/* Where the followers read a stream's bytes: a packet in BPF, memory on the host. */
#ifndef BATON_BPF_BYTE_SOURCE_H
#define BATON_BPF_BYTE_SOURCE_H

#include "bpf/scratch.h"

#ifdef __bpf__

/* Programs at tc. An XDP program says `#define byte_source xdp_md` before it includes this. */
#ifndef byte_source
#define byte_source			    __sk_buff
#define BYTE_SOURCE_LOAD(source, at, to, n) bpf_skb_load_bytes(source, at, to, n)
#else
#define BYTE_SOURCE_LOAD(source, at, to, n) bpf_xdp_load_bytes(source, at, to, n)
#endif

#else

struct byte_source {
	const void *bytes;
	__u32 length;
};

INLINE long byte_source_load(struct byte_source *source, __u32 at, void *to, __u32 n)
{
	if (at > source->length || n > source->length - at)
		return -1;
	__builtin_memcpy(to, (const __u8 *)source->bytes + at, n);
	return 0;
}
#define BYTE_SOURCE_LOAD(source, at, to, n) byte_source_load(source, at, to, n)

#endif

#define BYTE_WINDOW_MAX 1024

/* Copies up to `want` (at most BYTE_WINDOW_MAX) bytes that begin at `at` to scratch->bytes + `to`
 * (at most 63). Returns how many were asked for, or 0 if there are not so many. */
INLINE __u32 byte_source_window(struct byte_source *source, __u32 at, struct scratch *scratch,
				__u32 to, __u32 want)
{
	__u64 bounded;

	if (want > BYTE_WINDOW_MAX)
		want = BYTE_WINDOW_MAX;
	bounded = BOUND(want, 2047);
	if (!bounded || bounded > BYTE_WINDOW_MAX)
		return 0;
	if (BYTE_SOURCE_LOAD(source, at, scratch->bytes + BOUND(to, 63), bounded))
		return 0;
	return bounded;
}

#endif

/* What a splicing front (`baton experiment splice`) has in the kernel: bytes that arrive on one of
 * two sockets go out by the other, without the program. Maltz and Bhagwat's TCP splicing (1998), by
 * today's means. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

enum { SPLICE_ENDS = 16384 };

/* Both ends of each connection, side by side. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, SPLICE_ENDS);
	__type(key, __u32);
	__type(value, __u64);
} ends SEC(".maps");

/* A socket's cookie -> where its other end is in `ends`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SPLICE_ENDS);
	__type(key, __u64);
	__type(value, __u32);
} others SEC(".maps");

SEC("sk_skb/stream_verdict")
int splice(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	const __u32 *other = bpf_map_lookup_elem(&others, &cookie);

	return other ? bpf_sk_redirect_map(skb, &ends, *other, 0) : SK_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";

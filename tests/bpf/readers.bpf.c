/* The readers of src/bpf as the kernel runs them: the frame's bytes behind 14 are the input. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "bpf/checksum.h"
#include "bpf/client_hello.h"
#include "bpf/cookie.h"
#include "bpf/http_request.h"
#include "bpf/http_response.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} texts SEC(".maps");

/* In. */
struct siphash_key keys[2];
struct flow_key flow;
__u32 isn, cookie;
__u64 now;

/* Out, and the follower's state in and out. */
struct http_request request;
struct client_hello hello;
struct tcp_options options, offered;
struct response_state state;
__u64 hash;
__u32 sum, made, checked;
int ended;

SEC("tc")
int readers(struct __sk_buff *skb)
{
	__u32 first = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&texts, &first);
	__u64 length = BOUND(skb->len - 14, 4095);
	struct siphash s;

	if (!scratch || !length || length > SCRATCH_SIZE ||
	    bpf_skb_load_bytes(skb, 14, scratch->bytes, length))
		return -1;
	http_request_parse(scratch, length, &request);
	client_hello_parse(scratch, length, &hello);
	tcp_options_parse(scratch, 0, length > 40 ? 40 : length, &options);
	siphash_start(&s, &keys[0]);
	hash = siphash_scratch(scratch, 0, length, &s);
	sum = checksum_fold(checksum_scratch(scratch, 0, length, 0));
	made = cookie_make(&flow, &options, isn, options.mss, &keys[0], now);
	checked = cookie_check(&flow, isn, cookie, &options, keys, 0, 2, 8, now, &offered);
	return 0;
}

SEC("tc")
int follow(struct __sk_buff *skb)
{
	__u32 first = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&texts, &first);

	if (!scratch)
		return -1;
	ended = response_follow(skb, 14, skb->len - 14, &state, scratch);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";

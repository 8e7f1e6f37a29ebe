/* place_choose as the kernel runs it, from XDP and from tc: the packet's bytes are the query. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "bpf/target.h"
#include "place/place.h"

__s32 chosen;
__u32 reason;

/* The query goes in and out through the frame, behind an Ethernet header's length. */
struct frame {
	__u8 head[14];
	struct place_query query;
} __attribute__((packed));

static __always_inline int decide(void *data, void *end)
{
	struct frame *frame = data;
	struct place_query query;

	if (data + sizeof(*frame) > end)
		return -1;
	__builtin_memcpy(&query, &frame->query, sizeof(query));
	chosen = place_choose(&query);
	reason = query.reason;
	return 0;
}

SEC("xdp")
int place_xdp(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;

	return decide(data, end) ? XDP_ABORTED : XDP_PASS;
}

SEC("tc")
int place_tc(struct __sk_buff *skb)
{
	void *data, *end;

	bpf_skb_pull_data(skb, sizeof(struct frame));
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	return decide(data, end) ? -1 : 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} texts SEC(".maps");

__u64 target;
__u32 carp, md5;

/* Loads, which is what is to be shown; the unit tests run the same lines on the host. */
SEC("xdp")
int place_target(struct xdp_md *context)
{
	struct target_text text = {
		.host_at = 0, .host_length = 11, .path_at = 16, .path_length = 70};
	__u32 first = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&texts, &first);

	if (!scratch || bpf_xdp_load_bytes(context, 0, scratch->bytes, 128))
		return XDP_ABORTED;
	target = text_hash(scratch, &text);
	carp = text_carp(scratch, &text);
	md5 = text_md5(scratch, &text);
	return XDP_PASS;
}

__u64 turn;
__u32 cost_pool;
__u32 cost_targets = 1000;

/* What a decision costs: `cost_targets` in turn, each request done at once. */
SEC("xdp")
int place_cost(struct xdp_md *context)
{
	struct place_query query = {};
	struct place_load *load;
	__s32 node;

	query.target = place_mix(turn++ % cost_targets);
	query.client = query.target;
	query.carp = query.target;
	query.md5 = query.target;
	query.random = place_mix(turn);
	query.now_ns = cost_targets > 1000 ? bpf_ktime_get_ns() : turn * 100000;
	query.pool = cost_pool;
	node = place_choose(&query);
	if (node > 0 && place_wants(cost_pool) & PLACE_WANT_LOAD) {
		load = place_load_at(node);
		if (load)
			load->handed++;
		load = place_load_at(PLACE_NODES_MAX + cost_pool);
		if (load)
			load->handed++;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";

/* place_choose as the kernel runs it, from XDP and from tc: the packet's bytes are the query. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
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

char _license[] SEC("license") = "Dual BSD/GPL";

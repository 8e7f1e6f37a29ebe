/* The mix of protocols at the front's device, counted by the front's own program: what it takes or
 * sends back never comes to a packet socket. */
#ifndef BATON_BPF_FRONT_TRAFFIC_H
#define BATON_BPF_FRONT_TRAFFIC_H

#include "bpf/cluster_maps.h"

#define TRAFFIC_CONTEXT			  struct xdp_md
#define TRAFFIC_LOAD(xdp, at, to, length) bpf_xdp_load_bytes(xdp, at, to, length)
#include "bpf/traffic.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_wanted);
} traffic_wanted SEC(".maps");

INLINE int traffic_wanted_now(void)
{
	__u32 zero = 0;
	struct traffic_wanted *wanted = bpf_map_lookup_elem(&traffic_wanted, &zero);

	if (!wanted || !wanted->until_ns)
		return 0;
	if (bpf_ktime_get_ns() < wanted->until_ns)
		return 1;
	wanted->until_ns = 0; /* so that the clock isn't read for each packet any more */
	return 0;
}

/* The frame as it is now: as it came, or as it leaves. */
SUBPROGRAM int traffic_count_xdp(struct xdp_md *ctx)
{
	struct cluster *here = cluster_here();
	struct traffic_frame frame = {.context = ctx, .bytes = bpf_xdp_get_buff_len(ctx)};

	if (here)
		frame.port = bpf_ntohs(here->port);
	traffic_count_frame(&frame);
	return 0;
}

#endif

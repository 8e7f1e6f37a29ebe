/* Layer-4 direct server return and nothing else: the least that an XDP program can do which spreads
 * connections over nodes. `baton compare` measures it as the floor for a front in XDP. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

enum { NODES_MOST = 16 };

/* Set before loading. */
const volatile __be32 vip;
const volatile __u32 node_count;
const volatile __u8 self[6], node_macs[NODES_MOST][6];

SEC("xdp")
int dsr(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 hash;

	if ((void *)(tcp + 1) > end || ethernet->h_proto != __builtin_bswap16(0x0800) ||
	    ip->protocol != IPPROTO_TCP || ip->ihl != 5 || ip->daddr != vip || !node_count)
		return XDP_PASS;
	/* Multiplicative hashing (Knuth, vol. 3, 6.4). */
	hash = (ip->saddr ^ ip->saddr >> 16 ^ tcp->source) * 2654435761u >> 16;
	hash = hash % node_count & (NODES_MOST - 1);
	for (int i = 0; i < 6; i++) {
		ethernet->h_dest[i] = node_macs[hash][i];
		ethernet->h_source[i] = self[i];
	}
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";

/* The dispatcher on a host of its own: answers whoever asks which node a request is for.
 *
 *	ASK from a node		placed, the node's load noted; ANSWER to that node
 *	ASK from a front	the same, or for BATON_FLAG_LATER only sent back
 *	all else		the host's own stack
 *
 * Nothing is kept but what the policy remembers of targets and loads. A question that comes twice
 * is answered twice and may charge a node twice, which its next report corrects.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bpf/errno.h"
#include "bpf/front_place.h"
#include "bpf/message.h"

/* Places a request of which the segment in hand says only what the front has read; its payload
 * begins `at` bytes into the frame. Returns as place_decide does. */
INLINE int dispatcher_target(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	struct place_query *query = &work->query;
	struct baton_target read;

	if (work->segment.length < sizeof(read) || bpf_xdp_load_bytes(ctx, at, &read, sizeof(read)))
		return 0;
	place_begin(work);
	work->fallback = 0;
	query->pool = net32(read.pool);
	query->target = __builtin_bswap64(read.target);
	query->carp = net32(read.carp);
	query->md5 = net32(read.md5);
	return place_decide();
}

/* Places the request in hand for who asks; the payload begins `at` bytes into the frame. Returns
 * the node's id; 0: none is up, or there is no such service. */
INLINE __u32 dispatcher_choose(struct xdp_md *ctx, struct front_work *work, __u32 at)
{
	const struct baton_header *header = &work->header;
	__u32 load = net32(header->load), sender = net16(header->sender);
	int node;

	if (sender < BATON_FRONT(0)) {
		work->asker = sender;
		work->alone = load & 0xffff;
		if (header->flags & net16(BATON_FLAG_OVERLOAD))
			work->ask_flags = PLACE_OVERLOADED;
		place_hear(sender, load >> 16, net32(header->ts_clock));
	} else if (header->flags & net16(BATON_FLAG_RETURNED)) {
		work->asker = load;
	}
	at += work->segment.payload_at;
	if (!service_find(work, IPPROTO_TCP))
		return 0;
	/* Who asks has read it. */
	work->service.flags &= ~SERVICE_SPREAD;
	if (header->flags & net16(BATON_FLAG_TARGET))
		node = dispatcher_target(ctx, work, at);
	else if (load_text(ctx, work, at, work->segment.length))
		node = 0;
	else
		node = place_segment(work->segment.length);
	if (node > 0)
		return node & 0xffff;
	count(FRONT_COUNT_NO_NODE);
	return 0;
}

/* A UDP datagram to the cluster's port. `at` is where the Baton header begins in the frame,
 * `length` the datagram's payload. */
SUBPROGRAM int dispatcher_message(struct xdp_md *ctx, __u32 at, __u32 length)
{
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct baton_header *header;
	__u32 node = 0, sender;

	if (!work || !here || message_open(ctx, work, here, at, length))
		return XDP_DROP;
	header = &work->header;
	at += sizeof(*header);
	if (header->type != BATON_ASK || work->segment.ip_length != length - sizeof(*header)) {
		count(FRONT_COUNT_BAD_HEADER);
		return XDP_DROP;
	}
	sender = net16(header->sender);
	work->reason = PLACE_REASON_NONE;
	if (!(header->flags & net16(BATON_FLAG_LATER))) {
		count(FRONT_COUNT_ASKS);
		node = dispatcher_choose(ctx, work, at);
		if (sender < BATON_FRONT(0) && !node)
			node = sender; /* where it is it can at least be answered */
		if (node == work->asker)
			count(FRONT_COUNT_ASKS_STAY);
	}
	header->type = BATON_ANSWER;
	header->reason = work->reason;
	header->node = net16(node);
	if (send_strip(ctx, work, at - ETHERNET_LENGTH))
		return XDP_DROP;
	return send_wrapped(ctx, sender);
}

INLINE int dispatcher_frame(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct front_work *work = work_area();
	struct cluster *here = cluster_here();
	struct ethhdr *ethernet = data;
	struct address to;
	struct udphdr *udp;
	__u32 at;

	if ((void *)(ethernet + 1) > end || !work || !here || !here->ready)
		return XDP_PASS;
	if (ethernet->h_proto == ETHERTYPE_IPV4) {
		struct iphdr *ip = (void *)(ethernet + 1);

		at = ETHERNET_LENGTH + IPV4_LENGTH;
		udp = data + at;
		if ((void *)(udp + 1) > end || ip->protocol != IPPROTO_UDP || ip->ihl != 5 ||
		    ip->frag_off & net16(0x3fff))
			return XDP_PASS;
		address_from_ipv4(&to, ip->daddr);
		if (!address_equal(&to, &here->address4))
			return XDP_PASS;
	} else if (ethernet->h_proto == ETHERTYPE_IPV6) {
		struct ipv6hdr *ip = (void *)(ethernet + 1);

		at = ETHERNET_LENGTH + IPV6_LENGTH;
		udp = data + at;
		if ((void *)(udp + 1) > end || ip->nexthdr != IPPROTO_UDP)
			return XDP_PASS;
		__builtin_memcpy(&to, &ip->daddr, 16);
		if (!address_equal(&to, &here->address6))
			return XDP_PASS;
	} else {
		return XDP_PASS;
	}
	if (udp->dest != here->port)
		return XDP_PASS;
	work_begin(work);
	return dispatcher_message(ctx, at + UDP_LENGTH, net16(udp->len) - UDP_LENGTH);
}

SEC("xdp")
int dispatcher(struct xdp_md *ctx)
{
	return dispatcher_frame(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";

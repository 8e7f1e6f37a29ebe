/* A Baton header that has come to the node: whether it is good, and what it wraps. */
#ifndef BATON_BPF_NODE_CHECK_H
#define BATON_BPF_NODE_CHECK_H

#include "bpf/header.h"
#include "bpf/node_segment.h"

/* Instead of what the program has to return. */
enum take_more {
	TAKE_GOOD = 100, /* header and segment are good, and to be taken */
	TAKE_BARE, /* the segment in hand is bare now, and to be dealt with as if it came so */
};

/* A UDP datagram to the cluster's port: `at` is where the Baton header begins, `length` the
 * datagram's payload. Returns TAKE_GOOD if both the header and what it wraps are, with the one in
 * work->header and the other in work->segment, or what the program has to return. */
SUBPROGRAM int take_check(struct __sk_buff *skb, __u32 at, __u32 length)
{
	struct work *work = work_area(WORK_IN);
	struct cluster *cluster = cluster_here();
	struct baton_header *header;
	__u32 inner, now;

	if (!work || !cluster)
		return TC_ACT_SHOT;
	header = &work->header;
	inner = length - sizeof(*header);
	if (length < sizeof(*header) + 40 || inner > SCRATCH_SIZE ||
	    bpf_skb_load_bytes(skb, at, header, sizeof(*header)) ||
	    header->magic != net16(BATON_MAGIC) || header->version != BATON_VERSION_WIRE ||
	    (header->type != BATON_HANDOFF && header->type != BATON_WHO_HAS &&
	     header->type != BATON_ANSWER) ||
	    header->epoch > 1 || (header->protocol != 4 && header->protocol != 6)) {
		count(NODE_COUNT_BAD_HEADER);
		return TC_ACT_SHOT;
	}
	if (segment_read(skb, &work->segment, at + sizeof(*header), header->protocol, 0) !=
		    SEGMENT_TCP ||
	    work->segment.ip_length != inner || !(work->segment.flags & TCP_FLAG_BIT_ACK) ||
	    work->segment.flags & TCP_FLAG_BIT_SYN ||
	    segment_load(skb, work, SCRATCH_SIZE) != inner) {
		count(NODE_COUNT_BAD_HEADER);
		return TC_ACT_SHOT;
	}
	if ((header->epoch != (cluster->epoch & 1) && cluster->key_count < 2) ||
	    header->mac !=
		    header_mac(header, &work->packet, 0, inner, cluster->keys[header->epoch & 1])) {
		count(NODE_COUNT_BAD_MAC);
		return TC_ACT_SHOT;
	}
	now = header_time(bpf_ktime_get_boot_ns(), cluster->clock_offset);
	if (!header_fresh(now, net32(header->time))) {
		count(NODE_COUNT_NOT_FRESH);
		return TC_ACT_SHOT;
	}
	count(NODE_COUNT_WRAPPED);
	return TAKE_GOOD;
}

#endif

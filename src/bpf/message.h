/* Opening what comes under a Baton header: nothing of it counts before its MAC is found good. */
#ifndef BATON_BPF_MESSAGE_H
#define BATON_BPF_MESSAGE_H

#include "bpf/front_send.h"

/* Reads the inner packet in work->packet as far as TCP. Returns 0, or -1 if it is not a whole TCP
 * segment from a client. */
INLINE int message_inner(struct front_work *work, __u32 protocol)
{
	struct segment *segment = &work->segment;
	struct scratch *packet = &work->packet;
	__u32 words, next, tcp;

	if (protocol == 4) {
		if (scratch_u8(packet, 0) != 0x45)
			return -1;
		segment->ip_length = scratch_be16(packet, 2);
		next = scratch_u8(packet, 9);
		tcp = IPV4_LENGTH;
		address_from_ipv4(&segment->key.client, scratch_u32(packet, 12));
		address_from_ipv4(&segment->key.vip, scratch_u32(packet, 16));
	} else {
		if (scratch_u8(packet, 0) >> 4 != 6)
			return -1;
		segment->ip_length = scratch_be16(packet, 4) + IPV6_LENGTH;
		next = scratch_u8(packet, 6);
		tcp = IPV6_LENGTH;
		__builtin_memcpy(&segment->key.client, packet->bytes + 8, 16);
		__builtin_memcpy(&segment->key.vip, packet->bytes + 24, 16);
	}
	words = scratch_u8(packet, tcp + 12) >> 4;
	segment->protocol = protocol;
	segment->tcp_at = tcp;
	segment->payload_at = tcp + words * 4;
	if (next != IPPROTO_TCP || words < 5 || segment->ip_length > work->loaded ||
	    segment->payload_at > segment->ip_length)
		return -1;
	segment->key.client_port = scratch_u16(packet, tcp);
	segment->key.vip_port = scratch_u16(packet, tcp + 2);
	segment->seq = scratch_be32(packet, tcp + 4);
	segment->ack = scratch_be32(packet, tcp + 8);
	segment->flags = scratch_u8(packet, tcp + 13);
	segment->length = segment->ip_length - segment->payload_at;
	return 0;
}

/* Reads the Baton header that begins `at` bytes into the frame, the UDP payload being `length`
 * long, to work->header, and the segment in it to work->packet and work->segment. Returns 0; or -1
 * with the reason counted: of another form, not of this cluster, not of now. */
INLINE int message_open(struct xdp_md *ctx, struct front_work *work, const struct cluster *here,
			__u32 at, __u32 length)
{
	struct baton_header *header = &work->header;
	__u32 now;

	if (length < sizeof(*header) + IPV4_LENGTH + TCP_LENGTH ||
	    bpf_xdp_load_bytes(ctx, at, header, sizeof(*header)) ||
	    header->magic != net16(BATON_MAGIC) || header->version != BATON_VERSION_WIRE ||
	    header->epoch > 1 || (header->protocol != 4 && header->protocol != 6)) {
		count(FRONT_COUNT_BAD_HEADER);
		return -1;
	}
	length -= sizeof(*header);
	if (load_packet(ctx, work, at + sizeof(*header), length)) {
		count(FRONT_COUNT_BAD_HEADER);
		return -1;
	}
	if ((header->epoch != (here->epoch & 1) && here->key_count < 2) ||
	    header->mac !=
		    header_mac(header, &work->packet, 0, length, here->keys[header->epoch & 1])) {
		count(FRONT_COUNT_BAD_MAC);
		return -1;
	}
	now = frame_now(work, here) >> BATON_TIME_SHIFT;
	if (!header_fresh(now, net32(header->time))) {
		count(FRONT_COUNT_NOT_FRESH);
		return -1;
	}
	if (message_inner(work, header->protocol)) {
		count(FRONT_COUNT_BAD_HEADER);
		return -1;
	}
	return 0;
}

#endif

#include "control/segment.h"

#include "bpf/checksum.h"
#include "bpf/tcp_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

static uint64_t pseudo(const struct segment *segment, uint32_t length)
{
	if (address_is_ipv4(&segment->from))
		return checksum_pseudo4(segment->from.words[3], segment->to.words[3], IPPROTO_TCP,
					length);
	return checksum_pseudo6(segment->from.words, segment->to.words, IPPROTO_TCP, length);
}

/* The one's complement sum of bytes that begin anywhere in memory. */
static uint64_t sum(const void *bytes, uint32_t length, uint64_t start)
{
	static struct scratch scratch;

	memcpy(scratch.bytes, bytes, length);
	return checksum_scratch(&scratch, 0, length, start);
}

/* Reads the addresses. Returns where TCP begins and sets `left`, its length with the payload; 0 if
 * there is none. */
static uint32_t read_ip(const uint8_t *frame, uint32_t length, struct segment *segment,
			uint32_t *left)
{
	const struct ether_header *ethernet = (const void *)frame;
	struct ip6_hdr ip6;
	struct iphdr ip;
	uint32_t at;

	if (length < SEGMENT_ETHERNET + sizeof(ip))
		return 0;
	memcpy(segment->from_mac, ethernet->ether_shost, 6);
	memcpy(segment->to_mac, ethernet->ether_dhost, 6);
	if (ethernet->ether_type == htons(ETHERTYPE_IP)) {
		memcpy(&ip, frame + SEGMENT_ETHERNET, sizeof(ip));
		at = SEGMENT_ETHERNET + sizeof(ip);
		if (ip.ihl != 5 || ip.protocol != IPPROTO_TCP || ntohs(ip.tot_len) < sizeof(ip))
			return 0;
		address_from_ipv4(&segment->from, ip.saddr);
		address_from_ipv4(&segment->to, ip.daddr);
		*left = ntohs(ip.tot_len) - sizeof(ip);
	} else {
		if (ethernet->ether_type != htons(ETHERTYPE_IPV6) ||
		    length < SEGMENT_ETHERNET + sizeof(ip6))
			return 0;
		memcpy(&ip6, frame + SEGMENT_ETHERNET, sizeof(ip6));
		at = SEGMENT_ETHERNET + sizeof(ip6);
		if (ip6.ip6_nxt != IPPROTO_TCP)
			return 0;
		memcpy(&segment->from, &ip6.ip6_src, sizeof(segment->from));
		memcpy(&segment->to, &ip6.ip6_dst, sizeof(segment->to));
		*left = ntohs(ip6.ip6_plen);
	}
	return *left > length - at || *left > SCRATCH_SIZE ? 0 : at;
}

int segment_read(const uint8_t *frame, uint32_t length, struct segment *segment)
{
	static struct scratch scratch;
	struct tcp_options options;
	uint32_t at, left, head;
	struct tcphdr tcp;

	memset(segment, 0, sizeof(*segment));
	at = read_ip(frame, length, segment, &left);
	if (!at || left < sizeof(tcp))
		return -EBADMSG;
	memcpy(&tcp, frame + at, sizeof(tcp));
	head = tcp.doff * 4;
	memcpy(scratch.bytes, frame + at, left);
	if (head < sizeof(tcp) || head > left ||
	    !checksum_good(&scratch, 0, left, pseudo(segment, left)))
		return -EBADMSG;
	segment->from_port = tcp.source;
	segment->to_port = tcp.dest;
	segment->seq = ntohl(tcp.seq);
	segment->ack = ntohl(tcp.ack_seq);
	segment->flags = frame[at + 13];
	segment->window = ntohs(tcp.window);
	tcp_options_parse(&scratch, sizeof(tcp), head - sizeof(tcp), &options);
	segment->stamped = options.seen & TCP_OPTION_TIMESTAMPS;
	segment->tsval = options.tsval;
	segment->tsecr = options.tsecr;
	segment->payload = frame + at + head;
	segment->length = left - head;
	return 0;
}

static uint32_t make_ip(const struct segment *segment, uint8_t *at, uint32_t length)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
	struct ip6_hdr ip6 = {.ip6_nxt = IPPROTO_TCP, .ip6_hlim = 64};

	if (address_is_ipv4(&segment->from)) {
		ip.tot_len = htons((uint16_t)(sizeof(ip) + length));
		ip.frag_off = htons(IP_DF);
		ip.saddr = segment->from.words[3];
		ip.daddr = segment->to.words[3];
		ip.check = checksum_finish(sum(&ip, sizeof(ip), 0));
		memcpy(at, &ip, sizeof(ip));
		return sizeof(ip);
	}
	ip6.ip6_flow = htonl(6u << 28);
	ip6.ip6_plen = htons((uint16_t)length);
	memcpy(&ip6.ip6_src, &segment->from, 16);
	memcpy(&ip6.ip6_dst, &segment->to, 16);
	memcpy(at, &ip6, sizeof(ip6));
	return sizeof(ip6);
}

uint32_t segment_make(const struct segment *segment, uint8_t *frame)
{
	uint32_t head = sizeof(struct tcphdr) + (segment->stamped ? 12 : 0);
	uint32_t length = head + segment->length, at = SEGMENT_ETHERNET;
	struct ether_header *ethernet = (void *)frame;
	struct tcphdr tcp = {0};

	memcpy(ethernet->ether_dhost, segment->to_mac, 6);
	memcpy(ethernet->ether_shost, segment->from_mac, 6);
	ethernet->ether_type =
		htons(address_is_ipv4(&segment->from) ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	at += make_ip(segment, frame + at, length);
	tcp.source = segment->from_port;
	tcp.dest = segment->to_port;
	tcp.seq = htonl(segment->seq);
	tcp.ack_seq = htonl(segment->ack);
	tcp.doff = (uint16_t)(head / 4);
	tcp.window = htons(segment->window);
	memcpy(frame + at, &tcp, sizeof(tcp));
	frame[at + 13] = segment->flags;
	if (segment->stamped) {
		uint32_t option[3] = {htonl(0x0101080a), htonl(segment->tsval),
				      htonl(segment->tsecr)};

		memcpy(frame + at + sizeof(tcp), option, sizeof(option));
	}
	if (segment->length)
		memcpy(frame + at + head, segment->payload, segment->length);
	tcp.check = checksum_finish(sum(frame + at, length, pseudo(segment, length)));
	memcpy(frame + at + 16, &tcp.check, sizeof(tcp.check));
	return at + length;
}

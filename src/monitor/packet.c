#include "monitor/packet.h"
#include "wire/header.h"

#include <netinet/in.h>
#include <pcap/dlt.h>
#include <string.h>

#define X(name, key, title) key,
const char *const traffic_keys[TRAFFIC_CLASS_COUNT] = {TRAFFIC_CLASSES(X)};
#undef X
#define X(name, key, title) title,
const char *const traffic_titles[TRAFFIC_CLASS_COUNT] = {TRAFFIC_CLASSES(X)};
#undef X

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_RARP = 0x8035,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_SERVICE_VLAN = 0x88a8,
	TYPE_OLD_QINQ = 0x9100,
	TYPE_NONE = 0,
};

#define BIT(class) (1u << TRAFFIC_##class)

static uint16_t two(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

bool packet_link_known(int link)
{
	switch (link) {
	case DLT_EN10MB:
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
	case DLT_NULL:
	case DLT_LOOP:
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2:
		return true;
	default:
		return false;
	}
}

static void read_transport(const uint8_t *at, size_t left, unsigned int protocol, bool later,
			   uint16_t port, struct packet *packet)
{
	switch (protocol) {
	case IPPROTO_TCP:
		packet->classes |= BIT(TCP);
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		packet->classes |= BIT(ICMP);
		return;
	case IPPROTO_UDP:
		packet->classes |= BIT(UDP);
		break;
	default:
		return;
	}
	if (later || left < 12 || (two(at) != port && two(at + 2) != port) ||
	    two(at + 8) != BATON_MAGIC)
		return;
	packet->classes |= BIT(BATON);
	packet->baton_type = at[11];
}

static void read_ipv4(const uint8_t *at, size_t left, uint16_t port, struct packet *packet)
{
	size_t header;
	__be32 v4;

	packet->classes |= BIT(IP);
	if (left < 20)
		return;
	memcpy(&v4, at + 12, 4);
	address_from_ipv4(&packet->source, v4);
	memcpy(&v4, at + 16, 4);
	address_from_ipv4(&packet->destination, v4);
	packet->addressed = true;
	header = (size_t)(at[0] & 15) * 4;
	if (header < 20 || header > left)
		header = left;
	read_transport(at + header, left - header, at[9], two(at + 6) & 0x1fff, port, packet);
}

static void read_ipv6(const uint8_t *at, size_t left, uint16_t port, struct packet *packet)
{
	unsigned int next;

	packet->classes |= BIT(IP) | BIT(IPV6);
	if (left < 40)
		return;
	memcpy(&packet->source, at + 8, 16);
	memcpy(&packet->destination, at + 24, 16);
	packet->addressed = true;
	next = at[6];
	at += 40;
	left -= 40;
	for (unsigned int i = 0; i < TRAFFIC_HEADERS_MAX; i++) {
		size_t length;

		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if (left < 2)
				return;
			length = ((size_t)at[1] + 1) * 8;
			break;
		case IPPROTO_AH:
			if (left < 2)
				return;
			length = ((size_t)at[1] + 2) * 4;
			break;
		case IPPROTO_FRAGMENT:
			if (left < 8)
				return;
			if (two(at + 2) & 0xfff8) {
				read_transport(at, 0, at[0], true, port, packet);
				return;
			}
			length = 8;
			break;
		default:
			read_transport(at, left, next, false, port, packet);
			return;
		}
		/* The protocol behind is named in the header's first byte, so it counts even where
		 * the capture ends inside the header. */
		next = at[0];
		if (length > left)
			length = left;
		at += length;
		left -= length;
	}
}

static void read_arp(const uint8_t *at, size_t left, struct packet *packet)
{
	__be32 v4;

	packet->classes |= BIT(ARP);
	if (left < 28 || two(at) != 1 || two(at + 2) != TYPE_IPV4)
		return;
	memcpy(&v4, at + 14, 4);
	address_from_ipv4(&packet->source, v4);
	memcpy(&v4, at + 24, 4);
	address_from_ipv4(&packet->destination, v4);
	packet->addressed = true;
}

/* The type of what follows a link header that has none of its own: the IP version. */
static unsigned int version_type(const uint8_t *at, size_t left)
{
	return left && at[0] >> 4 == 4	 ? TYPE_IPV4
	       : left && at[0] >> 4 == 6 ? TYPE_IPV6
					 : TYPE_NONE;
}

/* Skips the link header; returns the Ethernet type of what follows. */
static unsigned int read_link(int link, const uint8_t **at, size_t *left, struct packet *packet)
{
	unsigned int type = TYPE_NONE;
	size_t length = 0, type_at = 0;

	switch (link) {
	case DLT_EN10MB:
		length = 14;
		type_at = 12;
		if (*left >= 12) {
			packet->mac_to = *at;
			packet->mac_from = *at + 6;
		}
		break;
	case DLT_LINUX_SLL:
		length = 16;
		type_at = 14;
		break;
	case DLT_LINUX_SLL2:
		length = 20;
		type_at = 0;
		break;
	case DLT_NULL:
	case DLT_LOOP:
		length = 4;
		break;
	default:
		break;
	}
	if (*left < length) {
		*left = 0;
		return TYPE_NONE;
	}
	if (length > 4)
		type = two(*at + type_at);
	*at += length;
	*left -= length;
	return length > 4 ? type : version_type(*at, *left);
}

void packet_read(int link, const uint8_t *bytes, size_t captured, uint16_t port,
		 struct packet *packet)
{
	unsigned int type;

	packet->classes = BIT(TOTAL);
	packet->addressed = false;
	packet->mac_to = packet->mac_from = NULL;
	packet->baton_type = 0;
	type = read_link(link, &bytes, &captured, packet);
	while ((type == TYPE_VLAN || type == TYPE_SERVICE_VLAN || type == TYPE_OLD_QINQ) &&
	       captured >= 4) {
		type = two(bytes + 2);
		bytes += 4;
		captured -= 4;
	}
	if (type == TYPE_IPV4)
		read_ipv4(bytes, captured, port, packet);
	else if (type == TYPE_IPV6)
		read_ipv6(bytes, captured, port, packet);
	else if (type == TYPE_ARP || type == TYPE_RARP)
		read_arp(bytes, captured, packet);
	else
		packet->classes |= BIT(OTHER);
}

/* Classes of traffic, for `baton monitor` and for what nodes tell the page.
 *
 * The five classes of the traffic-distribution paper follow the outermost header: Total is every
 * packet, IP is IPv4 and IPv6 and holds TCP, ARP holds RARP as tshark's `arp` does, Other is
 * neither IP nor ARP; so Total = IP + ARP + Other. VLAN tags are skipped. IPv6 extension headers
 * are followed to the protocol behind them; a later fragment, which has no such header any more,
 * counts by its protocol number.
 *
 * Map `traffic` of traffic.bpf.c and of the front: per-CPU array of one struct traffic_counts.
 * Map `traffic_wanted` of the front: ARRAY of one; somebody wants it to count until then. */
#ifndef BATON_WIRE_TRAFFIC_H
#define BATON_WIRE_TRAFFIC_H

#include "wire/types.h"

/* Order of the paper's buttons first; then what goes beyond them. */
#define TRAFFIC_CLASSES(X)                                                                         \
	X(TOTAL, "total", "Total")                                                                 \
	X(TCP, "tcp", "TCP")                                                                       \
	X(IP, "ip", "IP")                                                                          \
	X(ARP, "arp", "ARP")                                                                       \
	X(OTHER, "other", "Other")                                                                 \
	X(UDP, "udp", "UDP")                                                                       \
	X(ICMP, "icmp", "ICMP") /* of IPv4 and IPv6 */                                             \
	X(IPV6, "ipv6", "IPv6")                                                                    \
	X(BATON, "baton", "Baton") /* UDP with Baton's header */

#define X(name, key, title) TRAFFIC_##name,
enum traffic_class { TRAFFIC_CLASSES(X) TRAFFIC_CLASS_COUNT };
#undef X

enum {
	TRAFFIC_PAPER_COUNT = TRAFFIC_OTHER + 1,
	TRAFFIC_ORIGIN = TRAFFIC_CLASS_COUNT, /* TCP segments from the origin; payload bytes */
	TRAFFIC_ORIGIN_ANSWERS, /* of these the ones that begin a response: "HTTP/1." */
	TRAFFIC_MESSAGES,	/* Baton's, by enum baton_type; 0: of no known type */
	TRAFFIC_MESSAGE_TYPES = 9,
	TRAFFIC_SLOTS = TRAFFIC_MESSAGES + TRAFFIC_MESSAGE_TYPES,
	TRAFFIC_HEADERS_MAX =
		16, /* extension headers followed; more are no traffic but an attack */
};

struct traffic_count {
	__u64 packets, bytes;
};
WIRE_SIZE(struct traffic_count, 16);

struct traffic_counts {
	struct traffic_count slots[TRAFFIC_SLOTS];
};
WIRE_SIZE(struct traffic_counts, 320);

struct traffic_wanted {
	__u64 until_ns; /* CLOCK_MONOTONIC; 0: nobody does */
};
WIRE_SIZE(struct traffic_wanted, 8);

#endif

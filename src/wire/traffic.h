/* Classes of traffic, for `baton monitor` and for what nodes tell the page.
 *
 * The five classes of the traffic-distribution paper follow the outermost header: Total is every
 * packet, IP is IPv4 and IPv6 and holds TCP, ARP holds RARP as tshark's `arp` does, Other is
 * neither IP nor ARP; so Total = IP + ARP + Other. VLAN tags are skipped. IPv6 extension headers
 * are followed to the protocol behind them; a later fragment, which has no such header any more,
 * counts by its protocol number.
 *
 * Map `traffic` of traffic.bpf.c: per-CPU array of struct traffic_count, TRAFFIC_SLOTS of them. */
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
	TRAFFIC_SLOTS,
	TRAFFIC_HEADERS_MAX =
		16, /* extension headers followed; more are no traffic but an attack */
};

struct traffic_count {
	__u64 packets, bytes;
};
WIRE_SIZE(struct traffic_count, 16);

#endif

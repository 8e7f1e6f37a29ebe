/* Which kinds of traffic a packet belongs to.
 *
 * The five classes of the traffic-distribution paper follow the outermost header: Total is every
 * packet, IP is IPv4 and IPv6 and holds TCP, ARP holds RARP as tshark's `arp` does, Other is
 * neither IP nor ARP; so Total = IP + ARP + Other. VLAN tags are skipped. IPv6 extension headers
 * are followed to the protocol behind them; a later fragment, which has no such header any more,
 * counts by its protocol number. */
#ifndef BATON_MONITOR_PACKET_H
#define BATON_MONITOR_PACKET_H

#include "wire/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
enum { TRAFFIC_PAPER_COUNT = TRAFFIC_OTHER + 1 };

extern const char *const traffic_keys[TRAFFIC_CLASS_COUNT];   /* "tcp": JSON */
extern const char *const traffic_titles[TRAFFIC_CLASS_COUNT]; /* "TCP": people */

struct packet {
	uint32_t classes;		    /* bit 1 << enum traffic_class for each that holds */
	struct address source, destination; /* of the outermost IP or ARP header */
	bool addressed;			    /* the two above are valid */
	const uint8_t *mac_to, *mac_from;   /* point into the bytes; NULL where there are none */
	uint8_t baton_type;		    /* enum baton_type when TRAFFIC_BATON holds, or 0 */
};

/* True for the link types (DLT_ values of libpcap) that packet_read understands. */
bool packet_link_known(int link);

/* Reads the first `captured` bytes of a packet. Any bytes are safe; what isn't there any more
 * decides nothing. `port` is the UDP port of Baton's header. */
void packet_read(int link, const uint8_t *bytes, size_t captured, uint16_t port,
		 struct packet *packet);

#endif

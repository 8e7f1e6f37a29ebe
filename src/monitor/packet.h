/* Which classes of traffic (wire/traffic.h) a packet belongs to. */
#ifndef BATON_MONITOR_PACKET_H
#define BATON_MONITOR_PACKET_H

#include "wire/address.h"
#include "wire/traffic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

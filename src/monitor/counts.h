/* Packets and bytes by class, by virtual address, by node and by Baton's message type. */
#ifndef BATON_MONITOR_COUNTS_H
#define BATON_MONITOR_COUNTS_H

#include "monitor/packet.h"

#include <jansson.h>

enum { WATCHED_MAX = 64, BATON_TYPES = TRAFFIC_MESSAGE_TYPES };

/* What is counted apart, by address. A node is known by its address or by the Ethernet address it
 * uses: what the front sends on to it in direct mode carries the virtual address, not its own. */
struct watched {
	char name[48];
	struct address address;
	uint8_t mac[6];
	bool has_mac;
	bool is_node; /* or a virtual address */
};

struct watch_list {
	struct watched items[WATCHED_MAX];
	unsigned int count;
};

struct count {
	uint64_t packets, bytes;
};

struct counts {
	struct count classes[TRAFFIC_CLASS_COUNT];
	struct count watched[WATCHED_MAX]; /* in the order of the list */
	uint64_t messages[BATON_TYPES];	   /* by enum baton_type; 0: of no known type */
};

/* Adds "NAME=ADDRESS", "ADDRESS" or "NAME=ADDRESS,MAC". Returns 0, -EINVAL or -ENOSPC. */
int watch_add(struct watch_list *list, const char *text, bool is_node);

/* Counts one packet of `length` bytes on the wire. A node's Ethernet address that isn't known yet
 * is learnt from the packets that bear its address as their source. */
void counts_add(struct counts *counts, struct watch_list *list, const struct packet *packet,
		uint32_t length);
void counts_merge(struct counts *into, const struct counts *from);

/* Adds what the kernel counted between two readings. */
void counts_add_grown(struct counts *counts, const struct traffic_counts *before,
		      const struct traffic_counts *now);

/* {"total":{"packets":..,"bytes":..},...}: all classes, and "vips", "nodes" and "messages" where
 * there are such. A new reference. */
json_t *counts_json(const struct counts *counts, const struct watch_list *list);

/* Reads what counts_json wrote, classes only. Returns 0 or -EINVAL. */
int counts_from_json(struct counts *counts, const json_t *object);

/* The name of one of Baton's message types: "handoff". */
const char *message_name(unsigned int type);

#endif

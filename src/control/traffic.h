/* What a device carries, by class (wire/traffic.h), and how much of it comes from the origin;
 * counted only between start and end, in the kernel, without copying a packet. */
#ifndef BATON_CONTROL_TRAFFIC_H
#define BATON_CONTROL_TRAFFIC_H

#include "wire/address.h"
#include "wire/traffic.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct traffic_watch;

struct traffic_options {
	uint16_t port;	       /* of Baton's header */
	struct address origin; /* zero: none */
	bool outgoing;	       /* only what this host sends, and no XDP program */
	bool promiscuous;
};

/* Counts what packet sockets see of the Ethernet device `ifindex`, of the present network
 * namespace. NULL with errno set if the kernel refuses. */
struct traffic_watch *traffic_start(int ifindex, const struct traffic_options *options);
void traffic_end(struct traffic_watch *watch);

/* Since the start. Returns 0 or -errno, with zeros in `counts`. */
int traffic_read(const struct traffic_watch *watch, struct traffic_counts *counts);

/* The same of any program's map `traffic`. */
int traffic_read_map(int map, struct traffic_counts *counts);
void traffic_merge(struct traffic_counts *into, const struct traffic_counts *from);

/* {"total": {"packets", "bytes"}, "tcp": ..., "origin": ..., "origin_answers": ...}; a new
 * reference. The bytes of the last two are payload. */
json_t *traffic_json(const struct traffic_counts *counts);

#endif

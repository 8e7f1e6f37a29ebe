/* What `baton lab up` was asked for. */
#ifndef BATON_LAB_VALUES_H
#define BATON_LAB_VALUES_H

#include "base/command.h"
#include "lab/guests.h"
#include "lab/profile.h"

struct values {
	const char *name, *policy, *server, *root, *place, *forward, *release, *log;
	const char *origin, *distill, *xdp, *relay, *central;
	uint64_t nodes, fronts, dispatchers, delay, origin_delay, memory, disk, flows,
		path_segments;
	struct option_list extra, cpu, rate; /* extra: room for one more */
	struct option_list profile;
	struct profiles profiles; /* what `profile` names */
	struct guests guests;
	bool bare, partition, query, proxy, impair, dynamic;
};

/* Nodes without the VIP: connections are translated by the front, and not looked into. */
bool values_through_front(const struct values *values);

/* No front: each node is one, at an address of its own. */
bool values_by_dns(const struct values *values);

/* The host of front `number` (from 1), which is also the front's name; and what its daemon is
 * called among the lab's processes. `text` holds 32 bytes. Return text. */
char *values_front_host(const struct values *values, unsigned int number, char *text);
char *values_front_daemon(const struct values *values, unsigned int number, char *text);

#endif

/* What the files of datapath.h share: the maps and what stands in them. */
#ifndef BATON_CONTROL_DATAPATH_MAPS_H
#define BATON_CONTROL_DATAPATH_MAPS_H

#include "control/datapath.h"
#include "control/rules.h"
#include "place/build.h"

enum { WORLD_PARTS = 5 }; /* maps that make up a struct place_world */

/* What had been charged to a node, or to all of a pool, at some times past, the newest at `last`.
 */
enum { CHARGE_SAMPLES = 10 };

struct charge {
	uint64_t at[CHARGE_SAMPLES], charged[CHARGE_SAMPLES];
	unsigned int last;
};

struct hop {
	struct address host;
	unsigned char mac[6];
	int ifindex;
};

struct datapath {
	struct place_world world;
	size_t mapped[WORLD_PARTS]; /* bytes */
	int services, nodes, cluster_fd, rules, rule_sets;
	int sources, limits; /* -1 on a node */
	int dispatchers;
	__u16 sets[RULES_SERVICES]; /* struct service's `rules` of each service now */
	bool was_ready;
	struct cluster cluster;
	struct node_entry entries[NODES_MAX], written[NODES_MAX];
	struct hop *hops;
	unsigned int hop_count;
	struct charge charges[PLACE_NODES_MAX + PLACE_POOLS_MAX];
	struct service_key keys[CONFIG_SERVICES * CONFIG_VIPS]; /* in the map now */
	unsigned int key_count;
};

/* Each writes what the registry says into its maps and takes out of them what it says no more.
 * Returns 0 or -errno. */
int datapath_write_pools(struct datapath *datapath, const struct registry *registry);
int datapath_write_sources(struct datapath *datapath, const struct registry *registry);
int datapath_write_services(struct datapath *datapath, const struct registry *registry);

/* Gives the room of pools back that no rule names any more. */
void datapath_forget_pools(struct datapath *datapath, const struct registry *registry);

#endif

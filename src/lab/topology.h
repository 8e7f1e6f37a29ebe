/* The lab's network: hosts in network namespaces around one bridge.
 *
 *	client .0.1 ---+
 *	front  .0.2 ---+--- br0 (namespace "switch")
 *	origin .0.3 ---+
 *	nodeN .0.(10+N)+
 *	dispatcherN ---+
 *	.0.(150+N)	10.77.0.0/16 and fd77::/64 on every host's eth0
 *
 * With `dns` there is no front but a name server, "resolver", .0.2, and node N has the
 *VIP 10.78.0.N and fd78::N on its eth0, the other nodes' on its lo. (Not in the client's own
 *subnet: addresses there are sorted by likeness, RFC 6724, rule 9, instead of taken as the name
 *server turns them.)
 *
 * The VIP, 10.77.0.100 and fd77::100, is on every node's lo and on the front's eth0; the front
 * alone answers ARP and neighbour solicitations for it. Namespaces are called baton-LAB-HOST.
 *
 * Of several fronts the second and further ones are .0.(2+N). Then the VIP is on the fronts' lo
 * too and nobody answers for it: a router, .0.9, has a route to it by each front and shares the
 * client's connections out among them by addresses and ports. */
#ifndef BATON_LAB_TOPOLOGY_H
#define BATON_LAB_TOPOLOGY_H

#include "base/command.h"

#define LAB_VIP	   "10.77.0.100"
#define LAB_VIP6   "fd77::100"
#define LAB_ORIGIN "10.77.0.3"

enum {
	LAB_NODES_MAX = 64,
	LAB_FRONTS_MAX = 4,
	LAB_DISPATCHERS_MAX = 8,
	LAB_NAME_MAX = 24,
	LAB_CLIENT_ADDRESSES = 16,
};

struct topology {
	const char *lab;
	unsigned int nodes, fronts;
	const struct option_list *extra; /* further hosts, .0.201 and on; may be NULL */
	/* Whether a host's port is left off the bridge, for a line (lines.h); NULL: none. */
	bool (*lined)(const void *context, const char *host);
	const void *context;
	bool dns;    /* each node has a VIP of its own, and there are no fronts */
	bool nat;    /* nodes have no VIP, and the front is their way to the client */
	bool guests; /* nodes are guests: their cables end at a bridge with a TAP (guests.h) */
	unsigned int dispatchers; /* on hosts of their own */
};

/* "baton-LAB-HOST" into `text` of `room` bytes. Returns text. */
char *topology_netns(const struct topology *topology, const char *host, char *text, size_t room);

/* "front", "front2", ... for `number` from 1, and its addresses. `text` holds 32 bytes. */
char *topology_front(unsigned int number, char *text);
char *topology_front_address(unsigned int number, char *text);
char *topology_front_address6(unsigned int number, char *text);

/* The IPv4 and IPv6 address of node `number` (from 1). `text` holds 32 bytes. */
char *topology_node_address(unsigned int number, char *text);
char *topology_node_address6(unsigned int number, char *text);

/* The same of its VIP, with `dns`. */
char *topology_vip(unsigned int number, char *text);
char *topology_vip6(unsigned int number, char *text);

/* The same of dispatcher `number`, and its host's name. */
char *topology_dispatcher(unsigned int number, char *text);
char *topology_dispatcher_address(unsigned int number, char *text);
char *topology_dispatcher_address6(unsigned int number, char *text);

/* Makes namespaces, links and addresses. One line on stderr and -1 when something can't be made;
 * what was made by then is for topology_down. */
int topology_up(const struct topology *topology);

/* Takes away every namespace of the lab, however much of it there is; processes in them are killed.
 * Returns how many namespaces there were. */
unsigned int topology_down(const char *lab);

/* Whether a host of that name belongs to the lab's network now. */
bool topology_has(const char *lab, const char *host);

#endif

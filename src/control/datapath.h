/* Tells the programs in the kernel what the cluster is: fills the maps `services`, `nodes` and
 * `cluster` and the pools of the placement policies from a registry. The same code serves the front
 * and the nodes, so both place alike.
 *
 * Values are replaced one by one while the programs run: new nodes and pools come before the
 * services that name them, and go after them. */
#ifndef BATON_CONTROL_DATAPATH_H
#define BATON_CONTROL_DATAPATH_H

#include "control/registry.h"

#include <bpf/libbpf.h>

struct datapath;
struct place_world;

/* What one host is to the others. */
struct datapath_host {
	uint16_t self;		 /* own node id, or BATON_FRONT(n) */
	struct address address;	 /* IPv4; or the one of an IPv6 host */
	struct address address6; /* of an IPv4 host that has one */
	unsigned char mac[6];
};

/* Takes the maps of a loaded object, and what they hold from before. NULL with errno set if one is
 * missing. The object must outlive it. */
struct datapath *datapath_new(struct bpf_object *object);
void datapath_free(struct datapath *datapath);

/* Sets the keys from the key file: those of headers and of SYN cookies are derived from them.
 * Nothing is in force before datapath_publish. */
void datapath_keys(struct datapath *datapath, const struct config_keys *keys);

/* Who this host is, and where the UDP port and the rest comes from. */
void datapath_host(struct datapath *datapath, const struct datapath_host *host);

/* Cluster time is CLOCK_BOOTTIME plus this. */
void datapath_clock(struct datapath *datapath, int64_t offset);

/* Front: how many questions for flows it doesn't know a CPU may ask nodes, whether for ever or only
 * as long as flows can be older than its table; `began`: that is empty now. After datapath_clock.
 */
void datapath_asks(struct datapath *datapath, uint64_t per_second, bool always, bool began);

int64_t datapath_clock_offset(const struct datapath *datapath);

/* The next hop to a host: to the nodes and fronts that have this address. */
void datapath_hop(struct datapath *datapath, const struct address *host, const unsigned char mac[6],
		  int ifindex);

/* Whether the daemon of a dispatcher on another host is connected. As soon as it is, the dispatcher
 * is asked. */
void datapath_dispatcher(struct datapath *datapath, uint32_t number, bool connected);

/* The number of the dispatcher on another host that has the target; -ENOENT: the front decides. */
int datapath_dispatcher_of(const struct datapath *datapath, uint64_t target);

/* Whether that dispatcher answers, as far as this host knows. */
bool datapath_dispatcher_answers(const struct datapath *datapath, uint32_t number);

/* Writes the registry into the maps; `ready` is set with the first call. Returns 0 or -errno. */
int datapath_publish(struct datapath *datapath, const struct registry *registry);

/* Writes what changed since (hops, clock), without pools. Returns 0 or -errno. */
int datapath_refresh(struct datapath *datapath);

/* The placement's own view, on the kernel's memory: for a decision made here with place_choose. */
struct place_world *datapath_world(struct datapath *datapath);

/* The load that policies go by, of a node (slot is its id) or of a service's whole pool: requests
 * in service, and how many the node had received from deciders elsewhere when that was said. */
void datapath_load(struct datapath *datapath, uint32_t slot, uint64_t in_service,
		   uint64_t received);
uint32_t datapath_pool_slot(uint32_t service);

/* The load of a pool whose nodes don't say what of it arrived: what was charged until now has. */
void datapath_pool_load(struct datapath *datapath, uint32_t pool, uint64_t in_service);

/* Whether the maps were in force when they were taken over: a restart. */
bool datapath_was_ready(const struct datapath *datapath);

#endif

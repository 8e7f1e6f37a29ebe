/* What the cluster consists of at run time: nodes and services with their ids, states and weights.
 * The front daemon keeps the one that counts and changes it; every change makes a new version, and
 * the snapshot of it (JSON) goes to all node daemons and to the state file that a restart begins
 * from. A node's daemon fills its own registry from snapshots.
 *
 * Node ids are 1 .. NODES_MAX - 1 and index `nodes`; a node keeps its id while it is known. An id
 * given back rests until all others were used, because flows may still name it. Service ids index
 * `services` and their counters. */
#ifndef BATON_CONTROL_REGISTRY_H
#define BATON_CONTROL_REGISTRY_H

#include "control/config.h"
#include "wire/cluster.h"

#include <jansson.h>

/* A node in a service's pool. */
enum member_state { MEMBER_NONE, MEMBER_UP, MEMBER_DOWN, MEMBER_DOUBT };

/* A member that has come back gets its whole share in so many steps. */
enum { RAMP_STEPS = 16 };

struct registry_node {
	bool used;
	bool draining; /* asked for; health is per service */
	char name[CONFIG_NAME];
	struct address address, address6;
	uint32_t weight;
};

/* A dispatcher on a host of its own. */
struct registry_dispatcher {
	char name[CONFIG_NAME];
	struct address address, address6;
	struct endpoint control;
};

struct registry_service {
	bool used;
	struct config_service settings; /* without the pools' and its own `node`, and `line` */
	uint8_t member[NODES_MAX];	/* enum member_state by node id */
	uint32_t pools[NODES_MAX];	/* which pools have the node: bit 0 the service's own, 1 + i
					   that in settings.pools[i] */
	uint8_t ramp[NODES_MAX]; /* 1 .. RAMP_STEPS - 1: of so many parts of its share; 0: all */
};

struct registry {
	char cluster[CONFIG_NAME];
	uint32_t port;
	uint64_t idle;			   /* ns */
	struct address fronts[FRONTS_MAX]; /* by number; zero: none */
	uint64_t version; /* of the last change; 0: made from a file, known to nobody else */
	uint32_t id_next; /* where the search for a free node id begins */
	struct registry_dispatcher dispatchers[CONFIG_DISPATCHERS]; /* the front, if none */
	unsigned int dispatcher_count;
	struct registry_node nodes[NODES_MAX];
	struct registry_service services[CONFIG_SERVICES];
};

/* Memory for one; never NULL; free() it. */
struct registry *registry_new(void);

/* Takes over a configuration. Nodes and services that the registry knows by name keep their ids,
 * their drain and their health; those not in the file go; new ones begin as up. Returns whether
 * anything changed (the version is raised then). */
bool registry_configure(struct registry *registry, const struct config *config);

/* JSON, a new reference. */
json_t *registry_snapshot(const struct registry *registry);

/* Replaces all by a snapshot. Returns 0, or -EINVAL with the registry unchanged. */
int registry_restore(struct registry *registry, const json_t *snapshot);

/* Id of a node, 0 if there is none of that name. */
uint32_t registry_node_id(const struct registry *registry, const char *name);

/* Index of a dispatcher on a host of its own, -ENOENT. */
int registry_dispatcher_number(const struct registry *registry, const char *name);

/* Index of a service, -ENOENT. */
int registry_service_id(const struct registry *registry, const char *name);

/* Adds a node to every service, or a service with the nodes its settings name by `member`. Return
 * the id, -EEXIST or -ENOSPC. */
int registry_add_node(struct registry *registry, const struct registry_node *node);
int registry_add_service(struct registry *registry, const struct registry_service *service);
void registry_remove_node(struct registry *registry, uint32_t id);
void registry_remove_service(struct registry *registry, uint32_t id);

/* Whether the service is there and the policy of one of its pools goes by the nodes' load. */
bool registry_by_load(const struct registry *registry, uint32_t service);

/* Of a node over all services: DRAIN if asked for, DOWN if it is down in every service that has it,
 * ABSENT if it is no member of any, else UP. */
enum node_state registry_node_state(const struct registry *registry, uint32_t id);
const char *node_state_name(enum node_state state);

#endif

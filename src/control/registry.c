#include "control/registry.h"

#include "base/fail.h"
#include "place/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct registry *registry_new(void)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		out_of_memory();
	registry->id_next = 1;
	return registry;
}

uint32_t registry_node_id(const struct registry *registry, const char *name)
{
	for (uint32_t id = 1; id < NODES_MAX; id++)
		if (registry->nodes[id].used && !strcmp(registry->nodes[id].name, name))
			return id;
	return 0;
}

int registry_dispatcher_number(const struct registry *registry, const char *name)
{
	for (unsigned int i = 0; i < registry->dispatcher_count; i++)
		if (!strcmp(registry->dispatchers[i].name, name))
			return (int)i;
	return -ENOENT;
}

int registry_service_id(const struct registry *registry, const char *name)
{
	for (int id = 0; id < CONFIG_SERVICES; id++)
		if (registry->services[id].used &&
		    !strcmp(registry->services[id].settings.name, name))
			return id;
	return -ENOENT;
}

static uint32_t free_node_id(struct registry *registry)
{
	for (uint32_t tried = 1; tried < NODES_MAX; tried++) {
		uint32_t id = registry->id_next;

		registry->id_next = id + 1 < NODES_MAX ? id + 1 : 1;
		if (!registry->nodes[id].used)
			return id;
	}
	return 0;
}

static int insert_node(struct registry *registry, const struct registry_node *node)
{
	uint32_t id;

	if (registry_node_id(registry, node->name))
		return -EEXIST;
	id = free_node_id(registry);
	if (!id)
		return -ENOSPC;
	registry->nodes[id] = *node;
	registry->nodes[id].used = true;
	return (int)id;
}

int registry_add_node(struct registry *registry, const struct registry_node *node)
{
	int id = insert_node(registry, node);

	if (id < 0)
		return id;
	for (int service = 0; service < CONFIG_SERVICES; service++) {
		registry->services[service].member[id] =
			registry->services[service].used ? MEMBER_UP : MEMBER_NONE;
		registry->services[service].pools[id] = registry->services[service].used;
	}
	registry->version++;
	return id;
}

int registry_add_service(struct registry *registry, const struct registry_service *service)
{
	if (registry_service_id(registry, service->settings.name) >= 0)
		return -EEXIST;
	for (int id = 0; id < CONFIG_SERVICES; id++) {
		if (registry->services[id].used)
			continue;
		registry->services[id] = *service;
		registry->services[id].used = true;
		for (uint32_t node = 1; node < NODES_MAX; node++)
			if (service->member[node] != MEMBER_NONE && !service->pools[node])
				registry->services[id].pools[node] = 1;
		registry->version++;
		return id;
	}
	return -ENOSPC;
}

void registry_remove_node(struct registry *registry, uint32_t id)
{
	memset(&registry->nodes[id], 0, sizeof(registry->nodes[id]));
	for (int service = 0; service < CONFIG_SERVICES; service++) {
		registry->services[service].member[id] = MEMBER_NONE;
		registry->services[service].pools[id] = 0;
	}
	registry->version++;
}

void registry_remove_service(struct registry *registry, uint32_t id)
{
	memset(&registry->services[id], 0, sizeof(registry->services[id]));
	registry->version++;
}

static bool policy_by_load(const char *name)
{
	int policy = place_policy_by_name(name);

	return policy >= 0 && place_policy_wants((enum place_policy)policy) & PLACE_WANT_LOAD;
}

bool registry_by_load(const struct registry *registry, uint32_t service)
{
	const struct registry_service *from = &registry->services[service];
	bool result = from->used && policy_by_load(from->settings.policy);

	for (int i = 0; i < CONFIG_POOL_SLOTS && from->used; i++)
		result |= *from->settings.pools[i].name &&
			  policy_by_load(from->settings.pools[i].policy);
	return result;
}

enum node_state registry_node_state(const struct registry *registry, uint32_t id)
{
	bool member = false, up = false;

	if (!registry->nodes[id].used)
		return NODE_ABSENT;
	if (registry->nodes[id].draining)
		return NODE_DRAIN;
	for (int service = 0; service < CONFIG_SERVICES; service++) {
		if (!registry->services[service].used)
			continue;
		member |= registry->services[service].member[id] != MEMBER_NONE;
		up |= registry->services[service].member[id] == MEMBER_UP ||
		      registry->services[service].member[id] == MEMBER_DOUBT;
	}
	return up || !member ? NODE_UP : NODE_DOWN;
}

const char *node_state_name(enum node_state state)
{
	static const char *const names[] = {[NODE_ABSENT] = "absent",
					    [NODE_UP] = "up",
					    [NODE_DRAIN] = "drain",
					    [NODE_DOWN] = "down"};

	return names[state];
}

/* ---- from a configuration ---- */

/* Nodes of the file by their index in it -> id. */
static bool configure_nodes(struct registry *registry, const struct config *config,
			    uint32_t ids[CONFIG_NODES])
{
	bool changed = false;

	for (uint32_t id = 1; id < NODES_MAX; id++)
		if (registry->nodes[id].used &&
		    !config_node_named(config, registry->nodes[id].name)) {
			registry_remove_node(registry, id);
			changed = true;
		}
	for (unsigned int i = 0; i < config->node_count; i++) {
		const struct config_node *from = &config->nodes[i];
		uint32_t id = registry_node_id(registry, from->name);
		struct registry_node node;

		/* Compared as bytes below, so the padding counts. */
		memset(&node, 0, sizeof(node));
		node.used = true;
		node.address = from->address;
		node.address6 = from->address6;
		node.weight = from->weight;
		memcpy(node.name, from->name, sizeof(node.name));
		if (id) {
			node.draining = registry->nodes[id].draining;
			changed |= memcmp(&node, &registry->nodes[id], sizeof(node)) != 0;
			registry->nodes[id] = node;
		} else {
			/* A file has at most CONFIG_NODES, so there is always an id left. */
			id = (uint32_t)insert_node(registry, &node);
			changed = true;
		}
		ids[i] = id;
	}
	return changed;
}

static int pool_slot(const struct config_pool pools[CONFIG_POOL_SLOTS], const char *name)
{
	for (int i = 0; i < CONFIG_POOL_SLOTS; i++)
		if (!strcmp(pools[i].name, name))
			return i;
	return -1;
}

/* Gives the pools of a file their places: a pool that `before` (may be NULL) has keeps its own, a
 * new one gets one that nothing has, so that no packet finds new nodes under an old rule. */
static void place_pools(const struct registry_service *before, const struct config_service *from,
			struct config_service *to)
{
	memset(to->pools, 0, sizeof(to->pools));
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CONFIG_POOL_SLOTS; i++) {
			const struct config_pool *pool = &from->pools[i];
			int slot = -1, known;

			if (!*pool->name)
				continue;
			known = before ? pool_slot(before->settings.pools, pool->name) : -1;
			if (!round)
				slot = known;
			for (int s = 0; round && known < 0 && s < CONFIG_POOL_SLOTS && slot < 0;
			     s++)
				if (!*to->pools[s].name &&
				    !(before && *before->settings.pools[s].name))
					slot = s;
			if (slot >= 0)
				to->pools[slot] = *pool;
		}
}

/* The pools that have node `n` of the file, as bits. */
static uint32_t pools_of(const struct config_service *service, unsigned int n)
{
	uint32_t bits = service->node[n];

	for (int i = 0; i < CONFIG_POOL_SLOTS; i++)
		if (*service->pools[i].name && service->pools[i].node[n])
			bits |= 2u << i;
	return bits;
}

static bool configure_services(struct registry *registry, const struct config *config,
			       const uint32_t ids[CONFIG_NODES])
{
	bool changed = false;

	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		if (registry->services[id].used &&
		    !config_service_named(config, registry->services[id].settings.name)) {
			registry_remove_service(registry, id);
			changed = true;
		}
	for (unsigned int i = 0; i < config->service_count; i++) {
		const struct config_service *from = &config->services[i];
		int id = registry_service_id(registry, from->name);
		struct registry_service *service = calloc(1, sizeof(*service));

		if (!service)
			out_of_memory();
		service->settings = *from;
		service->settings.line = 0;
		place_pools(id >= 0 ? &registry->services[id] : NULL, from, &service->settings);
		service->used = true;
		for (unsigned int n = 0; n < config->node_count; n++) {
			uint32_t pools = pools_of(&service->settings, n);

			service->pools[ids[n]] = pools;
			if (!pools)
				continue;
			service->member[ids[n]] = MEMBER_UP;
			if (id < 0 || registry->services[id].member[ids[n]] == MEMBER_NONE)
				continue;
			service->member[ids[n]] = registry->services[id].member[ids[n]];
			service->ramp[ids[n]] = registry->services[id].ramp[ids[n]];
		}
		memset(service->settings.node, 0, sizeof(service->settings.node));
		for (int i = 0; i < CONFIG_POOL_SLOTS; i++)
			memset(service->settings.pools[i].node, 0,
			       sizeof(service->settings.pools[i].node));
		if (id < 0) {
			registry_add_service(registry, service);
			changed = true;
		} else if (memcmp(&registry->services[id], service, sizeof(*service))) {
			registry->services[id] = *service;
			changed = true;
		}
		free(service);
	}
	return changed;
}

static bool configure_fronts(struct registry *registry, const struct config *config)
{
	struct address fronts[FRONTS_MAX] = {0};
	bool changed;

	for (unsigned int i = 0; i < config->front_count; i++)
		fronts[i] = config->fronts[i].address;
	changed = memcmp(fronts, registry->fronts, sizeof(fronts)) != 0;
	memcpy(registry->fronts, fronts, sizeof(fronts));
	return changed;
}

static bool configure_dispatchers(struct registry *registry, const struct config *config)
{
	struct registry_dispatcher all[CONFIG_DISPATCHERS];
	bool changed;

	memset(all, 0, sizeof(all));
	for (unsigned int i = 0; i < config->dispatcher_count; i++) {
		const struct config_dispatcher *from = &config->dispatchers[i];

		memcpy(all[i].name, from->name, sizeof(all[i].name));
		all[i].address = from->address;
		all[i].address6 = from->address6;
		all[i].control.address = from->control.address;
		all[i].control.port = from->control.port;
	}
	changed = memcmp(all, registry->dispatchers, sizeof(all));
	memcpy(registry->dispatchers, all, sizeof(all));
	registry->dispatcher_count = config->dispatcher_count;
	return changed;
}

bool registry_configure(struct registry *registry, const struct config *config)
{
	uint64_t version = registry->version;
	uint32_t ids[CONFIG_NODES];
	bool changed;

	changed = strcmp(registry->cluster, config->name) || registry->port != config->port ||
		  registry->idle != config->front.idle;
	memcpy(registry->cluster, config->name, sizeof(registry->cluster));
	registry->port = config->port;
	registry->idle = config->front.idle;
	changed |= configure_fronts(registry, config);
	changed |= configure_nodes(registry, config, ids);
	changed |= configure_services(registry, config, ids);
	changed |= configure_dispatchers(registry, config);
	registry->version = version + changed;
	return changed;
}

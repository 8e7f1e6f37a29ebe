#include "control/registry.h"

#include "place/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct registry *registry_new(void)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		abort();
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
			abort();
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
	registry->version = version + changed;
	return changed;
}

/* ---- JSON ---- */

static json_t *json_address(const struct address *address)
{
	char text[ADDRESS_TEXT];

	if (address_is_zero(address))
		return json_null();
	return json_string(address_text(address, text));
}

static bool read_address(const json_t *json, struct address *address)
{
	memset(address, 0, sizeof(*address));
	return json_is_null(json) ||
	       (json_is_string(json) && !address_parse(json_string_value(json), address));
}

static json_t *json_pools(const struct config_service *settings)
{
	json_t *pools = json_array();

	for (int i = 0; i < CONFIG_POOL_SLOTS; i++)
		if (*settings->pools[i].name)
			json_array_append_new(pools, json_pack("{s:i, s:s, s:s}", "slot", i, "name",
							       settings->pools[i].name, "policy",
							       settings->pools[i].policy));
	return pools;
}

static json_t *json_rules(const struct config_service *settings)
{
	json_t *rules = json_array();

	for (unsigned int i = 0; i < settings->rule_count; i++) {
		const struct config_rule *rule = &settings->rules[i];

		json_array_append_new(rules, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
						       "host", rule->host, "path", rule->path,
						       "suffix", rule->suffix, "method",
						       rule->method, "header", rule->header,
						       "value", rule->value, "pool", rule->pool));
	}
	return rules;
}

/* [rate, connections, [network, deny], ...] */
static json_t *json_sources(const struct config_service *s)
{
	json_t *list =
		json_pack("[I, I]", (json_int_t)s->source_rate, (json_int_t)s->source_connections);
	char text[CONFIG_SOURCE_TEXT];

	for (unsigned int i = 0; i < s->source_count; i++)
		json_array_append_new(list,
				      json_pack("[s, b]", config_source_text(&s->sources[i], text),
						s->sources[i].deny));
	return list;
}

static bool restore_sources(struct config_service *s, json_t *list)
{
	json_int_t rate, connections;
	size_t count = json_array_size(list);

	if (count < 2 || count > CONFIG_SOURCES + 2 ||
	    json_unpack(list, "[I, I]", &rate, &connections) || rate < 0 || connections < 0)
		return false;
	s->source_rate = (uint32_t)rate;
	s->source_connections = (uint32_t)connections;
	for (size_t i = 2; i < count; i++) {
		const char *text;
		int deny;

		if (json_unpack(json_array_get(list, i), "[s, b]", &text, &deny) ||
		    config_source_parse(text, &s->sources[s->source_count]))
			return false;
		s->sources[s->source_count++].deny = deny;
	}
	return true;
}

static json_t *json_service(const struct registry *registry, uint32_t id)
{
	const struct registry_service *service = &registry->services[id];
	const struct config_service *s = &service->settings;
	json_t *addresses = json_array(), *members = json_array();

	for (unsigned int i = 0; i < s->address_count; i++)
		json_array_append_new(addresses, json_address(&s->addresses[i]));
	for (uint32_t node = 1; node < NODES_MAX; node++)
		if (service->member[node])
			json_array_append_new(members,
					      json_pack("{s:i, s:i, s:i, s:i}", "node", node,
							"state", service->member[node], "ramp",
							service->ramp[node], "pools",
							service->pools[node]));
	return json_pack("{s:i, s:s, s:o, s:i, s:i, s:s, s:i, s:i, s:i, s:i, s:b, s:o, "
			 "s:{s:i, s:s, s:s, s:I, s:I, s:I, s:i, s:i}, s:o, s:o, s:i, s:o}",
			 "id", id, "name", s->name, "addresses", addresses, "port", s->port,
			 "protocol", s->protocol, "policy", s->policy, "target", s->target, "place",
			 s->place, "forward", s->forward, "release", s->release, "switch",
			 s->switching, "members", members, "health", "type", s->health.type, "path",
			 s->health.path, "host", s->health.host, "interval",
			 (json_int_t)s->health.interval, "timeout", (json_int_t)s->health.timeout,
			 "slow_start", (json_int_t)s->health.slow_start, "rise", s->health.rise,
			 "fall", s->health.fall, "pools", json_pools(s), "rules", json_rules(s),
			 "schedule", s->schedule, "sources", json_sources(s));
}

json_t *registry_snapshot(const struct registry *registry)
{
	json_t *nodes = json_array(), *services = json_array(), *fronts = json_array();

	for (uint32_t id = 1; id < NODES_MAX; id++) {
		const struct registry_node *node = &registry->nodes[id];

		if (node->used)
			json_array_append_new(nodes,
					      json_pack("{s:i, s:s, s:o, s:o, s:i, s:b}", "id", id,
							"name", node->name, "address",
							json_address(&node->address), "address6",
							json_address(&node->address6), "weight",
							node->weight, "draining", node->draining));
	}
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		if (registry->services[id].used)
			json_array_append_new(services, json_service(registry, id));
	for (int i = 0; i < FRONTS_MAX; i++)
		json_array_append_new(fronts, json_address(&registry->fronts[i]));
	return json_pack("{s:s, s:I, s:i, s:i, s:I, s:o, s:o, s:o}", "cluster", registry->cluster,
			 "version", (json_int_t)registry->version, "id_next", registry->id_next,
			 "port", registry->port, "idle", (json_int_t)registry->idle, "fronts",
			 fronts, "nodes", nodes, "services", services);
}

static bool copy_text(char *to, size_t room, const char *from)
{
	size_t length = strlen(from);

	if (length >= room)
		return false;
	memcpy(to, from, length + 1);
	return true;
}

static bool restore_node(struct registry *registry, json_t *json)
{
	struct registry_node node;
	json_t *address, *address6;
	int id, weight, draining;
	const char *name;

	memset(&node, 0, sizeof(node));
	node.used = true;
	if (json_unpack(json, "{s:i, s:s, s:o, s:o, s:i, s:b}", "id", &id, "name", &name, "address",
			&address, "address6", &address6, "weight", &weight, "draining",
			&draining) ||
	    id < 1 || id >= NODES_MAX || weight < 0 || registry->nodes[id].used ||
	    !copy_text(node.name, sizeof(node.name), name) ||
	    !read_address(address, &node.address) || !read_address(address6, &node.address6))
		return false;
	node.weight = (uint32_t)weight;
	node.draining = draining;
	registry->nodes[id] = node;
	return true;
}

static bool restore_pools(struct config_service *settings, json_t *pools)
{
	json_t *item;
	size_t index;

	json_array_foreach (pools, index, item) {
		const char *name, *policy;
		int slot;

		if (json_unpack(item, "{s:i, s:s, s:s}", "slot", &slot, "name", &name, "policy",
				&policy) ||
		    slot < 0 || slot >= CONFIG_POOL_SLOTS ||
		    !copy_text(settings->pools[slot].name, CONFIG_NAME, name) ||
		    !copy_text(settings->pools[slot].policy, CONFIG_NAME, policy))
			return false;
	}
	return true;
}

static bool restore_rules(struct config_service *settings, json_t *rules)
{
	json_t *item;
	size_t index;

	if (json_array_size(rules) > CONFIG_RULES)
		return false;
	json_array_foreach (rules, index, item) {
		struct config_rule *rule = &settings->rules[index];
		const char *host, *path, *suffix, *method, *header, *value, *pool;

		if (json_unpack(item, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "host", &host, "path",
				&path, "suffix", &suffix, "method", &method, "header", &header,
				"value", &value, "pool", &pool) ||
		    !copy_text(rule->host, sizeof(rule->host), host) ||
		    !copy_text(rule->path, sizeof(rule->path), path) ||
		    !copy_text(rule->suffix, sizeof(rule->suffix), suffix) ||
		    !copy_text(rule->method, sizeof(rule->method), method) ||
		    !copy_text(rule->header, sizeof(rule->header), header) ||
		    !copy_text(rule->value, sizeof(rule->value), value) ||
		    !copy_text(rule->pool, sizeof(rule->pool), pool))
			return false;
		settings->rule_count++;
	}
	return true;
}

static bool restore_service(struct registry *registry, json_t *json)
{
	struct registry_service *service;
	struct config_service *s;
	json_t *addresses, *members, *pools, *rules, *sources, *item;
	const char *name, *policy, *path, *host;
	int id, port, switching, rise, fall;
	json_int_t interval, timeout, slow;
	size_t index;

	if (json_unpack(json, "{s:i}", "id", &id) || id < 0 || id >= CONFIG_SERVICES)
		return false;
	service = &registry->services[id];
	s = &service->settings;
	if (service->used ||
	    json_unpack(json,
			"{s:s, s:o, s:i, s:i, s:s, s:i, s:i, s:i, s:i, s:b, s:o, "
			"s:{s:i, s:s, s:s, s:I, s:I, s:I, s:i, s:i}, s:o, s:o, s:i, s:o}",
			"name", &name, "addresses", &addresses, "port", &port, "protocol",
			&s->protocol, "policy", &policy, "target", &s->target, "place", &s->place,
			"forward", &s->forward, "release", &s->release, "switch", &switching,
			"members", &members, "health", "type", &s->health.type, "path", &path,
			"host", &host, "interval", &interval, "timeout", &timeout, "slow_start",
			&slow, "rise", &rise, "fall", &fall, "pools", &pools, "rules", &rules,
			"schedule", &s->schedule, "sources", &sources) ||
	    !restore_sources(s, sources) || !restore_pools(s, pools) || !restore_rules(s, rules) ||
	    port < 1 || port > 65535 || interval < 0 || timeout < 0 || slow < 0 || rise < 0 ||
	    fall < 0 || s->protocol < PROTOCOL_HTTP || s->protocol > PROTOCOL_UDP ||
	    !copy_text(s->name, sizeof(s->name), name) ||
	    !copy_text(s->policy, sizeof(s->policy), policy) ||
	    !copy_text(s->health.path, sizeof(s->health.path), path) ||
	    !copy_text(s->health.host, sizeof(s->health.host), host) ||
	    json_array_size(addresses) > CONFIG_VIPS)
		return false;
	service->used = true;
	s->port = (uint32_t)port;
	s->switching = switching;
	s->health.interval = (uint64_t)interval;
	s->health.timeout = (uint64_t)timeout;
	s->health.slow_start = (uint64_t)slow;
	s->health.rise = (uint32_t)rise;
	s->health.fall = (uint32_t)fall;
	json_array_foreach (addresses, index, item)
		if (!read_address(item, &s->addresses[s->address_count++]))
			return false;
	json_array_foreach (members, index, item) {
		int node, state, ramp, bits;

		if (json_unpack(item, "{s:i, s:i, s:i, s:i}", "node", &node, "state", &state,
				"ramp", &ramp, "pools", &bits) ||
		    node < 1 || node >= NODES_MAX || !registry->nodes[node].used ||
		    state <= MEMBER_NONE || state > MEMBER_DOUBT || ramp < 0 || ramp >= RAMP_STEPS)
			return false;
		service->member[node] = (uint8_t)state;
		service->ramp[node] = (uint8_t)ramp;
		service->pools[node] = (uint32_t)bits;
	}
	return true;
}

int registry_restore(struct registry *registry, const json_t *snapshot)
{
	struct registry *fresh = registry_new();
	json_t *nodes, *services, *fronts, *item;
	json_int_t version, idle;
	const char *cluster;
	int port, id_next, error = -EINVAL;
	size_t index;

	if (json_unpack((json_t *)snapshot, "{s:s, s:I, s:i, s:i, s:I, s:o, s:o, s:o}", "cluster",
			&cluster, "version", &version, "id_next", &id_next, "port", &port, "idle",
			&idle, "fronts", &fronts, "nodes", &nodes, "services", &services) ||
	    version < 0 || idle < 0 || port < 1 || port > 65535 || id_next < 1 ||
	    id_next >= NODES_MAX || !copy_text(fresh->cluster, sizeof(fresh->cluster), cluster) ||
	    json_array_size(fronts) > FRONTS_MAX)
		goto out;
	json_array_foreach (fronts, index, item)
		if (!read_address(item, &fresh->fronts[index]))
			goto out;
	fresh->version = (uint64_t)version;
	fresh->idle = (uint64_t)idle;
	fresh->port = (uint32_t)port;
	fresh->id_next = (uint32_t)id_next;
	json_array_foreach (nodes, index, item)
		if (!restore_node(fresh, item))
			goto out;
	json_array_foreach (services, index, item)
		if (!restore_service(fresh, item))
			goto out;
	*registry = *fresh;
	error = 0;
out:
	free(fresh);
	return error;
}

/* The registry as JSON and back: what nodes are told, and what a restart begins from. */
#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
			 "s:{s:i, s:s, s:s, s:I, s:I, s:I, s:i, s:i}, s:o, s:o, s:i, s:o, s:I, "
			 "s:i, s:I}",
			 "id", id, "name", s->name, "addresses", addresses, "port", s->port,
			 "protocol", s->protocol, "policy", s->policy, "target", s->target, "place",
			 s->place, "forward", s->forward, "release", s->release, "switch",
			 s->switching, "members", members, "health", "type", s->health.type, "path",
			 s->health.path, "host", s->health.host, "interval",
			 (json_int_t)s->health.interval, "timeout", (json_int_t)s->health.timeout,
			 "slow_start", (json_int_t)s->health.slow_start, "rise", s->health.rise,
			 "fall", s->health.fall, "pools", json_pools(s), "rules", json_rules(s),
			 "schedule", s->schedule, "sources", json_sources(s), "window",
			 (json_int_t)s->window, "path_segments", s->path_segments, "decay",
			 (json_int_t)s->decay);
}

static json_t *json_dispatcher(const struct registry_dispatcher *dispatcher)
{
	char control[ENDPOINT_TEXT];

	return json_pack("{s:s, s:o, s:o, s:s}", "name", dispatcher->name, "address",
			 json_address(&dispatcher->address), "address6",
			 json_address(&dispatcher->address6), "control",
			 endpoint_text(&dispatcher->control, control));
}

json_t *registry_snapshot(const struct registry *registry)
{
	json_t *nodes = json_array(), *services = json_array(), *fronts = json_array();
	json_t *dispatchers = json_array();

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
	for (unsigned int i = 0; i < registry->dispatcher_count; i++)
		json_array_append_new(dispatchers, json_dispatcher(&registry->dispatchers[i]));
	return json_pack("{s:s, s:I, s:i, s:i, s:I, s:o, s:o, s:o, s:o}", "cluster",
			 registry->cluster, "version", (json_int_t)registry->version, "id_next",
			 registry->id_next, "port", registry->port, "idle",
			 (json_int_t)registry->idle, "fronts", fronts, "nodes", nodes, "services",
			 services, "dispatchers", dispatchers);
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

static bool restore_dispatcher(struct registry *registry, json_t *json)
{
	struct registry_dispatcher *dispatcher = &registry->dispatchers[registry->dispatcher_count];
	json_t *address, *address6;
	const char *name, *control;

	if (registry->dispatcher_count == CONFIG_DISPATCHERS ||
	    json_unpack(json, "{s:s, s:o, s:o, s:s}", "name", &name, "address", &address,
			"address6", &address6, "control", &control) ||
	    !copy_text(dispatcher->name, sizeof(dispatcher->name), name) ||
	    !read_address(address, &dispatcher->address) ||
	    !read_address(address6, &dispatcher->address6) ||
	    endpoint_parse(control, &dispatcher->control))
		return false;
	registry->dispatcher_count++;
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
	int id, port, switching, rise, fall, segments = CONFIG_SEGMENTS_ALL;
	json_int_t interval, timeout, slow, window, decay = 0;
	size_t index;

	if (json_unpack(json, "{s:i}", "id", &id) || id < 0 || id >= CONFIG_SERVICES)
		return false;
	service = &registry->services[id];
	s = &service->settings;
	if (service->used ||
	    json_unpack(json,
			"{s:s, s:o, s:i, s:i, s:s, s:i, s:i, s:i, s:i, s:b, s:o, "
			"s:{s:i, s:s, s:s, s:I, s:I, s:I, s:i, s:i}, s:o, s:o, s:i, s:o, s:I, "
			"s?i, s?I}",
			"name", &name, "addresses", &addresses, "port", &port, "protocol",
			&s->protocol, "policy", &policy, "target", &s->target, "place", &s->place,
			"forward", &s->forward, "release", &s->release, "switch", &switching,
			"members", &members, "health", "type", &s->health.type, "path", &path,
			"host", &host, "interval", &interval, "timeout", &timeout, "slow_start",
			&slow, "rise", &rise, "fall", &fall, "pools", &pools, "rules", &rules,
			"schedule", &s->schedule, "sources", &sources, "window", &window,
			"path_segments", &segments, "decay", &decay) ||
	    !restore_sources(s, sources) || !restore_pools(s, pools) || !restore_rules(s, rules) ||
	    port < 1 || port > 65535 || interval < 0 || timeout < 0 || slow < 0 || window < 0 ||
	    decay < 0 || rise < 0 || fall < 0 || segments < 0 || segments > CONFIG_SEGMENTS_ALL ||
	    s->protocol < PROTOCOL_HTTP || s->protocol > PROTOCOL_UDP ||
	    !copy_text(s->name, sizeof(s->name), name) ||
	    !copy_text(s->policy, sizeof(s->policy), policy) ||
	    !copy_text(s->health.path, sizeof(s->health.path), path) ||
	    !copy_text(s->health.host, sizeof(s->health.host), host) ||
	    json_array_size(addresses) > CONFIG_VIPS)
		return false;
	service->used = true;
	s->port = (uint32_t)port;
	s->switching = switching;
	s->window = (uint64_t)window;
	s->path_segments = (uint32_t)segments;
	s->decay = (uint64_t)decay;
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
	json_t *nodes, *services, *fronts, *dispatchers, *item;
	json_int_t version, idle;
	const char *cluster;
	int port, id_next, error = -EINVAL;
	size_t index;

	if (json_unpack((json_t *)snapshot, "{s:s, s:I, s:i, s:i, s:I, s:o, s:o, s:o, s:o}",
			"cluster", &cluster, "version", &version, "id_next", &id_next, "port",
			&port, "idle", &idle, "fronts", &fronts, "nodes", &nodes, "services",
			&services, "dispatchers", &dispatchers) ||
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
	json_array_foreach (dispatchers, index, item)
		if (!restore_dispatcher(fresh, item))
			goto out;
	*registry = *fresh;
	error = 0;
out:
	free(fresh);
	return error;
}

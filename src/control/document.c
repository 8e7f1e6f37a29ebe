#include "control/document.h"

#include <stdio.h>
#include <string.h>

/* Sets a key unless the address is none. */
static void set_address(json_t *object, const char *key, const struct address *address)
{
	char text[ADDRESS_TEXT];

	if (!address_is_zero(address))
		json_object_set_new(object, key, json_string(address_text(address, text)));
}

static void set_endpoint(json_t *object, const char *key, const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT];

	if (endpoint->port)
		json_object_set_new(object, key, json_string(endpoint_text(endpoint, text)));
}

static void set_choice(json_t *object, const char *key, const char *choices, int index)
{
	char text[CONFIG_NAME];

	json_object_set_new(object, key, json_string(config_choice(choices, index, text)));
}

static void set_duration(json_t *object, const char *key, uint64_t ns)
{
	char text[32];

	if (ns % 1000000000 == 0)
		snprintf(text, sizeof(text), "%llus", (unsigned long long)(ns / 1000000000));
	else if (ns % 1000000 == 0)
		snprintf(text, sizeof(text), "%llums", (unsigned long long)(ns / 1000000));
	else
		snprintf(text, sizeof(text), "%lluns", (unsigned long long)ns);
	json_object_set_new(object, key, json_string(text));
}

static void set_sources(json_t *object, const char *key, const struct config_service *service,
			bool deny)
{
	json_t *list = json_array();
	char text[CONFIG_SOURCE_TEXT];

	for (unsigned int i = 0; i < service->source_count; i++)
		if (service->sources[i].deny == deny)
			json_array_append_new(
				list, json_string(config_source_text(&service->sources[i], text)));
	if (json_array_size(list))
		json_object_set(object, key, list);
	json_decref(list);
}

static json_t *front_section(const struct config_front *front)
{
	json_t *object = json_pack("{s:s, s:s, s:I}", "name", front->name, "interface",
				   front->interface, "flows", (json_int_t)front->flows);
	json_t *slow;

	set_address(object, "address", &front->address);
	set_address(object, "address6", &front->address6);
	set_choice(object, "xdp", CONFIG_XDPS, front->xdp);
	set_duration(object, "idle", front->idle);
	set_endpoint(object, "control", &front->control);
	set_endpoint(object, "http", &front->http);
	slow = json_pack("{s:I, s:I}", "size", (json_int_t)front->slow.size, "flows",
			 (json_int_t)front->slow.flows);
	set_duration(slow, "time", front->slow.time);
	json_object_set_new(object, "slow_path", slow);
	return object;
}

static json_t *node_section(const struct registry_node *node)
{
	json_t *object = json_pack("{s:s}", "name", node->name);

	set_address(object, "address", &node->address);
	set_address(object, "address6", &node->address6);
	json_object_set_new(object, "weight", json_integer(node->weight));
	return object;
}

static json_t *dispatcher_section(const struct registry_dispatcher *dispatcher)
{
	json_t *object = json_pack("{s:s}", "name", dispatcher->name);

	set_address(object, "address", &dispatcher->address);
	set_address(object, "address6", &dispatcher->address6);
	set_endpoint(object, "control", &dispatcher->control);
	return object;
}

/* The names of the nodes in a pool of a service, by its bit. */
static json_t *pool_nodes(const struct registry *registry, uint32_t service, uint32_t bit)
{
	json_t *nodes = json_array();

	for (uint32_t node = 1; node < NODES_MAX; node++)
		if (registry->services[service].pools[node] & bit)
			json_array_append_new(nodes, json_string(registry->nodes[node].name));
	return nodes;
}

static void set_text(json_t *object, const char *key, const char *value)
{
	if (*value)
		json_object_set_new(object, key, json_string(value));
}

static void set_rules(json_t *object, const struct registry *registry, uint32_t service)
{
	const struct config_service *s = &registry->services[service].settings;
	json_t *pools = json_array(), *rules = json_array();

	for (uint32_t i = 0; i < CONFIG_POOL_SLOTS; i++)
		if (*s->pools[i].name)
			json_array_append_new(pools,
					      json_pack("{s:s, s:s, s:o}", "name", s->pools[i].name,
							"policy", s->pools[i].policy, "nodes",
							pool_nodes(registry, service, 2u << i)));
	for (unsigned int i = 0; i < s->rule_count; i++) {
		json_t *rule = json_object();

		set_text(rule, "host", s->rules[i].host);
		set_text(rule, "path", s->rules[i].path);
		set_text(rule, "suffix", s->rules[i].suffix);
		set_text(rule, "method", s->rules[i].method);
		set_text(rule, "header", s->rules[i].header);
		set_text(rule, "value", s->rules[i].value);
		set_text(rule, "pool", s->rules[i].pool);
		json_array_append_new(rules, rule);
	}
	if (json_array_size(pools))
		json_object_set(object, "pools", pools);
	if (json_array_size(rules))
		json_object_set(object, "rules", rules);
	json_decref(pools);
	json_decref(rules);
}

static json_t *service_section(const struct registry *registry, uint32_t id)
{
	const struct registry_service *service = &registry->services[id];
	const struct config_service *s = &service->settings;
	json_t *object = json_pack("{s:s}", "name", s->name);
	json_t *addresses = json_array(), *nodes, *health = json_object();
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < s->address_count; i++)
		json_array_append_new(addresses, json_string(address_text(&s->addresses[i], text)));
	nodes = pool_nodes(registry, id, 1);
	json_object_set_new(object, "addresses", addresses);
	json_object_set_new(object, "port", json_integer(s->port));
	set_choice(object, "protocol", CONFIG_PROTOCOLS, s->protocol);
	json_object_set_new(object, "policy", json_string(s->policy));
	if (s->window)
		set_duration(object, "window", s->window);
	if (s->decay)
		set_duration(object, "decay", s->decay);
	json_object_set_new(object, "nodes", nodes);
	set_choice(object, "target", CONFIG_TARGETS, s->target);
	json_object_set_new(object, "path_segments", json_integer(s->path_segments));
	set_choice(object, "place", CONFIG_PLACES, s->place);
	set_choice(object, "forward", CONFIG_FORWARDS, s->forward);
	set_choice(object, "release", CONFIG_RELEASES, s->release);
	set_choice(object, "schedule", CONFIG_SCHEDULES, s->schedule);
	json_object_set_new(object, "switch", json_boolean(s->switching));
	set_sources(object, "allow", s, false);
	set_sources(object, "deny", s, true);
	json_object_set_new(object, "source_rate", json_integer(s->source_rate));
	json_object_set_new(object, "source_connections", json_integer(s->source_connections));
	set_choice(health, "type", CONFIG_HEALTHS, s->health.type);
	json_object_set_new(health, "path", json_string(s->health.path));
	if (*s->health.host)
		json_object_set_new(health, "host", json_string(s->health.host));
	set_duration(health, "interval", s->health.interval);
	set_duration(health, "timeout", s->health.timeout);
	set_duration(health, "slow_start", s->health.slow_start);
	json_object_set_new(health, "rise", json_integer(s->health.rise));
	json_object_set_new(health, "fall", json_integer(s->health.fall));
	json_object_set_new(object, "health", health);
	set_rules(object, registry, id);
	return object;
}

json_t *document_make(const struct registry *registry, const struct config *config)
{
	json_t *nodes = json_array(), *services = json_array(), *fronts = json_array();
	json_t *cluster = json_pack("{s:s, s:s, s:i}", "name", config->name, "key_file",
				    config->key_file, "port", config->port);
	json_t *dispatchers = json_array();

	set_address(cluster, "origin", &config->origin);
	for (uint32_t id = 1; id < NODES_MAX; id++)
		if (registry->nodes[id].used)
			json_array_append_new(nodes, node_section(&registry->nodes[id]));
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		if (registry->services[id].used)
			json_array_append_new(services, service_section(registry, id));
	for (unsigned int i = 0; i < config->front_count; i++)
		json_array_append_new(fronts, front_section(&config->fronts[i]));
	for (unsigned int i = 0; i < registry->dispatcher_count; i++)
		json_array_append_new(dispatchers, dispatcher_section(&registry->dispatchers[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "cluster", cluster, "fronts", fronts, "nodes",
			 nodes, "services", services, "dispatchers", dispatchers);
}

json_t *document_find(json_t *document, const char *list, const char *name, size_t *index)
{
	json_t *entries = json_object_get(document, list), *entry;
	size_t at;

	json_array_foreach (entries, at, entry) {
		const char *other = json_string_value(json_object_get(entry, "name"));

		if (other && !strcmp(other, name)) {
			*index = at;
			return entry;
		}
	}
	return NULL;
}

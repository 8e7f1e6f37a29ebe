#include "front/front.h"

#include "base/clock.h"
#include "control/latency.h"
#include "control/percpu.h"
#include "control/reasons.h"
#include "front/slow.h"
#include "place/world.h"
#include "wire/counters.h"

#include <string.h>

enum {
	NODE_WORDS = sizeof(struct front_node_counters) / sizeof(uint64_t),
	SERVICE_WORDS = sizeof(struct front_service_counters) / sizeof(uint64_t),
};

static const char *const counter_names[] = {
#define X(name, key, help) [FRONT_COUNT_##name] = key,
	FRONT_COUNTERS(X)
#undef X
};

/* Packets to all services and their bytes, which are counted by service only. */
static void add_traffic(const struct front *front, json_t *object)
{
	int map = bpf_object__find_map_fd_by_name(front->object, "front_services");
	union {
		uint64_t words[SERVICE_WORDS];
		struct front_service_counters counters;
	} services[CONFIG_SERVICES];
	uint64_t packets = 0, bytes = 0;

	percpu_sum_all(map, CONFIG_SERVICES, services->words, SERVICE_WORDS);
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		packets += services[id].counters.packets;
		bytes += services[id].counters.bytes_in;
	}
	json_object_set_new(object, "packets", json_integer((json_int_t)packets));
	json_object_set_new(object, "bytes_in", json_integer((json_int_t)bytes));
}

/* A counter called PREFIX_NAME is also shown as NAME in an object of its own. */
static void show_in(json_t *object, const char *prefix, const char *name, uint64_t value)
{
	size_t length = strlen(prefix);

	if (!strncmp(name, prefix, length))
		json_object_set_new(object, name + length, json_integer((json_int_t)value));
}

static json_t *front_section(const struct front *front)
{
	int map = bpf_object__find_map_fd_by_name(front->object, "front_counters");
	json_t *object = json_object(), *fallbacks = json_object(), *slow = json_object();
	uint64_t values[FRONT_COUNT_COUNT];
	char keys[8];

	json_object_set_new(object, "flows",
			    json_integer((json_int_t)flow_sweep_open(front->sweep)));
	add_traffic(front, object);
	percpu_sum_all(map, FRONT_COUNT_COUNT, values, 1);
	for (uint32_t i = 0; i < FRONT_COUNT_COUNT; i++) {
		json_object_set_new(object, counter_names[i], json_integer((json_int_t)values[i]));
		show_in(fallbacks, "fallback_", counter_names[i], values[i]);
		show_in(slow, "slow_", counter_names[i], values[i]);
	}
	json_object_set_new(object, "checkpoints",
			    json_integer((json_int_t)burial_told(front->burial)));
	json_object_set_new(object, "fallbacks", fallbacks);
	json_object_set_new(slow, "kept", json_integer(slow_path_kept(front->slow)));
	json_object_set_new(slow, "room", json_integer((json_int_t)front->config.front.slow.flows));
	json_object_set_new(object, "slow", slow);
	json_object_set_new(object, "keys", json_string(config_keys_text(&front->keys, keys)));
	json_object_set_new(object, "xdp", json_string(front->native ? "native" : "generic"));
	json_object_set_new(object, "interface", json_string(front->config.front.interface));
	return object;
}

/* What the node counted, summed over the services. */
struct totals {
	json_int_t requests, handoffs_in, first_in, handoffs_out, bytes_in, bytes_out, active;
	json_int_t first_byte_ns, whole_ns, timed;
};

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void add_up(const json_t *report, struct totals *totals)
{
	const json_t *service;
	size_t index;

	memset(totals, 0, sizeof(*totals));
	json_array_foreach (json_object_get(report, "services"), index, service) {
		totals->requests += number(service, "requests");
		totals->handoffs_in += number(service, "handoffs_in");
		totals->first_in += number(service, "first_in");
		totals->handoffs_out += number(service, "handoffs_out");
		totals->bytes_in += number(service, "bytes_in");
		totals->bytes_out += number(service, "bytes_out");
		totals->first_byte_ns += number(service, "first_byte_ns");
		totals->whole_ns += number(service, "whole_ns");
		totals->timed += number(service, "timed");
		totals->active += number(service, "begun") - number(service, "requests") -
				  number(service, "abandoned");
	}
	/* Read one after the other while they change. */
	if (totals->active < 0)
		totals->active = 0;
}

/* Why requests stayed where their connections were, of a node's counters. */
static json_t *stays(const json_t *counters)
{
	static const struct {
		enum node_counter counter;
		const char *reason;
	} rows[] = {
#define X(name, reason) {NODE_COUNT_##name, reason},
		STAY_REASONS(X)
#undef X
	};
	static const char *const keys[] = {
#define X(name, key, help) key,
		NODE_COUNTERS(X)
#undef X
	};
	json_t *object = json_object();

	for (size_t i = 0; counters && i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set(object, rows[i].reason,
				json_object_get(counters, keys[rows[i].counter]));
	return object;
}

static json_t *reasons(const struct front_node_counters *counters)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < PLACE_REASON_COUNT && i < 16; i++)
		if (counters->reasons[i])
			json_object_set_new(object, reason_text(i),
					    json_integer((json_int_t)counters->reasons[i]));
	return object;
}

/* What the node counted, by service, as reported: with the service's name for its id. */
static json_t *node_services(const struct front *front, const json_t *report)
{
	static const char *const keys[] = {"requests", "status",     "timed", "first_byte_ns",
					   "whole_ns", "first_byte", "whole"};
	json_t *list = json_array(), *service, *shown;
	size_t i;

	json_array_foreach (json_object_get(report, "services"), i, service) {
		json_int_t id = number(service, "id");

		if (id < 0 || id >= CONFIG_SERVICES || !front->registry->services[id].used)
			continue;
		shown = json_pack("{s:s}", "name", front->registry->services[id].settings.name);
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			json_object_set(shown, keys[k], json_object_get(service, keys[k]));
		json_array_append_new(list, shown);
	}
	return list;
}

/* Of all the node's services since it began to count. */
static json_t *node_latency(const json_t *report)
{
	struct latency first_byte = {0}, whole = {0};
	json_t *service;
	size_t i;

	json_array_foreach (json_object_get(report, "services"), i, service) {
		latency_add(&first_byte, json_object_get(service, "first_byte"));
		latency_add(&whole, json_object_get(service, "whole"));
	}
	return json_pack("{s:o, s:o}", "first_byte", latency_shares(&first_byte), "whole",
			 latency_shares(&whole));
}

/* The node's load as the dispatcher sees it, and what the node says besides. */
static json_t *load_section(const struct front *front, uint32_t id, const struct totals *totals)
{
	const struct place_load *load = &datapath_world(front->datapath)->loads[id];
	const json_t *said = peers_load(front->peers, front->registry->nodes[id].name);
	uint64_t charged = load->charged, handed = load->handed;

	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:I}", "in_service",
			 (json_int_t)load->in_service, "on_way",
			 (json_int_t)(charged > handed ? charged - handed : 0), "flows",
			 (json_int_t)(load->flows > 0 ? load->flows : 0), "connections",
			 json_integer_value(json_array_get(said, 2)), "cpu",
			 (double)json_integer_value(json_array_get(said, 3)) / 1000, "service_ns",
			 totals->timed ? totals->whole_ns / totals->timed : 0);
}

/* What a node that has come back gets of its share by now, in the service where that is least. */
static double share(const struct registry *registry, uint32_t node)
{
	uint8_t least = RAMP_STEPS;

	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		const struct registry_service *service = &registry->services[id];

		if (service->used && service->member[node] == MEMBER_UP && service->ramp[node] &&
		    service->ramp[node] < least)
			least = service->ramp[node];
	}
	return (double)least / RAMP_STEPS;
}

static json_t *node_section(const struct front *front, uint32_t id)
{
	int map = bpf_object__find_map_fd_by_name(front->object, "front_nodes");
	const struct registry_node *node = &front->registry->nodes[id];
	const json_t *report = peers_report(front->peers, node->name);
	union {
		uint64_t words[NODE_WORDS];
		struct front_node_counters counters;
	} sum;
	json_t *object, *why = json_object();
	char address[ADDRESS_TEXT];
	struct totals totals;

	percpu_sum(map, id, sum.words, NODE_WORDS);
	add_up(report, &totals);
	object = json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
			   node->name, "address", address_text(&node->address, address), "state",
			   node_state_name(registry_node_state(front->registry, id)), "weight",
			   node->weight, "active", totals.active, "requests", totals.requests,
			   "handoffs_in", totals.handoffs_in, "first_in", totals.first_in,
			   "handoffs_out", totals.handoffs_out, "bytes_in", totals.bytes_in,
			   "bytes_out", totals.bytes_out);
	json_object_set_new(object, "id", json_integer(id));
	json_object_set_new(object, "flows", json_integer(number(report, "flows")));
	json_object_set_new(object, "pinned", json_integer(number(report, "pinned")));
	json_object_set_new(object, "connected",
			    json_boolean(peers_connected(front->peers, node->name)));
	json_object_set_new(object, "version",
			    json_integer((json_int_t)peers_version(front->peers, node->name)));
	json_object_set_new(object, "keys",
			    report ? json_incref(json_object_get(report, "keys")) : json_null());
	json_object_set_new(object, "first_byte_ns", json_integer(totals.first_byte_ns));
	json_object_set_new(object, "whole_ns", json_integer(totals.whole_ns));
	json_object_set_new(object, "load", load_section(front, id, &totals));
	json_object_set_new(object, "packets", json_integer((json_int_t)sum.counters.packets));
	json_object_set_new(object, "bytes", json_integer((json_int_t)sum.counters.bytes));
	json_object_set_new(object, "reasons", reasons(&sum.counters));
	json_object_set_new(object, "stays", stays(json_object_get(report, "counters")));
	json_object_set_new(object, "counters",
			    report ? json_incref(json_object_get(report, "counters"))
				   : json_object());
	json_object_set_new(object, "latency_us", node_latency(report));
	json_object_set_new(object, "services", node_services(front, report));
	if (json_object_get(report, "log"))
		json_object_set(object, "log", json_object_get(report, "log"));
	for (uint32_t service = 0; service < CONFIG_SERVICES; service++)
		if (front->registry->services[service].used &&
		    front->registry->services[service].member[id] != MEMBER_NONE &&
		    front->registry->services[service].member[id] != MEMBER_UP)
			json_object_set_new(why, front->registry->services[service].settings.name,
					    json_string(checks_why(front->checks, service, id)));
	json_object_set_new(object, "down", why);
	json_object_set_new(object, "share", json_real(share(front->registry, id)));
	return object;
}

static json_t *service_section(const struct front *front, uint32_t id)
{
	const struct registry_service *service = &front->registry->services[id];
	int map = bpf_object__find_map_fd_by_name(front->object, "front_services");
	json_t *addresses = json_array();
	union {
		uint64_t words[SERVICE_WORDS];
		struct front_service_counters counters;
	} sum;
	const struct front_service_counters *counters = &sum.counters;
	char text[ADDRESS_TEXT], protocol[CONFIG_NAME];
	int up = 0, members = 0;

	for (uint32_t node = 1; node < NODES_MAX; node++) {
		members += service->member[node] != MEMBER_NONE;
		up += service->member[node] == MEMBER_UP && !front->registry->nodes[node].draining;
	}
	for (unsigned int i = 0; i < service->settings.address_count; i++)
		json_array_append_new(addresses, json_string(address_text(
							 &service->settings.addresses[i], text)));
	percpu_sum(map, id, sum.words, SERVICE_WORDS);
	return json_pack(
		"{s:s, s:o, s:i, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
		service->settings.name, "addresses", addresses, "port", service->settings.port,
		"protocol", config_choice(CONFIG_PROTOCOLS, service->settings.protocol, protocol),
		"policy", service->settings.policy, "nodes", members, "up", up, "packets",
		(json_int_t)counters->packets, "bytes_in", (json_int_t)counters->bytes_in, "syn",
		(json_int_t)counters->syn, "handoffs_first", (json_int_t)counters->handoffs_first,
		"handoffs_later", (json_int_t)counters->handoffs_later, "fallbacks",
		(json_int_t)counters->fallbacks);
}

/* A dispatcher on a host of its own, as its daemon reported last. */
static json_t *dispatcher_section(const struct front *front, uint32_t index)
{
	const struct registry_dispatcher *dispatcher = &front->registry->dispatchers[index];
	const json_t *report = peers_report(front->peers, dispatcher->name);
	json_t *counters = json_object_get(report, "counters");
	json_t *keys = json_object_get(report, "keys");
	char address[ADDRESS_TEXT];

	return json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:O, s:O}", "name",
			 dispatcher->name, "address", address_text(&dispatcher->address, address),
			 "answers", datapath_dispatcher_answers(front->datapath, index),
			 "connected", peers_connected(front->peers, dispatcher->name), "version",
			 (json_int_t)peers_version(front->peers, dispatcher->name), "nodes",
			 number(report, "nodes"), "targets", number(report, "targets"), "asks",
			 number(counters, "asks"), "asks_stay", number(counters, "asks_stay"),
			 "keys", keys ? keys : json_null(), "counters",
			 counters ? counters : json_null());
}

json_t *front_status(const struct front *front)
{
	bool origin = !address_is_zero(&front->config.origin);
	json_t *nodes = json_array(), *services = json_array(), *dispatchers = json_array();
	char address[ADDRESS_TEXT];

	for (uint32_t id = 1; id < NODES_MAX; id++)
		if (front->registry->nodes[id].used)
			json_array_append_new(nodes, node_section(front, id));
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		if (front->registry->services[id].used)
			json_array_append_new(services, service_section(front, id));
	for (uint32_t i = 0; i < front->registry->dispatcher_count; i++)
		json_array_append_new(dispatchers, dispatcher_section(front, i));
	return json_pack("{s:s, s:s*, s:I, s:f, s:o, s:o, s:o, s:o}", "cluster", front->config.name,
			 "origin", origin ? address_text(&front->config.origin, address) : NULL,
			 "version", (json_int_t)front->registry->version, "uptime",
			 (double)(clock_now() - front->started) / NS_PER_S, "front",
			 front_section(front), "nodes", nodes, "services", services, "dispatchers",
			 dispatchers);
}

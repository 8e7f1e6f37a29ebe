#include "node/node.h"
#include "node/listeners.h"

#include "control/latency.h"
#include "control/percpu.h"
#include "wire/counters.h"
#include "wire/node.h"

#include <bpf/bpf.h>

#include <string.h>

enum { SERVICE_WORDS = sizeof(struct node_service_counters) / sizeof(uint64_t) };

static const char *const counter_names[] = {
#define X(name, key, help) [NODE_COUNT_##name] = key,
	NODE_COUNTERS(X)
#undef X
};

static json_t *counters(const struct node *node)
{
	int map = bpf_object__find_map_fd_by_name(node->object, "node_counters");
	json_t *all = json_object();
	uint64_t values[NODE_COUNT_COUNT];

	percpu_sum_all(map, NODE_COUNT_COUNT, values, 1);
	for (uint32_t i = 0; i < NODE_COUNT_COUNT; i++)
		json_object_set_new(all, counter_names[i], json_integer((json_int_t)values[i]));
	return all;
}

union service_sum {
	uint64_t words[SERVICE_WORDS];
	struct node_service_counters counters;
};

static void read_times(const struct node *node, uint32_t service, enum times_kind kind,
		       struct latency *latency)
{
	int map = bpf_object__find_map_fd_by_name(node->object, "node_times");

	memset(latency, 0, sizeof(*latency));
	if (service < TIMES_SERVICES)
		percpu_sum(map, TIMES_OF(service, kind), latency->buckets, TIMES_BUCKETS);
}

static json_t *service(const struct node *node, const union service_sum *sum, uint32_t id)
{
	const struct node_service_counters *c = &sum->counters;
	json_t *status = json_array();
	struct latency first_byte, whole;

	for (int i = 0; i < 6; i++)
		json_array_append_new(status, json_integer((json_int_t)c->status[i]));
	read_times(node, id, TIMES_FIRST_BYTE, &first_byte);
	read_times(node, id, TIMES_WHOLE, &whole);
	return json_pack(
		"{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, "
		"s:o, s:o}",
		"id", id, "requests", (json_int_t)c->requests, "handoffs_in",
		(json_int_t)c->handoffs_in, "first_in", (json_int_t)c->first_in, "handoffs_out",
		(json_int_t)c->handoffs_out, "bytes_in", (json_int_t)c->bytes_in, "bytes_out",
		(json_int_t)c->bytes_out, "segments_in", (json_int_t)c->segments_in, "segments_out",
		(json_int_t)c->segments_out, "begun", (json_int_t)c->begun, "abandoned",
		(json_int_t)c->abandoned, "status", status, "timed", (json_int_t)c->timed,
		"first_byte_ns", (json_int_t)c->first_byte_ns, "whole_ns", (json_int_t)c->whole_ns,
		"first_byte", latency_json(&first_byte), "whole", latency_json(&whole));
}

/* The service's TLS connections. What is asked over them isn't seen, so each weighs as a request in
 * service does, from the sweep that finds it (once a second) until one that doesn't. */
static uint64_t connections(const struct node *node, uint32_t service)
{
	return node->sweep ? held_sweep_tls(node->sweep, service) : 0;
}

/* Appends to `services` (unless NULL) and to `loads` what the services have. */
static void read_services(const struct node *node, json_t *services, json_t *loads)
{
	int map = bpf_object__find_map_fd_by_name(node->object, "node_services");

	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		union service_sum sum;

		if (!node->registry->services[id].used)
			continue;
		percpu_sum(map, id, sum.words, SERVICE_WORDS);
		if (services)
			json_array_append_new(services, service(node, &sum, id));
		json_array_append_new(
			loads,
			json_pack("[i, I, I, I]", id,
				  (json_int_t)(sum.counters.begun + connections(node, id)),
				  (json_int_t)(sum.counters.requests + sum.counters.abandoned),
				  (json_int_t)(sum.counters.handoffs_in + sum.counters.stays)));
	}
}

/* Services of this node whose server can't be handed connections, and why. */
static json_t *listeners(const struct node *node)
{
	uint32_t self = registry_node_id(node->registry, node->name);
	json_t *problems = json_object();
	char problem[LISTENER_WORDS];

	for (uint32_t id = 0; id < CONFIG_SERVICES; id++) {
		const struct registry_service *service = &node->registry->services[id];

		if (service->used && service->member[self] != MEMBER_NONE &&
		    !listeners_check(&service->settings, problem) && *problem)
			json_object_set_new(problems, service->settings.name, json_string(problem));
	}
	return problems;
}

/* The node's requests in service, those that it has received from deciders elsewhere, connections,
 * and how busy its processors are, in 1/1000. */
static json_t *load(struct node *node)
{
	struct node_load load = {0};
	uint32_t zero = 0;

	bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(node->object, "node_load"), &zero,
			    &load);
	load.in_service = load.in_service > 0 ? load.in_service : 0;
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		load.in_service += (int64_t)connections(node, id);
	return json_pack("[I, I, I, i]", (json_int_t)load.in_service, (json_int_t)load.received,
			 (json_int_t)(node->sweep ? held_sweep_open(node->sweep) : 0),
			 (int)cpu_busy(&node->cpu));
}

json_t *node_report(struct node *node)
{
	json_t *services = json_array(), *loads = json_array();
	json_t *log = node->served ? served_report(node->served) : NULL;
	json_t *seen = node->served ? served_seen(node->served) : NULL;
	char keys[8];

	read_services(node, services, loads);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o*, s:o*}", "type",
			 "report", "keys", config_keys_text(&node->keys, keys), "version",
			 (json_int_t)node->registry->version, "flows",
			 (json_int_t)(node->sweep ? held_sweep_open(node->sweep) : 0), "pinned",
			 (json_int_t)(node->sweep ? held_sweep_pinned(node->sweep) : 0), "counters",
			 counters(node), "services", services, "loads", loads, "load", load(node),
			 "listeners", listeners(node), "log", log, "seen", seen);
}

json_t *node_load(struct node *node)
{
	json_t *loads = json_array();

	read_services(node, NULL, loads);
	return json_pack("{s:s, s:o, s:o}", "type", "load", "loads", loads, "load", load(node));
}

/* Metrics for Prometheus (text exposition format 0.0.4): conventional names, base units. */
#include "front/front.h"

#include "wire/counters.h"

#include <stdio.h>
#include <string.h>

struct counter {
	const char *key, *help;
};

static const struct counter front_counters[] = {
#define X(name, key, help) {key, help},
	FRONT_COUNTERS(X)
#undef X
};

static const struct counter node_counters[] = {
#define X(name, key, help) {key, help},
	NODE_COUNTERS(X)
#undef X
};

/* What a node's section of the status has besides. */
static const struct metric {
	const char *key, *name, *type, *help;
} node_metrics[] = {
	{"weight", "baton_node_weight", "gauge", "share of what is placed"},
	{"flows", "baton_node_flows", "gauge", "connections held"},
	{"active", "baton_node_active_requests", "gauge", "requests in service"},
	{"requests", "baton_node_requests_total", "counter",
	 "requests followed to the end of their response"},
	{"handoffs_in", "baton_node_handoffs_in_total", "counter", "connections taken over"},
	{"first_in", "baton_node_handoffs_first_total", "counter",
	 "of these, new ones from the front"},
	{"handoffs_out", "baton_node_handoffs_out_total", "counter", "connections given away"},
	{"bytes_in", "baton_node_receive_bytes_total", "counter", "payload from clients"},
	{"bytes_out", "baton_node_transmit_bytes_total", "counter", "payload to clients"},
	{"packets", "baton_node_forwarded_packets_total", "counter",
	 "packets that the front sent it"},
	{"bytes", "baton_node_forwarded_bytes_total", "counter", "bytes that the front sent it"},
};

/* A label's value: backslash, quote and line end need escapes. */
static void add_label(struct buffer *text, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buffer_add(text, "\\", 1);
		if (*value == '\n')
			buffer_text(text, "\\n");
		else
			buffer_add(text, value, 1);
	}
}

static void head(struct buffer *text, const char *name, const char *type, const char *help)
{
	buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void node_sample(struct buffer *text, const char *name, const json_t *node, double value)
{
	buffer_format(text, "%s{node=\"", name);
	add_label(text, json_string_value(json_object_get(node, "name")));
	buffer_format(text, "\"} %.17g\n", value);
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void front_section(const json_t *front, struct buffer *text)
{
	head(text, "baton_front_flows", "gauge", "open flows at the last sweep of the table");
	buffer_format(text, "baton_front_flows %.17g\n", number(front, "flows"));
	for (size_t i = 0; i < sizeof(front_counters) / sizeof(front_counters[0]); i++) {
		char name[96];

		/* Conventional: the unit behind the name. */
		if (!strcmp(front_counters[i].key, "bytes_in"))
			snprintf(name, sizeof(name), "baton_front_receive_bytes_total");
		else
			snprintf(name, sizeof(name), "baton_front_%s_total", front_counters[i].key);
		head(text, name, "counter", front_counters[i].help);
		buffer_format(text, "%s %.17g\n", name, number(front, front_counters[i].key));
	}
}

/* Sum and count of a time that nodes add up. */
static void time_section(const json_t *nodes, const char *key, const char *name, const char *help,
			 struct buffer *text)
{
	const json_t *node;
	size_t i;

	head(text, name, "summary", help);
	json_array_foreach (nodes, i, node) {
		char full[96];

		snprintf(full, sizeof(full), "%s_sum", name);
		node_sample(text, full, node, number(node, key) / 1e9);
		snprintf(full, sizeof(full), "%s_count", name);
		node_sample(text, full, node, number(node, "requests"));
	}
}

static void state_section(const json_t *nodes, struct buffer *text)
{
	static const char *const states[] = {"up", "drain", "down"};
	const json_t *node;
	size_t i;

	head(text, "baton_node_state", "gauge", "1 for the state that the node is in");
	json_array_foreach (nodes, i, node) {
		const char *state = json_string_value(json_object_get(node, "state"));

		for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
			buffer_text(text, "baton_node_state{node=\"");
			add_label(text, json_string_value(json_object_get(node, "name")));
			buffer_format(text, "\",state=\"%s\"} %d\n", states[s],
				      !strcmp(state, states[s]));
		}
	}
	head(text, "baton_node_connected", "gauge", "1 if the node's daemon is connected");
	json_array_foreach (nodes, i, node)
		node_sample(text, "baton_node_connected", node,
			    json_is_true(json_object_get(node, "connected")));
}

static void node_section(const json_t *nodes, struct buffer *text)
{
	const json_t *node;
	size_t i;

	state_section(nodes, text);
	for (size_t m = 0; m < sizeof(node_metrics) / sizeof(node_metrics[0]); m++) {
		const struct metric *metric = &node_metrics[m];

		head(text, metric->name, metric->type, metric->help);
		json_array_foreach (nodes, i, node)
			node_sample(text, metric->name, node, number(node, metric->key));
	}
	time_section(nodes, "first_byte_ns", "baton_node_first_byte_seconds",
		     "request seen to the first byte of its response", text);
	time_section(nodes, "whole_ns", "baton_node_request_seconds",
		     "request seen to the last byte of its response", text);
	for (size_t c = 0; c < sizeof(node_counters) / sizeof(node_counters[0]); c++) {
		char name[96];

		snprintf(name, sizeof(name), "baton_node_program_%s_total", node_counters[c].key);
		head(text, name, "counter", node_counters[c].help);
		json_array_foreach (nodes, i, node)
			node_sample(
				text, name, node,
				number(json_object_get(node, "counters"), node_counters[c].key));
	}
}

static void service_section(const json_t *services, struct buffer *text)
{
	static const struct metric metrics[] = {
		{"up", "baton_service_nodes_up", "gauge", "nodes that take new requests"},
		{"packets", "baton_service_packets_total", "counter", "packets to the service"},
		{"bytes_in", "baton_service_receive_bytes_total", "counter",
		 "bytes of these, with their link headers"},
		{"handoffs_first", "baton_service_handoffs_first_total", "counter",
		 "connections handed to a node"},
		{"handoffs_later", "baton_service_handoffs_later_total", "counter",
		 "connections handed on to another node"},
		{"fallbacks", "baton_service_fallbacks_total", "counter",
		 "requests placed by their client's address"},
	};
	const json_t *service;
	size_t i;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		head(text, metrics[m].name, metrics[m].type, metrics[m].help);
		json_array_foreach (services, i, service) {
			buffer_format(text, "%s{service=\"", metrics[m].name);
			add_label(text, json_string_value(json_object_get(service, "name")));
			buffer_format(text, "\"} %.17g\n", number(service, metrics[m].key));
		}
	}
}

void front_metrics(const json_t *status, struct buffer *text)
{
	head(text, "baton_info", "gauge", "what runs here");
	buffer_text(text, "baton_info{version=\"" BATON_VERSION "\",cluster=\"");
	add_label(text, json_string_value(json_object_get(status, "cluster")));
	buffer_text(text, "\"} 1\n");
	front_section(json_object_get(status, "front"), text);
	service_section(json_object_get(status, "services"), text);
	node_section(json_object_get(status, "nodes"), text);
}

#include "control/metrics.h"

#include "control/latency.h"

#include <string.h>

/* What is told of each node, in base units. */
static const struct {
	const char *key, *name, *type, *help;
	double scale;
} node_metrics[] = {
	{"active", "baton_node_active_requests", "gauge", "Requests in service on the node.", 1},
	{"flows", "baton_node_flows", "gauge", "Client connections the node holds.", 1},
	{"weight", "baton_node_weight", "gauge", "The node's weight.", 1},
	{"requests", "baton_node_requests_total", "counter", "Responses followed to their end.", 1},
	{"handoffs_in", "baton_node_handoffs_in_total", "counter", "Connections taken over.", 1},
	{"handoffs_out", "baton_node_handoffs_out_total", "counter", "Connections given away.", 1},
	{"bytes_in", "baton_node_receive_bytes_total", "counter", "Payload from clients.", 1},
	{"bytes_out", "baton_node_transmit_bytes_total", "counter", "Payload to clients.", 1},
};

static void head(struct buffer *text, const char *name, const char *type, const char *help)
{
	buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* An object of counts that each node has. */
static void write_counts(const json_t *nodes, const char *key, const char *name, const char *label,
			 const char *help, struct buffer *text)
{
	const json_t *node;
	const char *what;
	json_t *count;
	size_t i;

	head(text, name, "counter", help);
	json_array_foreach ((json_t *)nodes, i, node)
		json_object_foreach (json_object_get(node, key), what, count)
			buffer_format(text, "%s{node=\"%s\",%s=\"%s\"} %.17g\n", name,
				      text_of(node, "name"), label, what, json_number_value(count));
}

static void write_nodes(const json_t *nodes, struct buffer *text)
{
	json_t *node;
	size_t k;

	for (size_t i = 0; i < sizeof(node_metrics) / sizeof(node_metrics[0]); i++) {
		head(text, node_metrics[i].name, node_metrics[i].type, node_metrics[i].help);
		json_array_foreach (nodes, k, node)
			buffer_format(
				text, "%s{node=\"%s\"} %.17g\n", node_metrics[i].name,
				text_of(node, "name"),
				json_number_value(json_object_get(node, node_metrics[i].key)) *
					node_metrics[i].scale);
	}
	head(text, "baton_node_up", "gauge", "1 while the node takes new requests.");
	json_array_foreach (nodes, k, node)
		buffer_format(text, "baton_node_up{node=\"%s\",state=\"%s\"} %d\n",
			      text_of(node, "name"), text_of(node, "state"),
			      !strcmp(text_of(node, "state"), "up"));
	write_counts(nodes, "counters", "baton_node_events_total", "kind",
		     "What the node's programs counted, by kind.", text);
	write_counts(nodes, "stays", "baton_node_stays_total", "reason",
		     "Requests served on the node where their connection was, by why.", text);
}

/* Bounds of the buckets that Prometheus gets: of ours every fourth, so each power of two and half
 * of it, from 16 us to 34 s. Ours are bounded from above by what doesn't reach them; where a
 * duration lies exactly on a bound it counts above. */
enum {
	SHOWN_FROM = (14 - TIMES_LEAST) * TIMES_PARTS,
	SHOWN_STEP = TIMES_PARTS / 2,
	SHOWN_TO = (35 - TIMES_LEAST) * TIMES_PARTS
};

static void write_histogram(const char *name, const char *node, const json_t *service,
			    const char *key, const char *sum, struct buffer *text)
{
	const char *called = text_of(service, "name");
	struct latency latency = {0};
	uint64_t below = 0;

	latency_add(&latency, json_object_get(service, key));
	for (unsigned int i = 0; i <= SHOWN_TO; i++) {
		below += latency.buckets[i];
		if (i >= SHOWN_FROM && (i - SHOWN_FROM) % SHOWN_STEP == 0)
			buffer_format(text,
				      "%s_bucket{node=\"%s\",service=\"%s\",le=\"%.9g\"} %llu\n",
				      name, node, called, (double)times_bound(i) * 1e-9,
				      (unsigned long long)below);
	}
	buffer_format(text,
		      "%s_bucket{node=\"%s\",service=\"%s\",le=\"+Inf\"} %llu\n"
		      "%s_sum{node=\"%s\",service=\"%s\"} %.17g\n"
		      "%s_count{node=\"%s\",service=\"%s\"} %llu\n",
		      name, node, called, (unsigned long long)latency.count, name, node, called,
		      json_number_value(json_object_get(service, sum)) * 1e-9, name, node, called,
		      (unsigned long long)latency.count);
}

/* By node and service. */
static void write_services(const json_t *nodes, struct buffer *text)
{
	static const struct {
		const char *name, *key, *sum, *help;
	} histograms[] = {
		{"baton_first_byte_seconds", "first_byte", "first_byte_ns",
		 "Time from a request's head to the first byte of its response."},
		{"baton_response_seconds", "whole", "whole_ns",
		 "Time from a request's head to the last byte of its response."},
	};
	json_t *node, *service, *count;
	size_t i, k, m;

	head(text, "baton_responses_total", "counter",
	     "Responses followed to their end, by the first digit of their status.");
	json_array_foreach (nodes, i, node)
		json_array_foreach (json_object_get(node, "services"), k, service)
			json_array_foreach (json_object_get(service, "status"), m, count)
				if (m)
					buffer_format(
						text,
						"baton_responses_total{node=\"%s\",service=\"%s\","
						"code=\"%zuxx\"} %.17g\n",
						text_of(node, "name"), text_of(service, "name"), m,
						json_number_value(count));
	for (size_t h = 0; h < sizeof(histograms) / sizeof(histograms[0]); h++) {
		head(text, histograms[h].name, "histogram", histograms[h].help);
		json_array_foreach (nodes, i, node)
			json_array_foreach (json_object_get(node, "services"), k, service)
				write_histogram(histograms[h].name, text_of(node, "name"), service,
						histograms[h].key, histograms[h].sum, text);
	}
}

static void write_front(json_t *front, struct buffer *text)
{
	const char *kind;
	json_t *count;

	head(text, "baton_front_flows", "gauge", "Client connections in the front's table.");
	buffer_format(text, "baton_front_flows %.17g\n",
		      json_number_value(json_object_get(front, "flows")));
	head(text, "baton_front_events_total", "counter",
	     "What the front's program counted, by kind.");
	json_object_foreach (front, kind, count)
		if (json_is_number(count) && strcmp(kind, "flows"))
			buffer_format(text, "baton_front_events_total{kind=\"%s\"} %.17g\n", kind,
				      json_number_value(count));
	head(text, "baton_front_fallbacks_total", "counter",
	     "Requests placed without their target, by reason.");
	json_object_foreach (json_object_get(front, "fallbacks"), kind, count)
		buffer_format(text, "baton_front_fallbacks_total{reason=\"%s\"} %.17g\n", kind,
			      json_number_value(count));
}

/* Of dispatchers on hosts of their own. */
static void write_dispatchers(const json_t *dispatchers, struct buffer *text)
{
	static const struct {
		const char *name, *type, *key, *help;
	} metrics[] = {
		{"baton_dispatcher_answers", "gauge", "answers",
		 "1 while the dispatcher answers the front."},
		{"baton_dispatcher_targets", "gauge", "targets", "Targets that it remembers."},
		{"baton_dispatcher_asks_total", "counter", "asks",
		 "Requests that it was asked about."},
	};
	const json_t *dispatcher;
	size_t i;

	for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++) {
		if (json_array_size(dispatchers))
			head(text, metrics[m].name, metrics[m].type, metrics[m].help);
		json_array_foreach (dispatchers, i, dispatcher) {
			const json_t *value = json_object_get(dispatcher, metrics[m].key);

			buffer_format(text, "%s{dispatcher=\"%s\"} %.17g\n", metrics[m].name,
				      text_of(dispatcher, "name"),
				      json_is_boolean(value) ? json_is_true(value)
							     : json_number_value(value));
		}
	}
}

void metrics_write(const json_t *status, struct buffer *text)
{
	head(text, "baton_up", "gauge", "1 while the front's daemon answers.");
	buffer_format(text, "baton_up %d\n", status != NULL);
	if (!status)
		return;
	write_front(json_object_get(status, "front"), text);
	write_nodes(json_object_get(status, "nodes"), text);
	write_services(json_object_get(status, "nodes"), text);
	write_dispatchers(json_object_get(status, "dispatchers"), text);
}

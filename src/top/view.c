#include "top/view.h"
#include "base/table.h"
#include "control/latency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The node of that name in an answer, or NULL. */
static const json_t *find(const json_t *status, const char *name)
{
	json_t *node;
	size_t i;

	json_array_foreach (json_object_get(status, "nodes"), i, node)
		if (!strcmp(text_of(node, "name"), name))
			return node;
	return NULL;
}

/* What grew, a second; a counter that went back began anew. */
static double rate(const json_t *before, const json_t *now, const char *key, double seconds)
{
	double grown = number(now, key) - number(before, key);

	if (!before || seconds <= 0)
		return 0;
	return (grown >= 0 ? grown : number(now, key)) / seconds;
}

static void make_node(struct view_node *node, const json_t *before, const json_t *now,
		      double seconds)
{
	*node = (struct view_node){
		.weight = number(now, "weight"),
		.active = number(now, "active"),
		.flows = number(now, "flows"),
		.requests = rate(before, now, "requests", seconds),
		.in = rate(before, now, "handoffs_in", seconds),
		.out = rate(before, now, "handoffs_out", seconds),
		.bytes = rate(before, now, "bytes_out", seconds),
		.first_us = latency_between(before, now, "first_byte", 0.5),
		.whole_us = latency_between(before, now, "whole", 0.5),
		.slow_us = latency_between(before, now, "whole", 0.99),
		.connected = json_is_true(json_object_get(now, "connected")),
	};
	snprintf(node->name, sizeof(node->name), "%s", text_of(now, "name"));
	snprintf(node->state, sizeof(node->state), "%s", text_of(now, "state"));
}

static enum view_sort sorting;

static double key_of(const struct view_node *node)
{
	switch (sorting) {
	case SORT_REQUESTS:
		return node->requests;
	case SORT_ACTIVE:
		return node->active;
	case SORT_BYTES:
		return node->bytes;
	case SORT_LATENCY:
		return isnan(node->slow_us) ? -1 : node->slow_us;
	case SORT_HANDOFFS:
		return node->in + node->out;
	default:
		return 0;
	}
}

/* The greatest first; where the key is the same, and for names, as a person counts: node2 before
 * node10. */
static int by_key(const void *a, const void *b)
{
	double left = key_of(a), right = key_of(b);

	if (left != right)
		return left > right ? -1 : 1;
	return strverscmp(((const struct view_node *)a)->name, ((const struct view_node *)b)->name);
}

void view_make(struct view *view, const json_t *before, const json_t *now, double seconds,
	       enum view_sort sort, const char *filter)
{
	const json_t *front = json_object_get(now, "front"),
		     *old = json_object_get(before, "front");
	json_t *node, *count;
	const char *why;
	size_t i;

	memset(view, 0, sizeof(*view));
	snprintf(view->cluster, sizeof(view->cluster), "%s", text_of(now, "cluster"));
	view->seconds = seconds;
	view->flows = number(front, "flows");
	view->syn = rate(old, front, "syn", seconds);
	view->handoffs = rate(old, front, "handoffs_first", seconds);
	view->moved = rate(old, front, "handoffs_later", seconds);
	view->refused = rate(old, front, "cookies_bad", seconds) +
			rate(old, front, "bad_mac", seconds) +
			rate(old, front, "malformed", seconds);
	json_object_foreach (json_object_get(front, "fallbacks"), why, count)
		view->fallbacks += rate(json_object_get(old, "fallbacks"),
					json_object_get(front, "fallbacks"), why, seconds);
	json_array_foreach (json_object_get(now, "nodes"), i, node) {
		struct view_node *to = &view->nodes[view->count];

		make_node(to, find(before, text_of(node, "name")), node, seconds);
		view->requests += to->requests;
		view->bytes += to->bytes;
		if ((!*filter || strstr(to->name, filter) || strstr(to->state, filter)) &&
		    view->count < VIEW_NODES_MAX - 1)
			view->count++;
	}
	sorting = sort;
	qsort(view->nodes, view->count, sizeof(*view->nodes), by_key);
}

const char *view_sort_name(enum view_sort sort)
{
	static const char *const names[] = {"name",  "requests", "active",
					    "bytes", "latency",	 "handoffs"};

	return names[sort];
}

char *view_number(double value, char *text)
{
	static const char units[] = " kMGT";
	int unit = 0;

	while (value >= 9999.5 && units[unit + 1]) {
		value /= 1000;
		unit++;
	}
	if (!unit)
		snprintf(text, 16, value < 9.95 && value != (int)value ? "%.1f" : "%.0f", value);
	else
		snprintf(text, 16, "%.0f%c", value, units[unit]);
	return text;
}

void view_print(const struct view *view, FILE *out)
{
	struct table *table = table_new("NODE|STATE|>WEIGHT|>ACTIVE|>FLOWS|>REQ/S|>IN/S|>OUT/"
					"S|>BYTES/S|>FIRST US|>P50 US|>P99 US");
	char text[10][16];

	fprintf(out, "%s: %s requests/s, %s flows, %s new and %s moved/s, %s fallbacks/s\n",
		view->cluster, view_number(view->requests, text[0]),
		view_number(view->flows, text[1]), view_number(view->handoffs, text[2]),
		view_number(view->moved, text[3]), view_number(view->fallbacks, text[4]));
	for (unsigned int i = 0; table && i < view->count; i++) {
		const struct view_node *node = &view->nodes[i];

		table_row(table, "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s", node->name, node->state,
			  view_number(node->weight, text[0]), view_number(node->active, text[1]),
			  view_number(node->flows, text[2]), view_number(node->requests, text[3]),
			  view_number(node->in, text[4]), view_number(node->out, text[5]),
			  text_bytes(node->bytes, text[6]),
			  isnan(node->first_us) ? "-" : view_number(node->first_us, text[7]),
			  isnan(node->whole_us) ? "-" : view_number(node->whole_us, text[8]),
			  isnan(node->slow_us) ? "-" : view_number(node->slow_us, text[9]));
	}
	if (table)
		table_print(table, out);
	fflush(out);
}

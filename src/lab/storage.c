/* Stored bytes against unique bytes: how often the cluster as a whole keeps what it keeps. Objects
 * are the same when the caches' keys are; Varnish names no keys, so among its nodes the unique ones
 * are what the origin gave out. */
#include "lab/storage.h"
#include "base/fail.h"
#include "base/table.h"
#include "lab/inventory.h"
#include "lab/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct values {
	const char *name;
	bool json;
};

static const struct option_spec options[] = {
	{"name", 0, OPTION_TEXT, "LAB", "which lab [lab]", offsetof(struct values, name)},
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

struct totals {
	uint64_t objects, bytes, requests, hits;
	uint64_t unique_objects, unique_bytes;
	json_t *unique; /* key -> bytes; NULL once a node names no keys */
	json_t *nodes;
};

static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static int take_node(const char *lab, json_t *node, struct totals *totals)
{
	const char *host = json_string_value(json_object_get(node, "name"));
	const char *kind = json_string_value(json_object_get(node, "kind"));
	unsigned int port = (unsigned int)json_integer_value(json_object_get(node, "port"));
	struct inventory inventory;
	int error = inventory_take(lab, host, kind, port, &inventory);

	if (error) {
		inventory_release(&inventory);
		return failed_errno(error, "lab: the cache of %s can't be asked", host);
	}
	json_array_append_new(totals->nodes,
			      json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "name", host, "kind",
					kind, "objects", (json_int_t)inventory.count, "bytes",
					(json_int_t)inventory.bytes, "requests",
					(json_int_t)inventory.requests, "hits",
					(json_int_t)inventory.hits, "hit_ratio",
					ratio(inventory.hits, inventory.requests)));
	totals->objects += inventory.count;
	totals->bytes += inventory.bytes;
	totals->requests += inventory.requests;
	totals->hits += inventory.hits;
	if (inventory.objects && totals->unique) {
		json_object_update(totals->unique, inventory.objects);
	} else {
		json_decref(totals->unique);
		totals->unique = NULL;
	}
	inventory_release(&inventory);
	return 0;
}

static void print_table(const struct totals *totals, const struct origin_count *origin)
{
	struct table *table = table_new("node|cache|>objects|>stored|>requests|>hits|>hit ratio");
	char stored[16], unique[16];
	json_t *node;
	size_t i;

	json_array_foreach (totals->nodes, i, node)
		table_row(table, "%s|%s|%lld|%s|%lld|%lld|%.3f",
			  json_string_value(json_object_get(node, "name")),
			  json_string_value(json_object_get(node, "kind")),
			  json_integer_value(json_object_get(node, "objects")),
			  text_bytes((double)json_integer_value(json_object_get(node, "bytes")),
				     stored),
			  json_integer_value(json_object_get(node, "requests")),
			  json_integer_value(json_object_get(node, "hits")),
			  json_real_value(json_object_get(node, "hit_ratio")));
	table_row(table, "all||%lu|%s|%lu|%lu|%.3f", totals->objects,
		  text_bytes((double)totals->bytes, stored), totals->requests, totals->hits,
		  ratio(totals->hits, totals->requests));
	table_print(table, stdout);
	printf("\nunique: %lu objects, %s; each stored %.2f times; ", totals->unique_objects,
	       text_bytes((double)totals->unique_bytes, unique),
	       ratio(totals->bytes, totals->unique_bytes));
	printf("the origin answered %lu times with %s\n", origin->requests,
	       text_bytes((double)origin->bytes, stored));
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {"lab", false};
	struct totals totals = {.unique = json_object(), .nodes = json_array()};
	struct origin_count origin;
	json_t *caches, *node, *bytes, *all;
	char path[STATE_ROOM];
	const char *key;
	int error = 0;
	size_t i;

	command_parse(self, argc, argv, &values);
	if (!state_name_good(values.name) || access(state_path(values.name, "", path), F_OK))
		return failed("lab: there is no lab '%s'; 'baton lab up' makes one", values.name);
	caches = json_load_file(state_path(values.name, "caches.json", path), 0, NULL);
	if (!json_array_size(caches)) {
		json_decref(caches);
		return failed(
			"lab: '%s' has no cache nodes; 'baton lab up --server squid' makes some",
			values.name);
	}
	json_array_foreach (caches, i, node)
		if ((error = take_node(values.name, node, &totals)))
			goto free_all;
	error = inventory_origin(values.name, &origin);
	if (error) {
		failed_errno(error, "lab: can't read the origin's log");
		goto free_all;
	}
	if (totals.unique) {
		json_object_foreach (totals.unique, key, bytes) {
			totals.unique_objects++;
			totals.unique_bytes += (uint64_t)json_integer_value(bytes);
		}
	} else {
		totals.unique_objects = origin.objects;
		totals.unique_bytes = origin.object_bytes;
	}
	if (!values.json) {
		print_table(&totals, &origin);
		goto free_all;
	}
	all = json_pack(
		"{s:O, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:f, s:{s:I, s:I, s:I, s:I}}", "nodes",
		totals.nodes, "objects", (json_int_t)totals.objects, "bytes",
		(json_int_t)totals.bytes, "unique_objects", (json_int_t)totals.unique_objects,
		"unique_bytes", (json_int_t)totals.unique_bytes, "copies",
		ratio(totals.bytes, totals.unique_bytes), "requests", (json_int_t)totals.requests,
		"hits", (json_int_t)totals.hits, "hit_ratio", ratio(totals.hits, totals.requests),
		"origin", "requests", (json_int_t)origin.requests, "bytes",
		(json_int_t)origin.bytes, "objects", (json_int_t)origin.objects, "object_bytes",
		(json_int_t)origin.object_bytes);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
free_all:
	json_decref(totals.unique);
	json_decref(totals.nodes);
	json_decref(caches);
	return error ? EXIT_FAILED : EXIT_DONE;
}

const struct command command_lab_storage = {
	.name = "storage",
	.summary = "What the lab's caches hold, how often, and what they were asked for",
	.description = "Stored bytes count every copy, with the objects' heads; unique bytes count "
		       "each object once. A hit is an answer for which the origin wasn't asked.",
	.options = options,
	.run = run,
};

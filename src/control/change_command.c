/* `baton drain`, `ready`, `weight`, `reload`, `service`, `node add` and its kin: they change a
 * running cluster. Each is answered when every node goes by the change. */
#include "control/client.h"
#include "control/commands.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
	const char *cluster;
	bool json, wait;
	uint64_t wait_most;
	const char *address, *address6; /* node */
	const char *port, *protocol, *policy, *window, *decay, *target, *path_segments, *place,
		*forward, *release, *switching, *schedule;
	const char *health, *path, *interval, *timeout, *slow_start;
	uint64_t weight, rise, fall;
	struct option_list addresses, nodes, services;
};

enum { UNSET_WEIGHT = 1 << 20 };

#define OPTION_NAME                                                                                \
	{                                                                                          \
		"name", 0, OPTION_TEXT, "CLUSTER", "which cluster [lab]",                          \
			offsetof(struct options, cluster)                                          \
	}

/* Asks, and says which nodes are late. Returns the exit code. */
static int change(const char *cluster, json_t *request)
{
	json_t *answer = client_ask(cluster, "front", request), *late;
	struct buffer names = BUFFER_EMPTY;
	int result = EXIT_DONE;
	size_t i;

	if (!answer)
		return EXIT_FAILED;
	json_array_foreach (json_object_get(answer, "late"), i, late)
		buffer_format(&names, "%s%s", i ? ", " : "", json_string_value(late));
	if (names.length)
		result = failed("changed, but not yet in force at: %s; their daemons take it over "
				"when they connect ('baton status' shows it)",
				names.data);
	buffer_release(&names);
	json_decref(answer);
	return result;
}

static int node_change(const struct command *self, int argc, char **argv, struct options *options)
{
	int at = command_parse(self, argc, argv, options);

	if (at != argc - 1)
		return misused("'%s' takes one node's name", command_path());
	return change(options->cluster,
		      json_pack("{s:s, s:s}", "command", self->name, "node", argv[at]));
}

/* ---- drain, ready, weight, reload ---- */

static const struct option_spec name_options[] = {OPTION_NAME, {0}};

static const struct option_spec drain_options[] = {
	OPTION_NAME,
	{"wait", 'w', OPTION_FLAG, NULL,
	 "return when the node's last connection has moved or ended",
	 offsetof(struct options, wait)},
	{"timeout", 0, OPTION_DURATION, "TIME", "with --wait: give up after this [60s]",
	 offsetof(struct options, wait_most)},
	{0},
};

/* What a node still has, by its last report. */
struct remaining {
	json_int_t connections, pinned, requests;
};

/* Returns whether the front could be asked. */
static bool remaining(const char *cluster, const char *name, struct remaining *left)
{
	json_t *status = client_ask(cluster, "front", json_pack("{s:s}", "command", "status"));
	const json_t *node;
	bool found = false;
	size_t i;

	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		const char *this = json_string_value(json_object_get(node, "name"));

		if (!this || strcmp(this, name))
			continue;
		left->connections = json_integer_value(json_object_get(node, "flows"));
		left->pinned = json_integer_value(json_object_get(node, "pinned"));
		left->requests = json_integer_value(json_object_get(node, "active"));
		found = true;
	}
	json_decref(status);
	return found;
}

static int run_drain(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab", .wait_most = 60 * NS_PER_S};
	const struct timespec pause = {.tv_nsec = 200 * NS_PER_MS};
	int result = node_change(self, argc, argv, &options);
	uint64_t end = clock_now() + options.wait_most;
	unsigned int none = 0;
	struct remaining left;

	if (result || !options.wait)
		return result;
	/* Reports come twice a second and tell of a moment ago: what was under way when the node
	 * heard of the drain is in one of the next. */
	while (none < 8) {
		if (!remaining(options.cluster, argv[argc - 1], &left))
			return EXIT_FAILED;
		none = left.connections || left.requests > 0 ? 0 : none + 1;
		if (!none && clock_now() > end)
			return failed("%s has %lld connections yet, %lld of them pinned, and %lld "
				      "requests in service; they go on",
				      argv[argc - 1], left.connections, left.pinned, left.requests);
		nanosleep(&pause, NULL);
	}
	return EXIT_DONE;
}

const struct command command_drain = {
	.name = "drain",
	.operands = "NODE",
	.summary = "Give a node nothing new; its connections move at their next request",
	.options = drain_options,
	.run = run_drain,
};

static int run_ready(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab"};

	return node_change(self, argc, argv, &options);
}

const struct command command_ready = {
	.name = "ready",
	.operands = "NODE",
	.summary = "Take a drained node back",
	.options = name_options,
	.run = run_ready,
};

static int run_weight(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab"};
	int at = command_parse(self, argc, argv, &options);
	uint64_t weight;

	if (at != argc - 2)
		return misused("'%s' takes a node's name and a weight", command_path());
	if (parse_count(argv[at + 1], &weight) || weight > 65535)
		return misused("a weight is a whole number from 0 to 65535, not '%s'",
			       argv[at + 1]);
	return change(options.cluster, json_pack("{s:s, s:s, s:I}", "command", "weight", "node",
						 argv[at], "weight", (json_int_t)weight));
}

const struct command command_weight = {
	.name = "weight",
	.operands = "NODE WEIGHT",
	.summary = "Change a node's share; 0 gives it nothing new",
	.options = name_options,
	.run = run_weight,
};

static int run_reload(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab"};

	command_parse(self, argc, argv, &options);
	return change(options.cluster, json_pack("{s:s}", "command", "reload"));
}

const struct command command_reload = {
	.name = "reload",
	.operands = "",
	.summary = "Have the front read its configuration again",
	.description = "The file's nodes, services and weights replace what commands had changed; "
		       "drained nodes stay drained. A file with an error changes nothing.",
	.options = name_options,
	.run = run_reload,
};

/* ---- entries: nodes and services ---- */

static void set_text(json_t *entry, const char *key, const char *value)
{
	if (value)
		json_object_set_new(entry, key, json_string(value));
}

static void set_list(json_t *entry, const char *key, const struct option_list *list)
{
	json_t *array;

	if (!list->count)
		return;
	array = json_array();
	for (unsigned int i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(list->items[i]));
	json_object_set_new(entry, key, array);
}

static json_t *entry_of(const struct options *options, const char *name)
{
	json_t *entry = json_pack("{s:s}", "name", name), *health = json_object();

	set_text(entry, "address", options->address);
	set_text(entry, "address6", options->address6);
	if (options->weight != UNSET_WEIGHT)
		json_object_set_new(entry, "weight", json_integer((json_int_t)options->weight));
	set_list(entry, "services", &options->services);
	set_list(entry, "addresses", &options->addresses);
	set_list(entry, "nodes", &options->nodes);
	set_text(entry, "port", options->port);
	set_text(entry, "protocol", options->protocol);
	set_text(entry, "policy", options->policy);
	set_text(entry, "window", options->window);
	set_text(entry, "decay", options->decay);
	set_text(entry, "target", options->target);
	set_text(entry, "path_segments", options->path_segments);
	set_text(entry, "place", options->place);
	set_text(entry, "forward", options->forward);
	set_text(entry, "schedule", options->schedule);
	set_text(entry, "release", options->release);
	set_text(entry, "switch", options->switching);
	set_text(health, "type", options->health);
	set_text(health, "path", options->path);
	set_text(health, "interval", options->interval);
	set_text(health, "timeout", options->timeout);
	set_text(health, "slow_start", options->slow_start);
	if (options->rise)
		json_object_set_new(health, "rise", json_integer((json_int_t)options->rise));
	if (options->fall)
		json_object_set_new(health, "fall", json_integer((json_int_t)options->fall));
	if (json_object_size(health))
		json_object_set(entry, "health", health);
	json_decref(health);
	return entry;
}

/* add, set and del; the command's first word is the one before the action in its path. */
static int edit(const struct command *self, const char *kind, int argc, char **argv)
{
	struct options options = {.cluster = "lab", .weight = UNSET_WEIGHT};
	int at = command_parse(self, argc, argv, &options);

	if (at != argc - 1)
		return misused("'%s' takes one name", command_path());
	return change(options.cluster,
		      json_pack("{s:s, s:s, s:o}", "command", kind, "action", self->name, "entry",
				entry_of(&options, argv[at])));
}

static int edit_node(const struct command *self, int argc, char **argv)
{
	return edit(self, "node", argc, argv);
}

static int edit_service(const struct command *self, int argc, char **argv)
{
	return edit(self, "service", argc, argv);
}

/* The values of a list of texts, joined. */
static char *joined(const json_t *list)
{
	struct buffer text = BUFFER_EMPTY;
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		buffer_format(&text, "%s%s", i ? " " : "", json_string_value(item));
	return buffer_detach(&text);
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static void print_nodes(const json_t *list)
{
	struct table *table = table_new("NODE|ADDRESS|ADDRESS6|>WEIGHT");
	const json_t *node;
	size_t i;

	json_array_foreach (list, i, node)
		table_row(table, "%s|%s|%s|%lld", text(node, "name"), text(node, "address"),
			  text(node, "address6"),
			  json_integer_value(json_object_get(node, "weight")));
	table_print(table, stdout);
}

static void print_services(const json_t *list)
{
	struct table *table =
		table_new("SERVICE|ADDRESSES|>PORT|PROTOCOL|POLICY|FORWARD|TARGET|HEALTH|NODES");
	const json_t *service;
	size_t i;

	json_array_foreach (list, i, service) {
		char *addresses = joined(json_object_get(service, "addresses"));
		char *nodes = joined(json_object_get(service, "nodes"));

		table_row(table, "%s|%s|%lld|%s|%s|%s|%s|%s|%s", text(service, "name"), addresses,
			  json_integer_value(json_object_get(service, "port")),
			  text(service, "protocol"), text(service, "policy"),
			  text(service, "forward"), text(service, "target"),
			  text(json_object_get(service, "health"), "type"), nodes);
		free(addresses);
		free(nodes);
	}
	table_print(table, stdout);
}

static const struct option_spec list_options[] = {
	OPTION_NAME,
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct options, json)},
	{0},
};

static int list(const struct command *self, const char *kind, const char *key, int argc,
		char **argv, void (*print)(const json_t *list))
{
	struct options options = {.cluster = "lab"};
	json_t *answer;

	command_parse(self, argc, argv, &options);
	answer = client_ask(options.cluster, "front",
			    json_pack("{s:s, s:s}", "command", kind, "action", "list"));
	if (!answer)
		return EXIT_FAILED;
	if (options.json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print(json_object_get(answer, key));
	}
	json_decref(answer);
	return EXIT_DONE;
}

static int list_nodes(const struct command *self, int argc, char **argv)
{
	return list(self, "node", "nodes", argc, argv, print_nodes);
}

static int list_services(const struct command *self, int argc, char **argv)
{
	return list(self, "service", "services", argc, argv, print_services);
}

#define OPTION_ADDRESS6                                                                            \
	{                                                                                          \
		"address6", 0, OPTION_TEXT, "ADDRESS", "its IPv6 address besides [none]",          \
			offsetof(struct options, address6)                                         \
	}
#define OPTION_WEIGHT                                                                              \
	{                                                                                          \
		"weight", 'w', OPTION_COUNT, "N", "its share [1]",                                 \
			offsetof(struct options, weight), .least = 0, .most = 65535                \
	}
#define OPTION_ADDRESS                                                                             \
	{                                                                                          \
		"address", 'a', OPTION_TEXT, "ADDRESS", "its own address",                         \
			offsetof(struct options, address)                                          \
	}

static const struct option_spec node_add_options[] = {
	OPTION_NAME,
	OPTION_ADDRESS,
	OPTION_ADDRESS6,
	OPTION_WEIGHT,
	{"service", 's', OPTION_LIST, "SERVICE", "serves this one; may be repeated [all]",
	 offsetof(struct options, services)},
	{0},
};

static const struct option_spec node_set_options[] = {
	OPTION_NAME, OPTION_ADDRESS, OPTION_ADDRESS6, OPTION_WEIGHT, {0}};

static const struct option_spec service_options[] = {
	OPTION_NAME,
	{"address", 'a', OPTION_LIST, "ADDRESS", "one of its addresses; may be repeated",
	 offsetof(struct options, addresses)},
	{"port", 0, OPTION_TEXT, "PORT", "its port", offsetof(struct options, port)},
	{"protocol", 0, OPTION_TEXT, "NAME", "http|tls|tcp|udp [http]",
	 offsetof(struct options, protocol)},
	{"policy", 'p', OPTION_TEXT, "POLICY", "how requests are placed [hrw]",
	 offsetof(struct options, policy)},
	{"window", 0, OPTION_TEXT, "TIME", "of tls-affinity [300s]",
	 offsetof(struct options, window)},
	{"decay", 0, OPTION_TEXT, "TIME", "of ds: time constant of a target's rate [500ms]",
	 offsetof(struct options, decay)},
	{"node", 'n', OPTION_LIST, "NODE", "one that serves it; may be repeated [all]",
	 offsetof(struct options, nodes)},
	{"target", 0, OPTION_TEXT, "WHAT", "what is placed: path|url [path]",
	 offsetof(struct options, target)},
	{"path-segments", 0, OPTION_TEXT, "N", "of the path that placement goes by [all]",
	 offsetof(struct options, path_segments)},
	{"place", 0, OPTION_TEXT, "WHERE", "where first requests are read: inline|spread [inline]",
	 offsetof(struct options, place)},
	{"forward", 0, OPTION_TEXT, "HOW", "direct|tunnel|nat [direct]",
	 offsetof(struct options, forward)},
	{"schedule", 0, OPTION_TEXT, "WHAT", "udp: what is placed as one: flow|packet [flow]",
	 offsetof(struct options, schedule)},
	{"release", 0, OPTION_TEXT, "HOW", "how a socket that was left ends: rst|fin [rst]",
	 offsetof(struct options, release)},
	{"switch", 0, OPTION_TEXT, "yes|no", "whether connections move between requests [yes]",
	 offsetof(struct options, switching)},
	{"health", 0, OPTION_TEXT, "TYPE", "http|tcp|none [by the protocol]",
	 offsetof(struct options, health)},
	{"path", 0, OPTION_TEXT, "PATH", "what an HTTP check asks for [/]",
	 offsetof(struct options, path)},
	{"interval", 0, OPTION_TEXT, "TIME", "between two checks [1s]",
	 offsetof(struct options, interval)},
	{"timeout", 0, OPTION_TEXT, "TIME", "what a check waits [1s]",
	 offsetof(struct options, timeout)},
	{"slow-start", 0, OPTION_TEXT, "TIME",
	 "in which a node that comes back gets its whole share [10s]",
	 offsetof(struct options, slow_start)},
	{"rise", 0, OPTION_COUNT, "N", "good checks that make a node up [2]",
	 offsetof(struct options, rise), .least = 1, .most = 100},
	{"fall", 0, OPTION_COUNT, "N", "bad checks that make it down [3]",
	 offsetof(struct options, fall), .least = 1, .most = 100},
	{0},
};

static const struct command node_add = {"add", "NAME",	  "Add a node", NULL, node_add_options,
					NULL,  edit_node, false};
static const struct command node_set = {
	"set",	   "NAME", "Change a node; what is not given stays", NULL, node_set_options, NULL,
	edit_node, false};
static const struct command node_del = {
	"del",	   "NAME", "Take a node out; its connections are reset", NULL, name_options, NULL,
	edit_node, false};
static const struct command node_list = {"list",       "",   "List the nodes", NULL,
					 list_options, NULL, list_nodes,       false};
const struct command *const node_commands[] = {&node_add, &node_set, &node_del, &node_list, NULL};

static const struct command service_add = {"add",	    "NAME", "Add a service", NULL,
					   service_options, NULL,   edit_service,    false};
static const struct command service_set = {"set",
					   "NAME",
					   "Change a service; what is not given stays",
					   NULL,
					   service_options,
					   NULL,
					   edit_service,
					   false};
static const struct command service_del = {"del",	 "NAME", "Take a service away", NULL,
					   name_options, NULL,	 edit_service,		false};
static const struct command service_list = {"list",	  "",	"List the services", NULL,
					    list_options, NULL, list_services,	     false};
static const struct command *const service_commands[] = {&service_add, &service_set, &service_del,
							 &service_list, NULL};

const struct command command_service = {
	.name = "service",
	.operands = "",
	.summary = "Add, change, remove and list the services of a running cluster",
	.commands = service_commands,
	.run = command_dispatch,
};

/* `baton status`, `where` and `flows`: they only ask. */
#include "control/client.h"
#include "control/commands.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>

struct options {
	const char *cluster, *service, *client, *node, *method;
	struct option_list headers;
	uint64_t limit, idle; /* idle: ns */
	bool json, ended, kill, all;
};

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static int print_json(json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(answer);
	return EXIT_DONE;
}

#define OPTION_NAME                                                                                \
	{                                                                                          \
		"name", 0, OPTION_TEXT, "CLUSTER", "which cluster [lab]",                          \
			offsetof(struct options, cluster)                                          \
	}
#define OPTION_JSON                                                                                \
	{                                                                                          \
		"json", 0, OPTION_FLAG, NULL, "print one JSON object",                             \
			offsetof(struct options, json)                                             \
	}

/* ---- status ---- */

static void print_services(const json_t *status)
{
	struct table *table =
		table_new("SERVICE|ADDRESS|>PORT|PROTOCOL|POLICY|>UP|>NODES|>HANDED OVER|>MOVED");
	const json_t *service, *address;
	size_t i, j;

	json_array_foreach (json_object_get(status, "services"), i, service)
		json_array_foreach (json_object_get(service, "addresses"), j, address)
			if (!j)
				table_row(table, "%s|%s|%lld|%s|%s|%lld|%lld|%lld|%lld",
					  text(service, "name"), json_string_value(address),
					  number(service, "port"), text(service, "protocol"),
					  text(service, "policy"), number(service, "up"),
					  number(service, "nodes"),
					  number(service, "handoffs_first"),
					  number(service, "handoffs_later"));
			else
				table_row(table, "|%s|%lld", json_string_value(address),
					  number(service, "port"));
	table_print(table, stdout);
}

static void print_nodes(const json_t *status)
{
	struct table *table = table_new("NODE|ADDRESS|STATE|>WEIGHT|>FLOWS|>ACTIVE|>REQUESTS|>IN|"
					">OUT|>BYTES OUT|>P50 US|>P99 US|");
	const json_t *node, *why;
	const char *service;
	size_t i;

	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		const json_t *times = json_object_get(json_object_get(node, "latency_us"), "whole");
		char bytes[16], note[256] = "", half[16] = "-", slow[16] = "-";

		if (json_is_object(times)) {
			snprintf(half, sizeof(half), "%.0f",
				 json_number_value(json_object_get(times, "p50")));
			snprintf(slow, sizeof(slow), "%.0f",
				 json_number_value(json_object_get(times, "p99")));
		}

		if (!json_is_true(json_object_get(node, "connected")))
			snprintf(note, sizeof(note), "its daemon is not connected");
		else if (number(node, "version") != number(status, "version"))
			snprintf(note, sizeof(note), "at version %lld", number(node, "version"));
		json_object_foreach (json_object_get(node, "down"), service, why)
			snprintf(note, sizeof(note), "down for %s: %s", service,
				 json_string_value(why));
		table_row(table, "%s|%s|%s|%lld|%lld|%lld|%lld|%lld|%lld|%s|%s|%s|%s",
			  text(node, "name"), text(node, "address"), text(node, "state"),
			  number(node, "weight"), number(node, "flows"), number(node, "active"),
			  number(node, "requests"), number(node, "handoffs_in"),
			  number(node, "handoffs_out"),
			  text_bytes((double)number(node, "bytes_out"), bytes), half, slow, note);
	}
	table_print(table, stdout);
}

static void print_dispatchers(const json_t *status)
{
	const json_t *dispatchers = json_object_get(status, "dispatchers"), *dispatcher;
	struct table *table;
	size_t i;

	if (!json_array_size(dispatchers))
		return;
	table = table_new("DISPATCHER|ADDRESS|STATE|>TARGETS|>ASKED|>STAY|>NODES|");
	json_array_foreach (dispatchers, i, dispatcher)
		table_row(table, "%s|%s|%s|%lld|%lld|%lld|%lld|%s", text(dispatcher, "name"),
			  text(dispatcher, "address"),
			  json_is_true(json_object_get(dispatcher, "answers")) ? "answers" : "lost",
			  number(dispatcher, "targets"), number(dispatcher, "asks"),
			  number(dispatcher, "asks_stay"), number(dispatcher, "nodes"),
			  json_is_true(json_object_get(dispatcher, "connected"))
				  ? ""
				  : "its daemon is not connected");
	putchar('\n');
	table_print(table, stdout);
}

static void print_status(const json_t *status)
{
	const json_t *front = json_object_get(status, "front"), *count;
	bool said = false;
	const char *reason;
	char bytes[16];

	printf("cluster %s, version %lld, front on %s (XDP %s)\n\n", text(status, "cluster"),
	       number(status, "version"), text(front, "interface"), text(front, "xdp"));
	print_services(status);
	putchar('\n');
	print_nodes(status);
	print_dispatchers(status);
	printf("\n%lld flows; %lld packets, %s in; %lld SYNs, %lld bad cookies; %lld connections "
	       "handed over, %lld handed on\n",
	       number(front, "flows"), number(front, "packets"),
	       text_bytes((double)number(front, "bytes_in"), bytes), number(front, "syn"),
	       number(front, "cookies_bad"), number(front, "handoffs_first"),
	       number(front, "handoffs_later"));
	json_object_foreach (json_object_get(front, "fallbacks"), reason, count)
		if (json_integer_value(count)) {
			printf("%s %s %lld", said ? "," : "fallbacks:", reason,
			       json_integer_value(count));
			said = true;
		}
	if (said)
		putchar('\n');
}

static const struct option_spec status_options[] = {OPTION_NAME, OPTION_JSON, {0}};

static int run_status(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab"};
	json_t *status;

	command_parse(self, argc, argv, &options);
	status = client_ask(options.cluster, "front", json_pack("{s:s}", "command", "status"));
	if (!status)
		return EXIT_FAILED;
	if (options.json)
		return print_json(status);
	print_status(status);
	json_decref(status);
	return EXIT_DONE;
}

const struct command command_status = {
	.name = "status",
	.operands = "",
	.summary = "Show a running cluster: services, nodes, counters",
	.description =
		"IN and OUT are handoffs to and from a node. ACTIVE is requests in service, FLOWS "
		"connections held, P50 and P99 the time from request to last byte that half and "
		"99 of 100 of all requests so far didn't reach.",
	.options = status_options,
	.run = run_status,
};

/* ---- where ---- */

static const struct option_spec where_options[] = {
	OPTION_NAME,
	OPTION_JSON,
	{"service", 's', OPTION_TEXT, "SERVICE",
	 "of this service [the one that has the URL's address and port]",
	 offsetof(struct options, service)},
	{"client", 0, OPTION_TEXT, "ADDRESS",
	 "asked by this client, for policies that go by it [none]",
	 offsetof(struct options, client)},
	{"method", 'X', OPTION_TEXT, "METHOD", "with this method [GET]",
	 offsetof(struct options, method)},
	{"header", 'H', OPTION_LIST, "LINE", "with this header line, as \"Accept: text/html\"",
	 offsetof(struct options, headers)},
	{0},
};

static int run_where(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab"};
	int at = command_parse(self, argc, argv, &options);
	json_t *answer, *rule, *headers = json_array();

	if (at != argc - 1)
		return misused("'%s' takes one URL", command_path());
	for (size_t i = 0; i < options.headers.count; i++)
		json_array_append_new(headers, json_string(options.headers.items[i]));
	answer =
		client_ask(options.cluster, "front",
			   json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:o}", "command", "where", "url",
				     argv[at], "service", options.service, "client", options.client,
				     "method", options.method, "headers", headers));
	if (!answer)
		return EXIT_FAILED;
	if (options.json)
		return print_json(answer);
	printf("%s (service %s, policy %s, reason: %s%s)\n", text(answer, "node"),
	       text(answer, "service"), text(answer, "policy"), text(answer, "reason"),
	       json_is_true(json_object_get(answer, "certain"))
		       ? ""
		       : "; the policy doesn't go by the URL alone, the next request may differ");
	if (*text(answer, "dispatcher"))
		printf("%s decides, by a table of its own; that node is the one while it doesn't "
		       "answer\n",
		       text(answer, "dispatcher"));
	rule = json_object_get(answer, "rule");
	if (rule)
		printf("by rule %lld (%s): pool %s\n", number(rule, "number"), text(rule, "if"),
		       *text(rule, "pool") ? text(rule, "pool") : "of the service itself");
	json_decref(answer);
	return EXIT_DONE;
}

const struct command command_where = {
	.name = "where",
	.operands = "URL",
	.summary = "Say which node a request would go to, and why",
	.description = "Decided by the very code that decides in the kernel, on the same tables. "
		       "Nothing is sent.",
	.options = where_options,
	.run = run_where,
};

/* ---- flows ---- */

static const struct option_spec flows_options[] = {
	OPTION_NAME,
	OPTION_JSON,
	{"client", 0, OPTION_TEXT, "ADDRESS[:PORT]", "only this client's",
	 offsetof(struct options, client)},
	{"node", 0, OPTION_TEXT, "NODE", "only those on this node", offsetof(struct options, node)},
	{"service", 's', OPTION_TEXT, "SERVICE", "only those to this service",
	 offsetof(struct options, service)},
	{"idle", 0, OPTION_DURATION, "TIME", "only those whose client has been silent so long",
	 offsetof(struct options, idle)},
	{"ended", 0, OPTION_FLAG, NULL, "also those that are over but still remembered",
	 offsetof(struct options, ended)},
	{"limit", 'n', OPTION_COUNT, "N", "at most so many; 0 is all [100; with --kill all]",
	 offsetof(struct options, limit)},
	{"kill", 0, OPTION_FLAG, NULL,
	 "end these: both sides get an RST. Needs one of those that choose, or --all",
	 offsetof(struct options, kill)},
	{"all", 0, OPTION_FLAG, NULL, "with --kill: every one", offsetof(struct options, all)},
	{0},
};

enum { LIMIT_UNSET = -1, LIST_LIMIT = 100 };

static void print_flows(const json_t *answer, bool killed)
{
	struct table *table =
		table_new(killed ? "CLIENT|TO|NODE|STATE|>AGE|RESULT"
				 : "CLIENT|TO|NODE|STATE|REASON|>HANDOFFS|>AGE|>IDLE");
	const json_t *flow;
	size_t i;

	json_array_foreach (json_object_get(answer, "flows"), i, flow)
		if (killed)
			table_row(table, "%s|%s|%s|%s|%.1f s|%s", text(flow, "client"),
				  text(flow, "vip"), text(flow, "node"), text(flow, "state"),
				  json_real_value(json_object_get(flow, "age")),
				  text(flow, "result"));
		else
			table_row(table, "%s|%s|%s|%s|%s|%lld|%.1f s|%.1f s", text(flow, "client"),
				  text(flow, "vip"), text(flow, "node"), text(flow, "state"),
				  text(flow, "reason"), number(flow, "handoffs"),
				  json_real_value(json_object_get(flow, "age")),
				  json_real_value(json_object_get(flow, "idle")));
	table_print(table, stdout);
}

static int run_flows(const struct command *self, int argc, char **argv)
{
	struct options options = {.cluster = "lab", .limit = (uint64_t)LIMIT_UNSET};
	json_t *answer, *request;
	size_t left = 0;

	command_parse(self, argc, argv, &options);
	if (options.limit == (uint64_t)LIMIT_UNSET)
		options.limit = options.kill ? 0 : LIST_LIMIT;
	if (options.kill && !options.client && !options.node && !options.service && !options.idle &&
	    !options.all)
		return misused("--kill needs --client, --node, --service or --idle, or --all for "
			       "every connection");
	if (options.kill && options.ended)
		return misused("--ended lists what is over; there is nothing to --kill");
	if (options.all && !options.kill)
		return misused("--all goes with --kill");
	request = json_pack("{s:s, s:s*, s:s*, s:s*, s:b, s:b, s:I}", "command",
			    options.kill ? "kill" : "flows", "client", options.client, "node",
			    options.node, "service", options.service, "ended", options.ended, "all",
			    options.all, "limit", (json_int_t)options.limit);
	if (options.idle)
		json_object_set_new(request, "idle", json_real((double)options.idle / NS_PER_S));
	answer = client_ask(options.cluster, "front", request);
	if (!answer)
		return EXIT_FAILED;
	if (options.kill)
		left = (size_t)number(answer, "left");
	if (options.json) {
		print_json(answer);
	} else {
		print_flows(answer, options.kill);
		if (options.kill)
			printf("%lld killed\n", number(answer, "killed"));
		json_decref(answer);
	}
	return left ? failed("%zu connections were not killed; the list says why", left)
		    : EXIT_DONE;
}

const struct command command_flows = {
	.name = "flows",
	.operands = "",
	.summary = "List the connections and which node has each; or end some",
	.description =
		"Connections of http and tls services. With --kill their sockets are destroyed on "
		"their nodes: the server sees an aborted connection, the client an RST. One that "
		"moves to another node at that very moment is left and said to be.",
	.options = flows_options,
	.run = run_flows,
};

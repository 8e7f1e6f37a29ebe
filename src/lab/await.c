#include "lab/await.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "control/client.h"
#include "lab/guests.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { READY_S = 30 };

/* How many nodes and dispatchers a front says are up and go by what it goes by, or -1 while it
 * doesn't answer. */
static int hosts_up(const struct values *values, unsigned int number)
{
	char host[32], daemon[64];
	json_t *status = NULL, *node;
	json_int_t version;
	size_t i;
	int up = 0;

	/* What its socket is called: see `front` in docs/operation.md. */
	strcpy(daemon, "front");
	if (number > 1)
		snprintf(daemon, sizeof(daemon), "front-%s",
			 values_front_host(values, number, host));
	if (client_call(values->name, daemon, json_pack("{s:s}", "command", "status"), &status))
		return -1;
	version = json_integer_value(json_object_get(status, "version"));
	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		const char *state = json_string_value(json_object_get(node, "state"));

		up += state && !strcmp(state, "up") &&
		      json_integer_value(json_object_get(node, "version")) == version;
	}
	json_array_foreach (json_object_get(status, "dispatchers"), i, node)
		up += json_is_true(json_object_get(node, "answers")) &&
		      json_integer_value(json_object_get(node, "version")) == version;
	json_decref(status);
	return up;
}

/* What a log ends with, for whoever must know why. */
static void show_log(const char *lab, const char *name)
{
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM], file[64];
	size_t at;

	snprintf(file, sizeof(file), "log/%s.log", name);
	if (!buffer_read_file(&text, state_path(lab, file, path), 1 << 20) && text.length) {
		at = text.length > 1000 ? text.length - 1000 : 0;
		fprintf(stderr, "--- the end of %s's log:\n%s", name, text.data + at);
	}
	buffer_release(&text);
}

/* Whether something listens there in time; else a line on stderr and what it said last. */
static int await_one(const char *lab, const char *host, const char *what, unsigned int port)
{
	char process[64];

	if (!server_await(lab, host, SERVER_HERE, port, READY_S))
		return 0;
	snprintf(process, sizeof(process), "%s-%s", host, what);
	failed("lab: the %s of %s does not listen after %d s", what, host, READY_S);
	show_log(lab, process);
	return -1;
}

static int await_guest(const char *lab, unsigned int number)
{
	char address[32], log[64];

	if (!server_await(lab, "front", topology_node_address(number, address), 80, GUESTS_READY_S))
		return 0;
	failed("lab: the guest node%u does not serve after %d s", number, GUESTS_READY_S);
	snprintf(log, sizeof(log), "node%u-guest", number);
	show_log(lab, log);
	return -1;
}

int await_all(const struct values *values, const struct cache_options *cache)
{
	unsigned int patience = guests_wanted(&values->guests) ? GUESTS_READY_S : READY_S;
	uint64_t end = clock_now() + patience * NS_PER_S;
	int up = 0, hosts = (int)(values->nodes + values->dispatchers);
	char host[32], kind[SERVER_KIND];
	unsigned int front = 1;

	for (unsigned int i = 0; i <= values->nodes; i++) {
		snprintf(host, sizeof(host), i ? "node%u" : "origin", i);
		if (i && guests_wanted(&values->guests)) {
			if (await_guest(values->name, i))
				return -1;
			continue;
		}
		if (await_one(values->name, host, "server", 80))
			return -1;
		if (i && cache->distill && server_kind(values->server, i, kind) &&
		    server_is_cache(kind) &&
		    await_one(values->name, host, "distiller", cache->distiller))
			return -1;
		if (i && cache->dynamic && await_one(values->name, host, "page", SERVER_PAGE_PORT))
			return -1;
	}
	while (!values->bare && clock_now() < end) {
		up = hosts_up(values, front);
		if (up == hosts && front == values->fronts)
			break;
		if (up == hosts)
			front++;
		else
			poll(NULL, 0, 20);
	}
	if (!values->bare && up != hosts) {
		failed("lab: %d of %d nodes and dispatchers are up after %u s", up > 0 ? up : 0,
		       hosts, patience);
		show_log(values->name, values_front_daemon(values, front, host));
		show_log(values->name, "node1");
		return -1;
	}
	return 0;
}

#include "lab/up.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "control/client.h"
#include "lab/keeper.h"
#include "lab/partition.h"
#include "lab/servers.h"
#include "lab/state.h"
#include "lab/topology.h"
#include "place/build.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READY_S = 30 };

struct values {
	const char *name, *policy, *server, *root, *place, *forward, *release;
	uint64_t nodes, delay;
	struct option_list hosts;
	bool bare, partition, query;
};

static const struct option_spec options[] = {
	{"name", 0, OPTION_TEXT, "LAB", "what the lab is called [lab]",
	 offsetof(struct values, name)},
	{"nodes", 'n', OPTION_COUNT, "N", "how many nodes [4]", offsetof(struct values, nodes),
	 .least = 1, .most = LAB_NODES_MAX},
	{"policy", 'p', OPTION_TEXT, "POLICY", "how requests are placed [hrw]",
	 offsetof(struct values, policy)},
	{"server", 0, OPTION_TEXT, "NAME,...",
	 "what runs on the nodes, which take several in turn: " LAB_SERVERS " [nginx]",
	 offsetof(struct values, server)},
	{"root", 0, OPTION_TEXT, "DIR", "the files every node serves [a few of the lab's own]",
	 offsetof(struct values, root)},
	{"place", 0, OPTION_TEXT, "WHERE", "where first requests are read: inline|spread [inline]",
	 offsetof(struct values, place), .choices = "inline|spread"},
	{"forward", 0, OPTION_TEXT, "HOW", "how segments reach a node: direct|tunnel [direct]",
	 offsetof(struct values, forward), .choices = "direct|tunnel"},
	{"release", 0, OPTION_TEXT, "HOW", "how a socket that was left ends: rst|fin [rst]",
	 offsetof(struct values, release), .choices = "rst|fin"},
	{"query", 0, OPTION_FLAG, NULL, "what is behind '?' is part of the target",
	 offsetof(struct values, query)},
	{"delay", 0, OPTION_DURATION, "TIME",
	 "hold every frame of the client's cable up so long, each way [0]",
	 offsetof(struct values, delay), .least = 0, .most = 10},
	{"host", 0, OPTION_LIST, "HOST", "one more host, from 10.77.0.201 on; may be repeated",
	 offsetof(struct values, hosts)},
	{"partition", 0, OPTION_FLAG, NULL,
	 "every node has only the files that the policy places on it",
	 offsetof(struct values, partition)},
	{"bare", 0, OPTION_FLAG, NULL, "hosts and servers only, without Baton",
	 offsetof(struct values, bare)},
	{0},
};

static int write_key(const char *lab)
{
	unsigned char key[32];
	char path[STATE_ROOM], text[2 * sizeof(key) + 2];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -errno;
	for (size_t i = 0; i < sizeof(key); i++)
		sprintf(text + 2 * i, "%02x", key[i]);
	strcat(text, "\n");
	return file_write_whole(state_path(lab, "key", path), text, strlen(text), 0600);
}

/* TLS on the nodes that have it: those with nginx. Its connections are pinned, so the server's name
 * decides, and the client's address where there is none. */
static void add_tls(const struct values *values, struct buffer *text)
{
	unsigned int count = 0;
	char kind[SERVER_KIND];

	for (unsigned int i = 1; i <= values->nodes; i++) {
		if (!server_kind(values->server, i, kind) || strcmp(kind, "nginx"))
			continue;
		if (!count++)
			buffer_format(text,
				      "  - name: secure\n    addresses: [" LAB_VIP ", \"" LAB_VIP6
				      "\"]\n    port: 443\n    protocol: tls\n    policy: %s\n"
				      "    health: {type: tcp, interval: 1s, timeout: 5s}\n"
				      "    nodes: [",
				      values->policy);
		buffer_format(text, "%snode%u", count > 1 ? ", " : "", i);
	}
	if (count)
		buffer_text(text, "]\n");
}

static int write_config(const struct values *values)
{
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM], key[STATE_ROOM], address[32];
	int error;

	buffer_format(&text,
		      "# Written by `baton lab up`.\n"
		      "cluster:\n  name: %s\n  key_file: %s\n"
		      "front:\n  name: front\n  address: 10.77.0.2\n  address6: \"fd77::2\"\n  "
		      "interface: eth0\n"
		      "  control: 10.77.0.2:7701\n  http: 127.0.0.1:7780\n"
		      "nodes:\n",
		      values->name, state_path(values->name, "key", key));
	for (unsigned int i = 1; i <= values->nodes; i++) {
		buffer_format(&text, "  - {name: node%u, address: %s, ", i,
			      topology_node_address(i, address));
		buffer_format(&text, "address6: \"%s\", interface: eth0}\n",
			      topology_node_address6(i, address));
	}
	buffer_format(&text,
		      "services:\n  - name: web\n    addresses: [" LAB_VIP ", \"" LAB_VIP6
		      "\"]\n    port: 80\n"
		      "    protocol: http\n    policy: %s\n    target: %s\n    place: %s\n    "
		      "forward: %s\n"
		      "    release: %s\n    health: {type: http, path: /health, interval: 1s, "
		      "timeout: 5s}\n",
		      values->policy, values->query ? "url" : "path", values->place,
		      values->forward, values->release);
	add_tls(values, &text);
	error = file_write_whole(state_path(values->name, "baton.yaml", path), text.data,
				 text.length, 0644);
	buffer_release(&text);
	return error;
}

static void add_daemons(const struct values *values, json_t *list)
{
	char config[STATE_ROOM], program[PATH_MAX];

	if (process_self(program))
		strcpy(program, "baton");
	state_path(values->name, "baton.yaml", config);
	keeper_add(list, "front", "front", true,
		   (const char *const[]){program, "front", "-c", config, NULL});
	for (unsigned int i = 1; i <= values->nodes; i++) {
		char host[16];

		snprintf(host, sizeof(host), "node%u", i);
		keeper_add(
			list, host, host, true,
			(const char *const[]){program, "node", "-c", config, "--name", host, NULL});
	}
}

/* How many nodes the front says are up and go by what it goes by, or -1 while it doesn't answer. */
static int nodes_up(const char *lab)
{
	json_t *status = NULL, *node;
	json_int_t version;
	size_t i;
	int up = 0;

	if (client_call(lab, "front", json_pack("{s:s}", "command", "status"), &status))
		return -1;
	version = json_integer_value(json_object_get(status, "version"));
	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		const char *state = json_string_value(json_object_get(node, "state"));

		up += state && !strcmp(state, "up") &&
		      json_integer_value(json_object_get(node, "version")) == version;
	}
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

static int await(const struct values *values)
{
	uint64_t end = clock_now() + READY_S * NS_PER_S;
	char host[16];
	int up = 0;

	for (unsigned int i = 0; i <= values->nodes; i++) {
		snprintf(host, sizeof(host), i ? "node%u" : "origin", i);
		if (server_await(values->name, host, READY_S)) {
			char process[32];

			snprintf(process, sizeof(process), "%s-server", host);
			failed("lab: the server of %s does not listen after %d s", host, READY_S);
			show_log(values->name, process);
			return -1;
		}
	}
	while (!values->bare && clock_now() < end) {
		up = nodes_up(values->name);
		if (up == (int)values->nodes)
			break;
		poll(NULL, 0, 20);
	}
	if (!values->bare && up != (int)values->nodes) {
		failed("lab: %d of %u nodes are up after %d s", up > 0 ? up : 0,
		       (unsigned int)values->nodes, READY_S);
		show_log(values->name, "front");
		show_log(values->name, "node1");
		return -1;
	}
	return 0;
}

static int build(const struct values *values, const char *root)
{
	struct topology topology = {values->name, (unsigned int)values->nodes, &values->hosts,
				    values->delay > 0};
	json_t *list = json_array();
	char kind[SERVER_KIND], part[STATE_ROOM];
	int error;

	if (topology_up(&topology) || server_certificate(values->name) ||
	    server_add(values->name, "nginx", "origin", root, list)) {
		json_decref(list);
		return -1;
	}
	for (unsigned int i = 1; i <= values->nodes; i++) {
		char host[16];

		snprintf(host, sizeof(host), "node%u", i);
		server_kind(values->server, i, kind);
		error = server_add(values->name, kind, host,
				   values->partition
					   ? partition_root(values->name, i, part, sizeof(part))
					   : root,
				   list);
		if (error)
			goto free_list;
	}
	if (values->delay) {
		char time[32];

		snprintf(time, sizeof(time), "%luns", values->delay);
		keeper_add(list, "delay", "switch", true,
			   (const char *const[]){"/proc/self/exe", "lab", "delay-line", "p-client",
						 "d-client", time, NULL});
	}
	if (!values->bare)
		add_daemons(values, list);
	error = keeper_start(values->name, list);
	if (error < 0)
		failed_errno(error, "lab: can't start the supervisor");
	error = error < 0 ? error : await(values);
	if (!error && values->partition)
		error = partition_fill(values->name, root);
free_list:
	json_decref(list);
	return error;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {.name = "lab",
				.policy = "hrw",
				.server = "nginx",
				.place = "inline",
				.forward = "direct",
				.release = "rst",
				.nodes = 4};
	char path[STATE_ROOM], root[PATH_MAX], kind[SERVER_KIND];
	struct stat folder;
	int error;

	command_parse(self, argc, argv, &values);
	if (!state_name_good(values.name))
		return misused(
			"--name %s: a lab's name has letters, digits, '_' and '.', at most %d",
			values.name, LAB_NAME_MAX);
	if (place_policy_by_name(values.policy) < 0)
		return misused("--policy: '%s' is none of %s", values.policy, place_policy_names());
	for (unsigned int i = 1; i <= values.nodes; i++)
		if (!server_kind(values.server, i, kind))
			return misused("--server: '%s' is none of " LAB_SERVERS, kind);
	if (values.root &&
	    (!realpath(values.root, root) || stat(root, &folder) || !S_ISDIR(folder.st_mode)))
		return misused("--root %s is not a folder that can be read", values.root);
	for (unsigned int i = 0; i < values.hosts.count; i++)
		if (!state_name_good(values.hosts.items[i]) || strlen(values.hosts.items[i]) > 12 ||
		    !strncmp(values.hosts.items[i], "node", 4))
			return misused("--host %s: a host's name has letters, digits, '_' and '.', "
				       "at most 12, and "
				       "does not begin with 'node'",
				       values.hosts.items[i]);
	if (values.bare && values.partition)
		return misused("--partition goes by the cluster's policy; a --bare lab has none");
	if (geteuid())
		return failed("lab: network namespaces need root; run it with sudo");
	error = state_make(values.name);
	if (error == -EEXIST)
		return failed("lab: there is a lab '%s' already; 'baton lab down --name %s' takes "
			      "it away, --name makes "
			      "another",
			      values.name, values.name);
	if (!error)
		error = write_key(values.name);
	if (!error)
		error = write_config(&values);
	if (!error && values.partition)
		error = partition_make(values.name, (unsigned int)values.nodes);
	if (!error && !values.root)
		error = server_sample_root(values.name);
	if (error)
		failed_errno(error, "lab: can't write %s", state_path(values.name, "", path));
	if (error || build(&values, values.root ? root : state_path(values.name, "root", path))) {
		keeper_stop(values.name);
		topology_down(values.name);
		state_remove(values.name);
		return EXIT_FAILED;
	}
	printf("lab %s is up: %lu nodes of %s, http://" LAB_VIP "/ and http://[" LAB_VIP6 "]/\n"
	       "  baton lab exec%s%s client -- curl -i http://" LAB_VIP "/\n",
	       values.name, values.nodes, values.server,
	       strcmp(values.name, "lab") ? " --name " : "",
	       strcmp(values.name, "lab") ? values.name : "");
	return EXIT_DONE;
}

const struct command command_lab_up = {
	.name = "up",
	.summary = "Make a cluster of network namespaces on this machine and wait until it serves",
	.description = "Hosts client, front, origin, node1 ... around one bridge, stock servers on "
		       "the nodes, Baton's "
		       "daemons on front and nodes, started again if they die. Each node adds the "
		       "response header "
		       "X-Node with its name.",
	.options = options,
	.run = run,
};

#include "lab/up.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/await.h"
#include "lab/keeper.h"
#include "lab/lines.h"
#include "lab/names.h"
#include "lab/bounds.h"
#include "lab/cluster_file.h"
#include "lab/guests.h"
#include "lab/partition.h"
#include "lab/relays.h"
#include "lab/servers.h"
#include "lab/state.h"
#include "lab/topology.h"
#include "lab/values.h"
#include "place/build.h"
#include "wire/cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RELAYS_TOLD "haproxy:rr|hash|ring, nginx:rr|hash|ring, squid:carp|sourcehash"
#define CENTRAL	    "proxy" /* the host of --central */

enum { RELAYED_PORT = 3128 };

static const struct option_spec options[] = {
	{"name", 0, OPTION_TEXT, "LAB", "what the lab is called [lab]",
	 offsetof(struct values, name)},
	{"nodes", 'n', OPTION_COUNT, "N", "how many nodes [4]", offsetof(struct values, nodes),
	 .least = 1, .most = LAB_NODES_MAX},
	{"fronts", 0, OPTION_COUNT, "N",
	 "how many fronts; several share connections out as behind a router with equal routes [1]",
	 offsetof(struct values, fronts), .least = 1, .most = LAB_FRONTS_MAX},
	{"policy", 'p', OPTION_TEXT, "POLICY", "how requests are placed [hrw]",
	 offsetof(struct values, policy)},
	{"dispatchers", 0, OPTION_COUNT, "N",
	 "how many hosts decide for policies like lard and ds; without any the front does [0]",
	 offsetof(struct values, dispatchers), .least = 0, .most = LAB_DISPATCHERS_MAX},
	{"server", 0, OPTION_TEXT, "NAME,...",
	 "what runs on the nodes, which take several in turn: " LAB_SERVERS " [nginx]",
	 offsetof(struct values, server)},
	{"root", 0, OPTION_TEXT, "DIR", "the files every node serves [a few of the lab's own]",
	 offsetof(struct values, root)},
	{"place", 0, OPTION_TEXT, "WHERE",
	 "where first requests are read: inline|spread; dns: there is no front, a name server "
	 "hands "
	 "out the nodes' own addresses [inline]",
	 offsetof(struct values, place), .choices = "inline|spread|dns"},
	{"forward", 0, OPTION_TEXT, "HOW",
	 "how packets reach a node: direct|tunnel|nat, which makes every service one of layer 4 "
	 "[direct]",
	 offsetof(struct values, forward), .choices = "direct|tunnel|nat"},
	{"release", 0, OPTION_TEXT, "HOW", "how a socket that was left ends: rst|fin [rst]",
	 offsetof(struct values, release), .choices = "rst|fin"},
	{"xdp", 0, OPTION_TEXT, "MODE", "of the front's program: auto|native|generic [auto]",
	 offsetof(struct values, xdp), .choices = "auto|native|generic"},
	{"flows", 0, OPTION_COUNT, "N", "room of the front's table of connections [1Mi]",
	 offsetof(struct values, flows), .least = 1024, .most = 64 << 20},
	{"query", 0, OPTION_FLAG, NULL, "what is behind '?' is part of the target",
	 offsetof(struct values, query)},
	{"path-segments", 0, OPTION_COUNT, "N",
	 "of the path that are part of the target; 100: all [100]",
	 offsetof(struct values, path_segments), .least = 0, .most = 100},
	{"delay", 0, OPTION_DURATION, "TIME",
	 "hold every frame of the client's cable up so long, each way [0]",
	 offsetof(struct values, delay), .least = 0, .most = 10},
	{"impair", 0, OPTION_FLAG, NULL,
	 "a line in every cable, for 'baton lab impair' to lose, double and reorder frames",
	 offsetof(struct values, impair)},
	{"origin", 0, OPTION_TEXT, "DIR|URL",
	 "what caches fetch from: files that the origin serves, or http://ADDRESS:PORT [what "
	 "--root "
	 "says]",
	 offsetof(struct values, origin)},
	{"origin-delay", 0, OPTION_DURATION, "TIME",
	 "hold every frame of the origin's cable up so long, each way [0]",
	 offsetof(struct values, origin_delay), .least = 0, .most = 10},
	{"cache-memory", 0, OPTION_COUNT, "BYTES", "of each cache [64Mi]",
	 offsetof(struct values, memory), .least = 1 << 20, .most = 1e12},
	{"cache-disk", 0, OPTION_COUNT, "BYTES", "of each cache, beside its memory [0]",
	 offsetof(struct values, disk), .least = 0, .most = 1e13},
	{"proxy", 0, OPTION_FLAG, NULL,
	 "Squid as forward proxies: the VIP is what clients name as their proxy",
	 offsetof(struct values, proxy)},
	{"dynamic", 0, OPTION_FLAG, NULL,
	 "nginx on the nodes has pages under /dynamic/ that take some ms, one at a time",
	 offsetof(struct values, dynamic)},
	{"distill", 0, OPTION_TEXT, "PROFILE",
	 "a distiller between each cache and the origin: gprs|3g|4g|save-data [none]",
	 offsetof(struct values, distill), .choices = "gprs|3g|4g|save-data"},
	{"relay", 0, OPTION_TEXT, "PROGRAM:HOW",
	 "nodes get connections at layer 4 and relay by content: " RELAYS_TOLD,
	 offsetof(struct values, relay), .choices = LAB_RELAYS},
	{"central", 0, OPTION_TEXT, "PROGRAM:HOW",
	 "one host more, \"proxy\", relays to all nodes; as --relay",
	 offsetof(struct values, central), .choices = LAB_RELAYS},
	{"cpu", 0, OPTION_LIST, "HOST=SHARE",
	 "hold a host's processes, or every \"node\"'s, to a share of one CPU; may be repeated",
	 offsetof(struct values, cpu)},
	{"rate", 0, OPTION_LIST, "HOST=BITS",
	 "hold a host's cable, or every \"node\"'s, to so many bits a second; may be repeated",
	 offsetof(struct values, rate)},
	{"profile", 0, OPTION_LIST, "[HOST=]FILE",
	 "hold a node's cable, or every \"node\"'s, to the goodput and round trip that 'baton "
	 "measure profile' printed; --rate counts more; may be repeated",
	 offsetof(struct values, profile)},
	{"log", 0, OPTION_TEXT, "FORMAT",
	 "the nodes' access log: combined or json, in /run/baton/LAB/log/NODE.requests; none: only "
	 "status and page show requests [off]",
	 offsetof(struct values, log), .choices = "none|combined|json"},
	{"extra", 0, OPTION_LIST, "HOST", "one more host, from 10.77.0.201 on; may be repeated",
	 offsetof(struct values, extra)},
	{"host", 0, OPTION_TEXT, "HOW",
	 "what nodes are: namespace; qemu (machines with a kernel of their own, emulated); "
	 "qemu-kvm "
	 "[namespace]",
	 offsetof(struct values, guests.host), .choices = LAB_HOSTS},
	{"kernel", 0, OPTION_TEXT, "FILE",
	 "of such machines, 6.9 or later [that of 'baton measure image']",
	 offsetof(struct values, guests.kernel)},
	{"initrd", 0, OPTION_TEXT, "FILE",
	 "the kernel's initial file system [none, or that of 'baton measure image']",
	 offsetof(struct values, guests.initrd)},
	{"guest-memory", 0, OPTION_COUNT, "BYTES", "of each such machine [512Mi]",
	 offsetof(struct values, guests.memory), .least = 128 << 20, .most = 1e12},
	{"partition", 0, OPTION_FLAG, NULL,
	 "every node has only the files that the policy places on it",
	 offsetof(struct values, partition)},
	{"bare", 0, OPTION_FLAG, NULL, "hosts and servers only, without Baton",
	 offsetof(struct values, bare)},
	{0},
};

/* The list of processes that a node's belong to: its own if it is a guest, else the lab's. */
static json_t *node_list(const json_t *inside, unsigned int number, json_t *list)
{
	json_t *own = json_array_get(inside, number - 1);

	return own ? own : list;
}

static void add_daemons(const struct values *values, const json_t *inside, json_t *list)
{
	char config[STATE_ROOM], program[PATH_MAX];

	if (process_self(program))
		strcpy(program, "baton");
	state_path(values->name, "baton.yaml", config);
	for (unsigned int i = 1; i <= values->fronts; i++) {
		char host[32], daemon[32];

		values_front_host(values, i, host);
		keeper_add(list, values_front_daemon(values, i, daemon), host, true,
			   (const char *const[]){program, "front", "-c", config, "--name", host,
						 NULL});
	}
	for (unsigned int i = 1; i <= values->dispatchers; i++) {
		char host[32];

		topology_dispatcher(i, host);
		keeper_add(list, host, host, true,
			   (const char *const[]){program, "dispatcher", "-c", config, "--name",
						 host, NULL});
	}
	/* Or it would take the nodes of slow starters (Varnish compiles) for down a while later. */
	keeper_behind(list);
	for (unsigned int i = 1; i <= values->nodes; i++) {
		char host[16];

		snprintf(host, sizeof(host), "node%u", i);
		keeper_add(
			node_list(inside, i, list), host, host, true,
			(const char *const[]){program, "node", "-c", config, "--name", host, NULL});
	}
}

static int build(const struct values *values, const char *root, const char *origin_root,
		 const struct cache_options *cache)
{
	struct topology topology = {.lab = values->name,
				    .nodes = (unsigned int)values->nodes,
				    .fronts = values_by_dns(values) ? 0
								    : (unsigned int)values->fronts,
				    .dispatchers = (unsigned int)values->dispatchers,
				    .dns = values_by_dns(values),
				    .extra = &values->extra,
				    .lined = lines_has,
				    .context = values,
				    .nat = values_through_front(values),
				    .guests = guests_wanted(&values->guests)};
	struct bounds bounds = {&values->cpu, &values->rate};
	json_t *list = json_array(), *inside = json_array();
	char kind[SERVER_KIND], part[STATE_ROOM];
	int error = -1;

	if (topology_up(&topology) || server_certificate(values->name) ||
	    server_add(values->name, "nginx", "origin", origin_root, cache, list))
		goto free_list;
	for (unsigned int i = 1; i <= values->nodes; i++) {
		char host[16];

		if (guests_wanted(&values->guests))
			json_array_append_new(inside, json_array());
		snprintf(host, sizeof(host), "node%u", i);
		server_kind(values->server, i, kind);
		if (cache->distill && server_is_cache(kind))
			server_add_distiller(host, cache, list);
		error = server_add(values->name, kind, host,
				   values->partition
					   ? partition_root(values->name, i, part, sizeof(part))
					   : root,
				   cache, node_list(inside, i, list));
		if (!error && cache->dynamic)
			error = server_add_page(values->name, host, list);
		if (error)
			goto free_list;
	}
	/* A relay that finds a cache not there yet shuns it for a while. */
	for (unsigned int i = 1; values->relay && i <= values->nodes; i++) {
		char host[16];

		snprintf(host, sizeof(host), "node%u", i);
		error = relay_add(values->name, host, values->relay, (unsigned int)values->nodes,
				  cache->port, list);
		if (error)
			goto free_list;
	}
	if (values->central) {
		error = relay_add(values->name, CENTRAL, values->central,
				  (unsigned int)values->nodes, cache->port, list);
		if (error)
			goto free_list;
	}
	if (values_by_dns(values)) {
		error = names_add(values->name, (unsigned int)values->nodes, list);
		if (error) {
			failed_errno(error, "lab: can't write the name server's files");
			goto free_list;
		}
	}
	lines_add(values, list);
	if (!values->bare)
		add_daemons(values, inside, list);
	error = guests_wanted(&values->guests)
			? guests_add(values->name, &values->guests, inside, list)
			: 0;
	if (error)
		goto free_list;
	error = bounds_apply(values->name, &bounds, list);
	if (error)
		goto free_list;
	error = keeper_start(values->name, list);
	if (error < 0)
		failed_errno(error, "lab: can't start the supervisor");
	error = error < 0 ? error : await_all(values, cache);
	if (!error)
		error = bounds_hold(values->name, &bounds);
	if (!error && values->partition)
		error = partition_fill(values->name, root);
free_list:
	json_decref(inside);
	json_decref(list);
	return error;
}

/* What --origin says: a folder, whose path goes to `root`, or an address and port. Returns 0 or
 * EXIT_USAGE with a line on stderr. */
static int read_origin(const char *text, char *root, char *address, size_t room)
{
	struct stat folder;
	struct in_addr parsed;
	char *port;

	if (!text)
		return 0;
	if (strncmp(text, "http://", 7)) {
		if (!realpath(text, root) || stat(root, &folder) || !S_ISDIR(folder.st_mode))
			return misused("--origin %s is neither a folder that can be read nor "
				       "http://ADDRESS:PORT",
				       text);
		return 0;
	}
	snprintf(address, room, "%s", text + 7);
	port = strchr(address, ':');
	if (port)
		*port = 0;
	if (inet_pton(AF_INET, address, &parsed) != 1 ||
	    (port && strspn(port + 1, "0123456789") != strlen(port + 1)))
		return misused("--origin %s is not http://ADDRESS:PORT, with an IPv4 address",
			       text);
	if (port)
		*port = ':';
	else
		strncat(address, ":80", room - strlen(address) - 1);
	return 0;
}

/* Which nodes are caches, for `lab storage`. */
static int write_caches(const struct values *values, const struct cache_options *cache)
{
	char path[STATE_ROOM], kind[SERVER_KIND], host[16];
	json_t *caches = json_array();
	int error;

	for (unsigned int i = 1; i <= values->nodes; i++) {
		snprintf(host, sizeof(host), "node%u", i);
		if (server_kind(values->server, i, kind) && server_is_cache(kind))
			json_array_append_new(caches,
					      json_pack("{s:s, s:s, s:i}", "name", host, "kind",
							kind, "port", (int)cache->port));
	}
	error = json_dump_file(caches, state_path(values->name, "caches.json", path),
			       JSON_INDENT(1))
			? -EIO
			: 0;
	json_decref(caches);
	return error;
}

/* Names for the hosts of a lab that has no name server. */
static int write_hosts(const char *lab)
{
	static const char text[] = LAB_ORIGIN " origin.lab www.origin.lab\n";
	char path[STATE_ROOM];

	return file_write_whole(state_path(lab, "conf/hosts", path), text, strlen(text), 0644);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {.name = "lab",
				.policy = "hrw",
				.server = "nginx",
				.place = "inline",
				.forward = "direct",
				.release = "rst",
				.memory = 64 << 20,
				.nodes = 4,
				.fronts = 1,
				.path_segments = 100,
				.guests = {.host = "namespace", .memory = 512 << 20}};
	char path[STATE_ROOM], root[PATH_MAX], origin_root[PATH_MAX] = "", kind[SERVER_KIND];
	char origin[64] = LAB_ORIGIN ":80";
	struct cache_options cache = {.origin = origin, .distiller = 3180, .port = 80};
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
	if (values.query && values.path_segments < 100)
		return misused("--query takes all of the path; leave --path-segments away");
	if (values.root &&
	    (!realpath(values.root, root) || stat(root, &folder) || !S_ISDIR(folder.st_mode)))
		return misused("--root %s is not a folder that can be read", values.root);
	if (read_origin(values.origin, origin_root, origin, sizeof(origin)))
		return EXIT_USAGE;
	if (values.proxy && strcmp(values.server, "squid"))
		return misused("--proxy: only squid is a forward proxy; add --server squid");
	if (guests_wanted(&values.guests) &&
	    (strcmp(values.server, "nginx") || values_through_front(&values) ||
	     values_by_dns(&values) || values.partition || values.dynamic))
		return misused(
			"--host %s: such nodes have nginx and the same files behind a front; "
			"leave --server, --partition, --dynamic, --forward nat and --place "
			"dns away",
			values.guests.host);
	if (!guests_wanted(&values.guests) && (values.guests.kernel || values.guests.initrd))
		return misused("--kernel and --initrd are for machines; add --host qemu");
	error = guests_wanted(&values.guests) ? guests_check(&values.guests) : 0;
	if (error)
		return error;
	if (bounds_check(&(struct bounds){&values.cpu, &values.rate}) ||
	    profiles_read(&values.profiles, &values.profile, values.nodes) ||
	    profiles_rates(&values.profiles, &values.rate))
		return EXIT_USAGE;
	cache.memory = values.memory;
	cache.disk = values.disk;
	cache.distill = values.distill;
	cache.proxy = values.proxy;
	cache.dynamic = values.dynamic;
	if (values.relay) {
		for (unsigned int i = 1; i <= values.nodes; i++)
			if (!server_kind(values.server, i, kind) || !server_is_cache(kind))
				return misused(
					"--relay: behind a relay are caches; add --server squid");
		cache.port = RELAYED_PORT;
	}
	if (values.central &&
	    values.extra.count == sizeof(values.extra.items) / sizeof(values.extra.items[0]))
		return misused("--central makes a host more than there may be");
	if (values.central)
		values.extra.items[values.extra.count++] = CENTRAL;
	for (unsigned int i = 0; i < values.extra.count; i++)
		if (!state_name_good(values.extra.items[i]) || strlen(values.extra.items[i]) > 12 ||
		    !strncmp(values.extra.items[i], "node", 4) ||
		    !strncmp(values.extra.items[i], "front", 5) ||
		    !strncmp(values.extra.items[i], "dispatcher", 10) ||
		    !strcmp(values.extra.items[i], "router"))
			return misused(
				"--extra %s: a host's name has letters, digits, '_' and '.', "
				"at most 12, and "
				"does not begin with 'node', 'front' or 'dispatcher', and is not "
				"'router'",
				values.extra.items[i]);
	if (values_by_dns(&values)) {
		if (strcmp(values.forward, "direct") || values.relay || values.bare ||
		    values.fronts > 1)
			return misused("--place dns goes with '--forward direct', and with neither "
				       "--fronts nor --relay nor --bare");
		if (values.nodes > FRONTS_MAX)
			return misused("--place dns: at most %d nodes", FRONTS_MAX);
		values.fronts = values.nodes;
	}
	if (values.fronts > 1 && values_through_front(&values))
		return misused("--fronts: with nat a connection's packets have to cross one and "
			       "the same front");
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
		error = cluster_key_write(values.name);
	if (!error)
		error = cluster_file_write(&values);
	if (!error)
		error = write_hosts(values.name);
	if (!error)
		error = write_caches(&values, &cache);
	if (!error && values.partition)
		error = partition_make(values.name, (unsigned int)values.nodes);
	if (!error && !values.root)
		error = server_sample_root(values.name);
	if (error)
		failed_errno(error, "lab: can't write %s", state_path(values.name, "", path));
	if (!values.root)
		strcpy(root, state_path(values.name, "root", path));
	values.guests.root = values.root ? root : NULL;
	if (error || build(&values, root, *origin_root ? origin_root : root, &cache)) {
		keeper_stop(values.name);
		topology_down(values.name);
		bounds_remove(values.name);
		state_remove(values.name);
		return EXIT_FAILED;
	}
	printf("lab %s is up: %lu nodes of %s, http://%s\n"
	       "  baton lab exec%s%s client -- curl -i http://%s/\n",
	       values.name, values.nodes, values.server,
	       values_by_dns(&values) ? LAB_WWW "/" : LAB_VIP "/ and http://[" LAB_VIP6 "]/",
	       strcmp(values.name, "lab") ? " --name " : "",
	       strcmp(values.name, "lab") ? values.name : "",
	       values_by_dns(&values) ? LAB_WWW : LAB_VIP);
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

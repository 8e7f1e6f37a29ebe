/* A lab of its own, the files that a trace asks for, the trace replayed with every byte checked,
 * and what happened, told from both sides: the client's and the front's. */
#include "lab/demo.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/table.h"
#include "control/client.h"
#include "lab/topology.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct values {
	uint64_t nodes, connections;
	const char *policy, *trace, *server;
	bool json;
};

struct demo {
	struct values values;
	char program[PATH_MAX], trace[PATH_MAX], lab[LAB_NAME_MAX], folder[512];
	json_t *load, *before, *after;
};

/* Set by an interrupt: what runs is ended by it as well, and then all is cleaned up. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	interrupted = signal;
}

/* The trace that comes with Baton: beside the build folder, or where it was installed. */
static int find_trace(struct demo *demo)
{
	static const char *const places[] = {"../share", "../share/baton"};
	char folder[PATH_MAX], path[PATH_MAX + 64];
	int error = process_self(demo->program);

	if (error)
		return error;
	if (demo->values.trace)
		return realpath(demo->values.trace, demo->trace) ? 0 : -errno;
	strcpy(folder, demo->program);
	*strrchr(folder, '/') = 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/traces/website-2015.tsv", folder, places[i]);
		if (realpath(path, demo->trace))
			return 0;
	}
	return -ENOENT;
}

/* Runs a subcommand of this very program. Returns 0, or -1 with what it said on stderr. */
static int step(const char *const argv[], struct buffer *output)
{
	struct buffer said = BUFFER_EMPTY;
	int code = interrupted ? 128 + (int)interrupted
			       : process_run(argv, NULL, output ? output : &said);

	if (code && !interrupted)
		fprintf(stderr, "%s",
			(output ? output : &said)->length ? (output ? output : &said)->data
							  : "baton: lab demo: a step failed\n");
	buffer_release(&said);
	return code ? -1 : 0;
}

static json_t *status(const struct demo *demo)
{
	return client_ask(demo->lab, "front", json_pack("{s:s}", "command", "status"));
}

static int play(struct demo *demo)
{
	const struct values *values = &demo->values;
	char nodes[16], connections[24];
	struct buffer output = BUFFER_EMPTY;
	const char *from;
	int error;

	snprintf(nodes, sizeof(nodes), "%u", (unsigned int)values->nodes);
	snprintf(connections, sizeof(connections), "%lu", (unsigned long)values->connections);
	fprintf(stderr, "writing the files that %s asks for\n", demo->trace);
	if (step((const char *const[]){demo->program, "load", "content", demo->folder, "--trace",
				       demo->trace, NULL},
		 NULL))
		return -1;
	fprintf(stderr, "starting %s nodes of %s, policy %s\n", nodes, values->server,
		values->policy);
	if (step((const char *const[]){demo->program, "lab", "up", "--name", demo->lab, "-n", nodes,
				       "--policy", values->policy, "--server", values->server,
				       "--root", demo->folder, NULL},
		 NULL))
		return -1;
	demo->before = status(demo);
	fprintf(stderr, "replaying over %s connections\n", connections);
	error = step((const char *const[]){demo->program, "lab", "exec", "--name", demo->lab,
					   "client", "--", demo->program, "load", "replay",
					   demo->trace, "--url", "http://" LAB_VIP "/", "-c",
					   connections, "--json", NULL},
		     &output);
	from = output.length ? strchr(output.data, '{') : NULL;
	demo->load = from ? json_loads(from, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	if (!error && !demo->load)
		error = failed("lab demo: the load's report can't be read");
	buffer_release(&output);
	demo->after = status(demo);
	return error || !demo->before || !demo->after ? -1 : 0;
}

static double number(const json_t *object, const char *section, const char *key)
{
	return json_number_value(json_object_get(json_object_get(object, section), key));
}

/* What the front counted meanwhile. */
static double counted(const struct demo *demo, const char *key)
{
	return number(demo->after, "front", key) - number(demo->before, "front", key);
}

static void latency(struct table *table, const struct demo *demo, const char *name, const char *key)
{
	table_row(table, "%s|%.0f|%.0f us|%.0f us|%.0f us", name, number(demo->load, key, "count"),
		  number(demo->load, key, "p50"), number(demo->load, key, "p99"),
		  number(demo->load, key, "p999"));
}

static void tell(const struct demo *demo)
{
	double requests = json_number_value(json_object_get(demo->load, "requests"));
	double bytes = json_number_value(json_object_get(demo->load, "bytes"));
	struct table *table = table_new("node|>requests|>share");
	char delivered[16], front[16];
	const char *node;
	json_t *share;

	printf("\n%.0f requests in %.1f s, %.0f errors; %.0f bodies checked byte by byte\n\n",
	       requests, json_number_value(json_object_get(demo->load, "seconds")),
	       json_number_value(json_object_get(demo->load, "errors")),
	       json_number_value(json_object_get(demo->load, "verified")));
	json_object_foreach (json_object_get(demo->load, "by_node"), node, share)
		table_row(table, "%s|%.0f|%.1f %%", node, json_number_value(share),
			  requests ? 100 * json_number_value(share) / requests : 0);
	table_print(table, stdout);
	table = table_new("latency|>requests|>median|>99 %|>99.9 %");
	latency(table, demo, "all", "latency_us");
	latency(table, demo, "same node as before", "stayed_us");
	latency(table, demo, "moved to another node", "switched_us");
	putchar('\n');
	table_print(table, stdout);
	printf("\n%.0f connections handed over, %.0f times handed on to another node\n",
	       counted(demo, "handoffs_first"), counted(demo, "handoffs_later"));
	printf("%s of bodies delivered, %s came through the front: %.4f bytes for each\n",
	       text_bytes(bytes, delivered), text_bytes(counted(demo, "bytes_in"), front),
	       bytes > 0 ? counted(demo, "bytes_in") / bytes : 0);
}

static void tell_json(struct demo *demo)
{
	json_t *all = json_pack("{s:O, s:f, s:f, s:f, s:O}", "load", demo->load, "handoffs_first",
				counted(demo, "handoffs_first"), "handoffs_later",
				counted(demo, "handoffs_later"), "front_bytes_in",
				counted(demo, "bytes_in"), "status", demo->after);

	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *walk)
{
	(void)what, (void)kind, (void)walk;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

static void clean(struct demo *demo)
{
	struct buffer said = BUFFER_EMPTY;

	process_run((const char *const[]){demo->program, "lab", "down", "--name", demo->lab, NULL},
		    NULL, &said);
	buffer_release(&said);
	nftw(demo->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	json_decref(demo->load);
	json_decref(demo->before);
	json_decref(demo->after);
}

static int run(const struct command *self, int argc, char **argv)
{
	static struct demo demo = {.values = {4, 10, "hrw", NULL, "nginx", false}};
	const char *place = getenv("TMPDIR");
	int error;

	command_parse(self, argc, argv, &demo.values);
	error = find_trace(&demo);
	if (error)
		return failed_errno(
			error, "lab demo: can't find the trace%s%s", demo.values.trace ? " " : "",
			demo.values.trace ? demo.values.trace : "; name one by --trace");
	if (geteuid())
		return failed("lab demo makes network namespaces; run it as root");
	snprintf(demo.lab, sizeof(demo.lab), "demo%d", getpid());
	snprintf(demo.folder, sizeof(demo.folder), "%.480s/baton-demo-XXXXXX",
		 place && *place ? place : "/tmp");
	/* Servers that give up root read it too. */
	if (!mkdtemp(demo.folder) || chmod(demo.folder, 0755))
		return failed_errno(errno, "lab demo: can't make %s", demo.folder);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	error = play(&demo);
	if (!error && demo.values.json)
		tell_json(&demo);
	else if (!error)
		tell(&demo);
	if (!error && json_number_value(json_object_get(demo.load, "errors")) > 0)
		error = -1;
	clean(&demo);
	if (interrupted)
		return failed("lab demo: interrupted; everything is taken away");
	return error ? EXIT_FAILED : EXIT_DONE;
}

static const struct option_spec options[] = {
	{"nodes", 'n', OPTION_COUNT, "N", "how many nodes [4]", offsetof(struct values, nodes),
	 .least = 1, .most = LAB_NODES_MAX},
	{"connections", 'c', OPTION_COUNT, "N", "connections at once [10]",
	 offsetof(struct values, connections), .least = 1, .most = 10000},
	{"policy", 'p', OPTION_TEXT, "POLICY", "how requests are placed [hrw]",
	 offsetof(struct values, policy)},
	{"server", 0, OPTION_TEXT, "NAME,...", "what runs on the nodes [nginx]",
	 offsetof(struct values, server)},
	{"trace", 0, OPTION_TEXT, "FILE", "a server's log to replay [the one that comes along]",
	 offsetof(struct values, trace)},
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

const struct command command_lab_demo = {
	.name = "demo",
	.summary = "Show the cluster at work: stock servers, a real trace, every byte checked",
	.options = options,
	.run = run,
};

#include "experiment/cell.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "control/meter.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 48 };

#define VIP   "10.77.0.100"
#define PROXY "10.77.0.201"

struct cell {
	const struct cell_settings *settings;
	const struct experiment_case *which;
	const char *workload;
	unsigned int nodes;
	char program[PATH_MAX], lab[32];
};

/* Runs a subcommand; with `output`, what it prints is taken as JSON. Returns 0, or -1 with a line
 * on stderr. */
static int baton(const struct cell *cell, const char *const words[], json_t **output)
{
	const char *argv[WORDS] = {cell->program};
	struct buffer said = BUFFER_EMPTY;
	int count = 1, code;

	while (*words && count < WORDS - 1)
		argv[count++] = *words++;
	code = process_run(argv, NULL, &said);
	if (!code && output)
		*output = said.length ? json_loadb(said.data, said.length, 0, NULL) : NULL;
	if (code || (output && !*output))
		failed("experiment: %s %s: %.*s", argv[1], argv[2],
		       (int)strcspn(said.length ? said.data : "nothing printed", "\n"),
		       said.length ? said.data : "nothing printed");
	buffer_release(&said);
	return code || (output && !*output) ? -1 : 0;
}

static int up(const struct cell *cell)
{
	const struct cell_settings *settings = cell->settings;
	const struct experiment_case *which = cell->which;
	char nodes[16], root[PATH_MAX], cpu[3][64], rate[3][64];
	const char *const hosts[] = {"node", "front", "proxy"};
	/* Relays are beneath a layer-4 front that takes nodes in turn; before a proxy's nodes the
	 * policy doesn't matter. */
	bool ours = !strcmp(which->option, "--place");

	snprintf(nodes, sizeof(nodes), "%u", cell->nodes);
	snprintf(root, sizeof(root), "%s/%s", settings->folder, cell->workload);
	for (int i = 0; i < 3; i++) {
		snprintf(cpu[i], sizeof(cpu[i]), "%s=%s", hosts[i],
			 i ? settings->front_cpu : settings->node_cpu);
		snprintf(rate[i], sizeof(rate[i]), "%s=%s", hosts[i], settings->rate);
	}
	return baton(cell,
		     (const char *const[]){"lab",
					   "up",
					   "--name",
					   cell->lab,
					   "-n",
					   nodes,
					   "--server",
					   "squid",
					   "--origin",
					   root,
					   "--cache-memory",
					   settings->memory,
					   "--policy",
					   ours ? which->policy : "rr",
					   which->option,
					   which->value,
					   "--cpu",
					   cpu[0],
					   "--cpu",
					   cpu[1],
					   "--cpu",
					   cpu[2],
					   "--rate",
					   rate[0],
					   "--rate",
					   rate[1],
					   "--rate",
					   rate[2],
					   NULL},
		     NULL);
}

static int load(const struct cell *cell, uint64_t for_s, json_t **result)
{
	const struct cell_settings *settings = cell->settings;
	char list[PATH_MAX], url[64], connections[32], seconds[32];

	snprintf(list, sizeof(list), "%s/%s.tsv", settings->folder, cell->workload);
	snprintf(url, sizeof(url), "http://%s/",
		 strcmp(cell->which->option, "--central") ? VIP : PROXY);
	snprintf(connections, sizeof(connections), "%lu", settings->connections * cell->nodes);
	snprintf(seconds, sizeof(seconds), "%lu", for_s);
	return baton(cell,
		     (const char *const[]){"lab",	  "exec",
					   "--name",	  cell->lab,
					   "client",	  "--",
					   cell->program, "load",
					   "replay",	  list,
					   "--url",	  url,
					   "--rounds",	  "1000000",
					   "-d",	  seconds,
					   "-c",	  connections,
					   "--json",	  settings->keep_alive ? NULL : "--close",
					   NULL},
		     result);
}

static double number(json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* The mean of the nodes' requests over the largest: what part of the nodes' power a placement can
 * use when the busiest is full. */
static double mean_over_largest(json_t *by_node, unsigned int nodes)
{
	double sum = 0, largest = 0;
	const char *name;
	json_t *count;

	json_object_foreach (by_node, name, count) {
		sum += json_number_value(count);
		if (json_number_value(count) > largest)
			largest = json_number_value(count);
	}
	return largest > 0 ? sum / nodes / largest : 0;
}

static json_t *report(const struct cell *cell, json_t *loaded, json_t *before, json_t *after,
		      const struct reading *from, const struct reading *to)
{
	json_t *latency = json_object_get(loaded, "latency_us");
	double requests = number(loaded, "requests"), seconds = number(loaded, "seconds");
	double cpu = (double)(int64_t)(to->cpu_ns - from->cpu_ns);
	double asked = number(after, "requests") - number(before, "requests");
	json_t *first = json_object_get(before, "origin"), *last = json_object_get(after, "origin");

	return json_pack(
		"{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
		"s:f, s:f}",
		"structure", cell->which->structure, "policy", cell->which->policy, "workload",
		cell->workload, "nodes", (int)cell->nodes, "requests", requests, "errors",
		number(loaded, "errors"), "requests_per_second",
		number(loaded, "requests_per_second"), "mbit_per_second",
		seconds > 0 ? number(loaded, "bytes") * 8 / 1e6 / seconds : 0.0, "p50_us",
		number(latency, "p50"), "p99_us", number(latency, "p99"), "hit_ratio",
		asked > 0 ? (number(after, "hits") - number(before, "hits")) / asked : 0.0,
		"origin_bytes", number(last, "bytes") - number(first, "bytes"), "stored_bytes",
		number(after, "bytes"), "unique_bytes", number(after, "unique_bytes"), "copies",
		number(after, "copies"), "front_cpu", seconds > 0 ? cpu / 1e9 / seconds : 0.0,
		"front_us", requests > 0 ? cpu / 1e3 / requests : 0.0, "load",
		mean_over_largest(json_object_get(loaded, "by_node"), cell->nodes));
}

json_t *cell_run(const struct cell_settings *settings, const struct experiment_case *which,
		 unsigned int nodes, const char *workload)
{
	struct cell cell = {settings, which, workload, nodes, "", ""};
	json_t *before = NULL, *after = NULL, *loaded = NULL, *result = NULL;
	const char *const storage[] = {"lab", "storage", "--name", cell.lab, "--json", NULL};
	const char *const down[] = {"lab", "down", "--name", cell.lab, NULL};
	char front[80];
	const char *const fronts[] = {front};
	struct reading from, to;
	struct meter *meter = NULL;
	int error = process_self(cell.program);

	if (error) {
		failed_errno(error, "/proc/self/exe");
		return NULL;
	}
	snprintf(cell.lab, sizeof(cell.lab), "exp%d", getpid());
	snprintf(front, sizeof(front), "baton-%s-%s", cell.lab,
		 strcmp(which->option, "--central") ? "front" : "proxy");
	if (up(&cell))
		return NULL;
	if (settings->warm_s && load(&cell, settings->warm_s, &loaded))
		goto take_down;
	json_decref(loaded);
	loaded = NULL;
	error = meter_open(fronts, 1, &meter);
	if (error) {
		failed_errno(error, "experiment: can't measure CPU time by softirq.bpf.c");
		goto take_down;
	}
	if (baton(&cell, storage, &before) || meter_read(meter, &from) ||
	    load(&cell, settings->seconds, &loaded) || meter_read(meter, &to) ||
	    baton(&cell, storage, &after))
		goto take_down;
	result = report(&cell, loaded, before, after, &from, &to);
take_down:
	if (meter)
		meter_close(meter);
	json_decref(before);
	json_decref(after);
	json_decref(loaded);
	baton(&cell, down, NULL);
	return result;
}

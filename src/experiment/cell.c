#include "experiment/cell.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "control/meter.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is measured is looked at in so many slices. */
enum { WORDS = 48, SLICES = 12, MEASURED_MOST = 60 };

#define VIP   "10.77.0.100"
#define PROXY "10.77.0.201"

struct cell {
	const struct cell_settings *settings;
	const struct experiment_case *which;
	const char *workload;
	unsigned int nodes;
	char program[PATH_MAX], lab[32];
	char said[PATH_MAX]; /* the file of what the load says */
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

/* Begins to load the cell: what warms it and what is measured are one run, so that the connections
 * have filled what is between client and server when it is looked at. Returns the pid or -errno. */
static pid_t load_start(const struct cell *cell)
{
	const struct cell_settings *settings = cell->settings;
	char list[PATH_MAX], url[64], connections[32], seconds[32], slice[32], netns[64];

	snprintf(list, sizeof(list), "%s/%s.tsv", settings->folder, cell->workload);
	snprintf(url, sizeof(url), "http://%s/",
		 strcmp(cell->which->option, "--central") ? VIP : PROXY);
	snprintf(connections, sizeof(connections), "%lu", settings->connections * cell->nodes);
	snprintf(seconds, sizeof(seconds), "%lu", settings->warm_s + settings->seconds);
	snprintf(slice, sizeof(slice), "%.6f", (double)settings->seconds / SLICES);
	snprintf(netns, sizeof(netns), "baton-%s-client", cell->lab);
	if (unlink(cell->said) && errno != ENOENT)
		return -errno;
	return process_start(netns,
			     (const char *const[]){cell->program, "load", "replay", list, "--url",
						   url, "--rounds", "1000000", "-d", seconds, "-c",
						   connections, "--interval", slice, "--json",
						   settings->keep_alive ? NULL : "--close", NULL},
			     cell->said);
}

/* Waits for its end, and takes what it said as JSON. Returns 0, or -1 with a line on stderr, or
 * without one after an interrupt, which ends it. */
static int load_end(const struct cell *cell, pid_t pid, json_t **result)
{
	struct buffer said = BUFFER_EMPTY;
	int status = 0;

	if (*cell->settings->stop || waitpid(pid, &status, 0) < 0) {
		kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
		unlink(cell->said);
		return -1;
	}
	if (!buffer_read_file(&said, cell->said, 64 << 20))
		*result = json_loadb(said.data, said.length, 0, NULL);
	if (!*result)
		failed("experiment: load replay: %.*s",
		       (int)strcspn(said.length ? said.data : "nothing printed", "\n"),
		       said.length ? said.data : "nothing printed");
	buffer_release(&said);
	unlink(cell->said);
	return *result ? 0 : -1;
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

struct rates {
	double requests, mbit, spread; /* a second; the last: twice the standard error */
};

/* Of what came back after the warming. */
static struct rates rates_of(json_t *loaded, const struct cell_settings *settings)
{
	double least = 0.5 * (double)settings->seconds / SLICES;
	double seconds = 0, requests = 0, bytes = 0, squares = 0, each, mean;
	struct rates rates = {0};
	unsigned int count = 0;
	json_t *slice;
	size_t i;

	json_array_foreach (json_object_get(loaded, "series"), i, slice) {
		/* What is left at the end is no slice. */
		if (number(slice, "at") < (double)settings->warm_s + least ||
		    number(slice, "seconds") < least)
			continue;
		each = number(slice, "requests") / number(slice, "seconds");
		seconds += number(slice, "seconds");
		requests += number(slice, "requests");
		bytes += number(slice, "bytes");
		squares += each * each;
		count++;
	}
	if (!count)
		return rates;
	mean = requests / seconds;
	rates.requests = mean;
	rates.mbit = bytes * 8 / 1e6 / seconds;
	if (count > 1)
		rates.spread = 2 * sqrt(fmax(squares / count - mean * mean, 0) / (count - 1));
	return rates;
}

/* What hosts took while they were measured: the first is the one that all requests pass. */
struct taken {
	struct reading from[1 + MEASURED_MOST], to[1 + MEASURED_MOST];
	uint64_t began, ended; /* clock_now() */
};

/* The mean of what the nodes' processes took, of one CPU. */
static double node_cpu(const struct taken *taken, unsigned int nodes, double seconds)
{
	double sum = 0;

	for (unsigned int i = 1; i <= nodes; i++) {
		const struct reading *from = &taken->from[i], *to = &taken->to[i];

		sum += (double)(int64_t)(to->cpu_ns - from->cpu_ns) -
		       (double)(int64_t)(to->softirq_ns - from->softirq_ns);
	}
	return seconds > 0 ? sum / nodes / 1e9 / seconds : 0;
}

static json_t *report(const struct cell *cell, json_t *loaded, json_t *before, json_t *after,
		      const struct taken *taken)
{
	struct rates rates = rates_of(loaded, cell->settings);
	const struct reading *from = &taken->from[0], *to = &taken->to[0];
	json_t *latency = json_object_get(loaded, "latency_us");
	double seconds = (double)(taken->ended - taken->began) / 1e9;
	double requests = rates.requests * seconds;
	double cpu = (double)(int64_t)(to->cpu_ns - from->cpu_ns);
	double asked = number(after, "requests") - number(before, "requests");
	json_t *first = json_object_get(before, "origin"), *last = json_object_get(after, "origin");

	return json_pack(
		"{s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
		"s:f, s:f, s:f, s:f, s:f}",
		"structure", cell->which->structure, "policy", cell->which->policy, "workload",
		cell->workload, "nodes", (int)cell->nodes, "requests", requests, "errors",
		number(loaded, "errors"), "requests_per_second", rates.requests, "spread",
		rates.spread, "mbit_per_second", rates.mbit, "p50_us", number(latency, "p50"),
		"p99_us", number(latency, "p99"), "hit_ratio",
		asked > 0 ? (number(after, "hits") - number(before, "hits")) / asked : 0.0,
		"origin_bytes", number(last, "bytes") - number(first, "bytes"), "stored_bytes",
		number(after, "bytes"), "unique_bytes", number(after, "unique_bytes"), "copies",
		number(after, "copies"), "front_cpu", seconds > 0 ? cpu / 1e9 / seconds : 0.0,
		"front_us", requests > 0 ? cpu / 1e3 / requests : 0.0, "load",
		mean_over_largest(json_object_get(loaded, "by_node"), cell->nodes), "front_mbit",
		seconds > 0 ? (double)(int64_t)(to->bytes_out - from->bytes_out) * 8 / 1e6 / seconds
			    : 0.0,
		"node_cpu",
		node_cpu(taken, cell->nodes < MEASURED_MOST ? cell->nodes : MEASURED_MOST,
			 seconds));
}

json_t *cell_run(const struct cell_settings *settings, const struct experiment_case *which,
		 unsigned int nodes, const char *workload)
{
	struct cell cell = {settings, which, workload, nodes, "", "", ""};
	json_t *before = NULL, *after = NULL, *loaded = NULL, *result = NULL;
	const char *const storage[] = {"lab", "storage", "--name", cell.lab, "--json", NULL};
	const char *const down[] = {"lab", "down", "--name", cell.lab, NULL};
	unsigned int measured = nodes < MEASURED_MOST ? nodes : MEASURED_MOST;
	char hosts[1 + MEASURED_MOST][80];
	const char *names[1 + MEASURED_MOST];
	struct taken taken;
	struct meter *meter = NULL;
	int error = process_self(cell.program);
	pid_t pid;

	if (error) {
		failed_errno(error, "/proc/self/exe");
		return NULL;
	}
	snprintf(cell.lab, sizeof(cell.lab), "exp%d", getpid());
	snprintf(cell.said, sizeof(cell.said), "%.4000s/load.json", settings->folder);
	snprintf(hosts[0], sizeof(hosts[0]), "baton-%s-%s", cell.lab,
		 strcmp(which->option, "--central") ? "front" : "proxy");
	for (unsigned int i = 0; i <= measured; i++) {
		if (i)
			snprintf(hosts[i], sizeof(hosts[i]), "baton-%s-node%u", cell.lab, i);
		names[i] = hosts[i];
	}
	if (up(&cell))
		return NULL;
	error = meter_open(names, 1 + measured, &meter);
	if (error) {
		failed_errno(error, "experiment: can't measure CPU time by softirq.bpf.c");
		goto take_down;
	}
	pid = load_start(&cell);
	if (pid < 0) {
		failed_errno(pid, "experiment: can't begin to load");
		goto take_down;
	}
	if (!*settings->stop)
		sleep((unsigned int)settings->warm_s);
	/* Full nodes take their time to say what they have stored. */
	error = *settings->stop || meter_read(meter, taken.from);
	taken.began = clock_now();
	error |= baton(&cell, storage, &before);
	error |= load_end(&cell, pid, &loaded) || meter_read(meter, taken.to);
	taken.ended = clock_now();
	if (error || baton(&cell, storage, &after))
		goto take_down;
	result = report(&cell, loaded, before, after, &taken);
take_down:
	if (meter)
		meter_close(meter);
	json_decref(before);
	json_decref(after);
	json_decref(loaded);
	baton(&cell, down, NULL);
	return result;
}

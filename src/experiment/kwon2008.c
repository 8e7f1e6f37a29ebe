/* Kwon, Kwak, Chung: "A distributed layer-7 server load balancing" (in Korean, 2008), tables 4 to
 * 9: a cluster of proxy caches behind one layer-7 balancer, or behind a layer-4 balancer with the
 * layer-7 one on every node; here also with connections handed over.
 *
 * There it was 16 nodes of 400 MHz, a front of 2.4 GHz and 100 Mbit/s; here all hosts share this
 * machine, so each is held to a share of a CPU and its cable to a rate, in the paper's proportions:
 * a cable carries a quarter more than one node can serve, a front has six times a node's CPU. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "experiment/cell.h"
#include "experiment/experiment.h"
#include "experiment/tables.h"
#include "experiment/workload.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct values {
	const char *output, *nodes, *structures, *policies, *workloads;
	const char *node_cpu, *front_cpu, *rate, *memory;
	uint64_t seconds, warm, connections;
	bool quick, keep_alive, json;
};

static const struct option_spec options[] = {
	{"output", 'o', OPTION_TEXT, "DIR",
	 "where results are kept; what is there isn't measured again [kwon2008]",
	 offsetof(struct values, output)},
	{"nodes", 'n', OPTION_TEXT, "LIST", "numbers of nodes, up to 64 [1,2,4,8,16]",
	 offsetof(struct values, nodes)},
	{"structures", 0, OPTION_TEXT, "LIST", "of " EXPERIMENT_STRUCTURES " [all]",
	 offsetof(struct values, structures)},
	{"policies", 0, OPTION_TEXT, "LIST", "such as rr,md5,hash,ring [all of a structure]",
	 offsetof(struct values, policies)},
	{"workloads", 0, OPTION_TEXT, "LIST", "of " EXPERIMENT_WORKLOADS " [all]",
	 offsetof(struct values, workloads)},
	{"seconds", 'd', OPTION_COUNT, "S", "how long a cell is measured [10]",
	 offsetof(struct values, seconds), .least = 1, .most = 3600},
	{"warm", 0, OPTION_COUNT, "S", "how long it is loaded before [5]",
	 offsetof(struct values, warm), .least = 0, .most = 3600},
	{"connections", 'c', OPTION_COUNT, "N", "at once, for each node [63]",
	 offsetof(struct values, connections), .least = 1, .most = 1000},
	{"node-cpu", 0, OPTION_TEXT, "SHARE", "of one CPU for a node [5%]",
	 offsetof(struct values, node_cpu)},
	{"front-cpu", 0, OPTION_TEXT, "SHARE", "of one CPU for a front's processes [30%]",
	 offsetof(struct values, front_cpu)},
	{"rate", 0, OPTION_TEXT, "BITS", "a second of the cables of nodes and fronts [27m]",
	 offsetof(struct values, rate)},
	{"cache-memory", 0, OPTION_TEXT, "BYTES", "of a cache [64Mi]",
	 offsetof(struct values, memory)},
	{"keep-alive", 0, OPTION_FLAG, NULL, "many requests a connection, not one",
	 offsetof(struct values, keep_alive)},
	{"quick", 0, OPTION_FLAG, NULL, "two nodes, four cases, a second each: to see that it runs",
	 offsetof(struct values, quick)},
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

/* Whether a comma-separated list names the word; an empty one names all. */
static bool listed(const char *list, const char *word)
{
	size_t length = strlen(word);

	if (!list || !*list)
		return true;
	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == length && !strncmp(at, word, length))
			return true;
	return false;
}

/* Whether every word of `list` is known to `known`. */
static bool all_known(const char *list, const char *known, const char *option)
{
	char word[64];

	for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',') {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, ","), at);
		if (!listed(known, word)) {
			misused("--%s: '%s' is none of %s", option, word, known);
			return false;
		}
	}
	return true;
}

static bool nodes_good(const char *list)
{
	for (const char *at = list; *at;) {
		char *end;
		unsigned long count = strtoul(at, &end, 10);

		if (end == at || count < 1 || count > 64 || (*end && *end != ',')) {
			misused("--nodes %s is not a list of numbers from 1 to 64", list);
			return false;
		}
		at = end + (*end == ',');
	}
	return *list;
}

/* An interrupt ends the cell in hand, whose lab is taken away as ever. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* A line of JSON a cell, appended as it is measured, so that nothing is lost. */
static int keep(const char *path, json_t *cell)
{
	char *line = json_dumps(cell, JSON_COMPACT);
	FILE *file = fopen(path, "ae");
	int error = 0;

	if (!file || !line || fprintf(file, "%s\n", line) < 0)
		error = -EIO;
	if (file && fclose(file))
		error = -errno;
	free(line);
	return error;
}

/* The cells of earlier runs. */
static json_t *kept(const char *path)
{
	json_t *cells = json_array(), *cell;
	struct buffer text = BUFFER_EMPTY;
	char *line, *rest;

	if (!buffer_read_file(&text, path, 64 << 20))
		for (rest = text.data; (line = strsep(&rest, "\n"));) {
			cell = *line ? json_loads(line, 0, NULL) : NULL;
			if (cell && json_is_string(json_object_get(cell, "structure")) &&
			    json_is_string(json_object_get(cell, "policy")) &&
			    json_is_string(json_object_get(cell, "workload")))
				json_array_append(cells, cell);
			json_decref(
				cell); /* half a line of a run that was ended is measured again */
		}
	buffer_release(&text);
	return cells;
}

/* Cells that were measured otherwise are no company for those to come. */
static int same_settings(json_t *cells, const char *said, const char *path)
{
	json_t *cell;
	size_t i;

	json_array_foreach (cells, i, cell) {
		const char *other = json_string_value(json_object_get(cell, "settings"));

		if (!other || strcmp(other, said))
			return failed("experiment: %s has cells measured with other settings "
				      "(%s); name another folder by -o",
				      path, other ? other : "not known");
	}
	return 0;
}

struct grid {
	const struct values *values;
	const struct cell_settings *settings;
	json_t *cells;
	const char *list; /* the file of cells */
	const char *said; /* how they are measured */
	unsigned int done, all;
	uint64_t began;
};

/* Calls for every cell of the grid; `measure` false: only counts. */
static int walk(struct grid *grid, bool measure)
{
	const struct values *values = grid->values;
	char workload[32];

	for (const char *w = values->workloads; *w; w += strcspn(w, ","), w += *w == ',')
		for (const char *n = values->nodes; *n; n += strcspn(n, ","), n += *n == ',')
			for (const struct experiment_case *which = experiment_cases;
			     which->structure; which++) {
				unsigned int nodes = (unsigned int)strtoul(n, NULL, 10);
				json_t *cell;

				snprintf(workload, sizeof(workload), "%.*s", (int)strcspn(w, ","),
					 w);
				if (!listed(values->structures, which->structure) ||
				    !listed(values->policies, which->policy) ||
				    tables_find(grid->cells, which->structure, which->policy,
						workload, nodes))
					continue;
				if (!measure) {
					grid->all++;
					continue;
				}
				if (isatty(2))
					fprintf(stderr,
						"\r%u of %u, %lu s: %s %s, %u nodes, %s    ",
						grid->done + 1, grid->all,
						(unsigned long)((clock_now() - grid->began) /
								NS_PER_S),
						which->structure, which->policy, nodes, workload);
				cell = cell_run(grid->settings, which, nodes, workload);
				if (cell)
					json_object_set_new(cell, "settings",
							    json_string(grid->said));
				if (!cell || interrupted || keep(grid->list, cell)) {
					json_decref(cell);
					return failed("experiment: begin it again and it goes on "
						      "where it was (%u of %u cells done)",
						      grid->done, grid->all);
				}
				json_array_append_new(grid->cells, cell);
				grid->done++;
			}
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {"kwon2008",
				"1,2,4,8,16",
				EXPERIMENT_STRUCTURES,
				NULL,
				EXPERIMENT_WORKLOADS,
				"5%",
				"30%",
				"27m",
				"64Mi",
				10,
				5,
				63,
				false,
				false,
				false};
	char list[PATH_MAX], page[PATH_MAX], workload[32], folder[PATH_MAX], said[512];
	struct cell_settings settings;
	struct grid grid = {&values, &settings, NULL, list, said, 0, 0, clock_now()};
	struct sigaction action = {.sa_handler = on_signal};
	int error = 0, unwritten;

	command_parse(self, argc, argv, &values);
	if (values.quick) {
		values.nodes = "2";
		values.structures = "haproxy,relay,inline,spread";
		values.policies = "ring,mit-ch";
		values.workloads = "surge";
		values.seconds = values.warm = 1;
		values.node_cpu = values.front_cpu = "100%";
		values.connections = 8;
	}
	if (!all_known(values.structures, EXPERIMENT_STRUCTURES, "structures") ||
	    !all_known(values.workloads, EXPERIMENT_WORKLOADS, "workloads") ||
	    !nodes_good(values.nodes))
		return EXIT_USAGE;
	if (mkdir(values.output, 0755) && errno != EEXIST)
		return failed_errno(errno, "experiment: can't make %s", values.output);
	if (!realpath(values.output, folder))
		return failed_errno(errno, "experiment: %s", values.output);
	snprintf(list, sizeof(list), "%.4000s/cells.jsonl", folder);
	snprintf(page, sizeof(page), "%.4000s/kwon2008.html", folder);
	for (const char *w = values.workloads; *w && !error; w += strcspn(w, ","), w += *w == ',') {
		snprintf(workload, sizeof(workload), "%.*s", (int)strcspn(w, ","), w);
		error = workload_make(folder, workload);
	}
	if (error)
		return error;
	settings = (struct cell_settings){
		folder,	     values.node_cpu, values.front_cpu,	  values.rate,	     values.memory,
		values.warm, values.seconds,  values.connections, values.keep_alive, &interrupted};
	snprintf(
		said, sizeof(said),
		"Squid on every node, %s of memory; a node's processes have %s of one CPU, a "
		"front's %s, the cables of both carry %s bit/s; %lu connections for each node, %s; "
		"%lu s measured after %lu s.",
		values.memory, values.node_cpu, values.front_cpu, values.rate, values.connections,
		values.keep_alive ? "kept" : "one request each", values.seconds, values.warm);
	grid.cells = kept(list);
	error = same_settings(grid.cells, said, list);
	if (error) {
		json_decref(grid.cells);
		return error;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	walk(&grid, false);
	error = walk(&grid, true);
	if (isatty(2))
		fprintf(stderr, "\r%70s\r", "");
	/* Of what there is, if it was cut short. */
	unwritten = tables_write(grid.cells, values.nodes, said, page);
	if (unwritten)
		error = failed_errno(unwritten, "experiment: can't write %s", page);
	if (!error && values.json) {
		json_t *all = json_pack("{s:s, s:O}", "settings", said, "cells", grid.cells);

		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(all);
	} else if (!error) {
		printf("%s\n", said);
		tables_print(grid.cells, values.nodes);
		printf("\n%s\n", page);
	}
	json_decref(grid.cells);
	return error;
}

const struct command experiment_kwon2008 = {
	.name = "kwon2008",
	.summary = "A cluster of proxy caches: one proxy before all, relays on nodes, handoff",
	.description = "Makes a lab for each cell and takes it away again. Interrupted, it goes on "
		       "where it was. The whole grid is 420 cells of about 35 s: four hours.",
	.options = options,
	.run = run,
};

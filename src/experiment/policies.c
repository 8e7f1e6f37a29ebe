/* Policies beside each other where misses are costly: stock caches, each smaller than the content,
 * in front of an origin that is some way off (the setting of Pai et al., ASPLOS 1998, section 4).
 * One lab; within each round every policy has its turn, so that drift hits all alike, and is first
 * given requests that don't count, until the caches hold what it puts there.
 */
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/random.h"
#include "base/sample.h"
#include "base/table.h"
#include "experiment/experiment.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLICIES_MAX = 24, ROUNDS_MAX = 50, NODES_MOST = 16, FOLDER_ROOM = 64, LINES = 50000 };

struct values {
	const char *policies, *server;
	uint64_t nodes, rounds, requests, objects, size, connections, delay;
	double share, alpha, dynamic;
	bool json;
};

/* What one policy did, a value a round. */
struct row {
	char name[32];
	double rate[ROUNDS_MAX], hits[ROUNDS_MAX], balance[ROUNDS_MAX], p50[ROUNDS_MAX],
		p99[ROUNDS_MAX];
	double errors;
};

struct trial {
	const struct values *values;
	char lab[24], program[PATH_MAX], folder[FOLDER_ROOM];
	bool up;
	struct row rows[POLICIES_MAX];
	unsigned int count;
	long seen; /* how far the origin's log has been read */
};

static const struct option_spec options[] = {
	{"policies", 'p', OPTION_TEXT, "LIST",
	 "which; the first is what the others are compared with "
	 "[wrr,hrw,bounded-ch,lard,lard-r,ds]",
	 offsetof(struct values, policies)},
	{"server", 0, OPTION_TEXT, "NAME",
	 "the caches; nginx looks after its bound every few seconds only [varnish]",
	 offsetof(struct values, server), .choices = "varnish|squid|nginx-cache"},
	{"nodes", 'n', OPTION_COUNT, "N", "caches [4]", offsetof(struct values, nodes), .least = 1,
	 .most = NODES_MOST},
	{"rounds", 'r', OPTION_COUNT, "N", "how often each is measured [5]",
	 offsetof(struct values, rounds), .least = 1, .most = ROUNDS_MAX},
	{"requests", 0, OPTION_COUNT, "N", "of each measurement, and as many before it [5000]",
	 offsetof(struct values, requests), .least = 10, .most = 10e6},
	{"objects", 'o', OPTION_COUNT, "N", "that there are [600]",
	 offsetof(struct values, objects), .least = 1, .most = 100000},
	{"size", 's', OPTION_COUNT, "BYTES", "of each [16Ki]", offsetof(struct values, size),
	 .least = 1, .most = 1 << 24},
	{"alpha", 'a', OPTION_NUMBER, "A", "popularity falls as 1 / rank^A [0.8]",
	 offsetof(struct values, alpha), .least = 0, .most = 4},
	{"share", 0, OPTION_NUMBER, "PERCENT", "of all objects that a cache has room for [30]",
	 offsetof(struct values, share), .least = 1, .most = 1000},
	{"dynamic", 0, OPTION_NUMBER, "PERCENT",
	 "of all requests are for pages that take time; the nodes are web servers then, which have "
	 "the rest as files [0]",
	 offsetof(struct values, dynamic), .least = 0, .most = 100},
	{"origin-delay", 0, OPTION_DURATION, "TIME", "to the origin, each way [50ms]",
	 offsetof(struct values, delay), .least = 0, .most = 10},
	{"connections", 'c', OPTION_COUNT, "N", "of the client at once [32]",
	 offsetof(struct values, connections), .least = 1, .most = 1000},
	{"json", 'j', OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

/* Runs this program; what it says goes to `said` (NULL: shown if it fails). */
static int baton(struct trial *trial, const char *const *words, struct buffer *said)
{
	const char *argv[40] = {trial->program};
	struct buffer own = BUFFER_EMPTY;
	int code;

	for (int i = 0; i < 38 && words[i]; i++)
		argv[1 + i] = words[i];
	code = process_run(argv, NULL, said ? said : &own);
	if (code < 0)
		code = failed_errno(code, "experiment: can't run %s", trial->program);
	else if (code && !said)
		fprintf(stderr, "%s", own.length ? own.data : "");
	buffer_release(&own);
	return code;
}

#define BATON(trial, said, ...) baton(trial, (const char *const[]){__VA_ARGS__, NULL}, said)

/* The objects, and a list of which is asked for how often. */
static int content_write(struct trial *trial)
{
	const struct values *values = trial->values;
	char *bytes = malloc(values->size), path[FOLDER_ROOM + 32];
	double *shares = calloc(values->objects + 1, sizeof(*shares)), sum = 0;
	struct buffer paths = BUFFER_EMPTY;
	struct random_state random;
	int error = 0;

	if (!bytes || !shares)
		out_of_memory();
	random_seed(&random, 1);
	snprintf(path, sizeof(path), "%s/root", trial->folder);
	if (mkdir(path, 0755))
		error = -errno;
	snprintf(path, sizeof(path), "%s/root/o", trial->folder);
	if (!error && mkdir(path, 0755))
		error = -errno;
	for (uint64_t i = 0; i < values->objects && !error; i++) {
		for (uint64_t at = 0; at < values->size; at++)
			bytes[at] = (char)random_below(&random, 256);
		snprintf(path, sizeof(path), "%s/root/o/%lu", trial->folder, i);
		error = file_write_whole(path, bytes, values->size, 0644);
		sum += pow(1.0 / (double)(i + 1), values->alpha);
		shares[i + 1] = sum;
	}
	for (unsigned int i = 0; i < LINES && !error; i++) {
		double wanted = random_unit(&random) * sum;
		uint64_t low = 0, high = values->objects;

		while (high - low > 1) {
			uint64_t middle = (low + high) / 2;

			*(shares[middle] < wanted ? &low : &high) = middle;
		}
		buffer_format(&paths, "/%s/%lu\n",
			      random_unit(&random) * 100 < values->dynamic ? "dynamic" : "o", low);
	}
	snprintf(path, sizeof(path), "%s/paths", trial->folder);
	if (!error)
		error = file_write_whole(path, paths.data, paths.length, 0644);
	buffer_release(&paths);
	free(shares);
	free(bytes);
	return error ? failed_errno(error, "experiment: can't write %s", trial->folder) : 0;
}

static int lab_make(struct trial *trial)
{
	const struct values *values = trial->values;
	char nodes[24], delay[32], memory[32], root[FOLDER_ROOM + 16];
	double cache = values->share / 100 * (double)values->objects * (double)values->size;
	int error;

	snprintf(nodes, sizeof(nodes), "%lu", values->nodes);
	snprintf(delay, sizeof(delay), "%luns", values->delay);
	/* The lab's least is 1 MiB. */
	snprintf(memory, sizeof(memory), "%.0f", cache < 1 << 20 ? 1 << 20 : cache);
	snprintf(root, sizeof(root), "%s/root", trial->folder);
	if (values->dynamic > 0)
		error = BATON(trial, NULL, "lab", "up", "--name", trial->lab, "-n", nodes, "--root",
			      root, "--dynamic");
	else
		error = BATON(trial, NULL, "lab", "up", "--name", trial->lab, "-n", nodes,
			      "--server", values->server, "--root", root, "--origin-delay", delay,
			      "--cache-memory", memory);
	trial->up = !error;
	return error;
}

/* How many objects the origin was asked for since its log was read last. */
static double origin_read(struct trial *trial)
{
	char path[96], line[512];
	double requests = 0;
	FILE *log;

	snprintf(path, sizeof(path), "/run/baton/%s/log/origin.access", trial->lab);
	log = fopen(path, "r");
	if (!log)
		return 0;
	fseek(log, trial->seen, SEEK_SET);
	while (fgets(line, sizeof(line), log)) {
		size_t length = strlen(line);

		/* The rest of a line that is being written counts next time. */
		if (!length || line[length - 1] != '\n')
			break;
		trial->seen += (long)length;
		requests += strstr(line, "GET /o/") != NULL;
	}
	fclose(log);
	return requests;
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* One load. Returns what it says (JSON, a new reference), or NULL with a line on stderr. */
static json_t *load(struct trial *trial)
{
	const struct values *values = trial->values;
	char requests[24], connections[24], paths[FOLDER_ROOM + 16];
	struct buffer said = BUFFER_EMPTY;
	json_t *result;
	int code;

	snprintf(requests, sizeof(requests), "%lu", values->requests);
	snprintf(connections, sizeof(connections), "%lu", values->connections);
	snprintf(paths, sizeof(paths), "%s/paths", trial->folder);
	code = BATON(trial, &said, "lab", "exec", "--name", trial->lab, "client", "--",
		     trial->program, "load", "closed", "http://10.77.0.100/", "--paths", paths,
		     "-n", requests, "-c", connections, "--per-connection", "20", "--json");
	result = said.length ? json_loadb(said.data, said.length, 0, NULL) : NULL;
	if (!result)
		failed("experiment: the load said (exit %d): %.*s", code,
		       (int)(said.length < 300 ? said.length : 300), said.length ? said.data : "");
	buffer_release(&said);
	return result;
}

static int measure(struct trial *trial, struct row *row, unsigned int round)
{
	double most = 0, sum = 0, nodes = (double)trial->values->nodes;
	const json_t *count, *latency;
	const char *name;
	json_t *result;
	int error;

	error = BATON(trial, NULL, "service", "set", "--name", trial->lab, "web", "--policy",
		      row->name);
	if (error)
		return error;
	result = load(trial);
	if (!result)
		return EXIT_FAILED;
	json_decref(result);
	origin_read(trial);
	result = load(trial);
	if (!result)
		return EXIT_FAILED;
	row->hits[round] = 1 - origin_read(trial) / fmax(1, number(result, "requests"));
	latency = json_object_get(result, "latency_us");
	row->rate[round] = number(result, "requests_per_second");
	row->p50[round] = number(latency, "p50");
	row->p99[round] = number(latency, "p99");
	row->errors += number(result, "errors");
	json_object_foreach (json_object_get(result, "by_node"), name, count) {
		sum += json_number_value(count);
		most = fmax(most, json_number_value(count));
	}
	row->balance[round] = sum > 0 ? most * nodes / sum : 0;
	json_decref(result);
	return row->rate[round] > 0 ? 0 : failed("experiment: %s answered nothing", row->name);
}

static struct interval against_first(const struct trial *trial, const struct row *row)
{
	double ratios[ROUNDS_MAX];

	for (unsigned int i = 0; i < trial->values->rounds; i++)
		ratios[i] = row->rate[i] / trial->rows[0].rate[i];
	return sample_ratio(ratios, trial->values->rounds);
}

static json_t *json_values(const double *values, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_real(values[i]));
	return list;
}

/* Nodes that have all files themselves answer nothing from a cache. */
static void hit_text(const struct values *values, struct row *row, char text[16])
{
	if (values->dynamic > 0)
		strcpy(text, "-");
	else
		snprintf(text, 16, "%.1f", 100 * sample_median(row->hits, values->rounds));
}

/* The least and the most of the rounds. */
static void spread_text(const double *values, size_t rounds, char text[32])
{
	double least = values[0], most = values[0];

	for (size_t i = 1; i < rounds; i++) {
		least = fmin(least, values[i]);
		most = fmax(most, values[i]);
	}
	snprintf(text, 32, "%.0f-%.0f", least, most);
}

static void report(struct trial *trial)
{
	const struct values *values = trial->values;
	size_t rounds = values->rounds;
	char head[160], hits[16], spread[32];
	struct table *table;
	json_t *list = json_array(), *whole;

	snprintf(head, sizeof(head),
		 "POLICY|>REQ/S|>LEAST-MOST|>x %s|>95 %%|>HITS %%|>MOST/MEAN|>P50 ms|>P99 ms",
		 trial->rows[0].name);
	table = table_new(head);
	for (unsigned int i = 0; i < trial->count; i++) {
		struct row *row = &trial->rows[i];
		struct interval ratio = against_first(trial, row);

		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:f, s:[f, f, f]}", "policy",
				  row->name, "requests_per_second", json_values(row->rate, rounds),
				  "hit_ratio", json_values(row->hits, rounds), "most_over_mean",
				  json_values(row->balance, rounds), "p50_us",
				  json_values(row->p50, rounds), "p99_us",
				  json_values(row->p99, rounds), "errors", row->errors, "ratio",
				  ratio.middle, ratio.low, ratio.high));
		hit_text(values, row, hits);
		spread_text(row->rate, rounds, spread);
		table_row(table, "%s|%.0f|%s|%.2f|%.2f-%.2f|%s|%.2f|%.1f|%.1f", row->name,
			  sample_median(row->rate, rounds), spread, ratio.middle, ratio.low,
			  ratio.high, hits, sample_median(row->balance, rounds),
			  sample_median(row->p50, rounds) / 1e3,
			  sample_median(row->p99, rounds) / 1e3);
	}
	if (values->json) {
		whole = json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}", "server",
				  values->dynamic > 0 ? "nginx" : values->server, "dynamic_share",
				  values->dynamic / 100, "nodes", (json_int_t)values->nodes,
				  "objects", (json_int_t)values->objects, "size",
				  (json_int_t)values->size, "connections",
				  (json_int_t)values->connections, "alpha", values->alpha,
				  "cache_share", values->share / 100, "origin_delay_s",
				  (double)values->delay / 1e9, "policies", list);
		json_dumpf(whole, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(whole);
	} else {
		if (values->dynamic > 0)
			printf("%lu nodes of nginx; %.0f %% of the requests for pages of 5 ms in "
			       "the mean, one at "
			       "a time on each node,\nthe rest for %lu files of %lu bytes; Zipf "
			       "%.1f; %lu "
			       "connections; %lu rounds of %lu requests\n",
			       values->nodes, values->dynamic, values->objects, values->size,
			       values->alpha, values->connections, values->rounds,
			       values->requests);
		else
			printf("%lu caches of %s, each with room for %.0f %% of %lu objects of %lu "
			       "bytes; "
			       "Zipf %.1f;\nthe origin %.0f ms away each way; %lu connections; %lu "
			       "rounds "
			       "of "
			       "%lu requests\n",
			       values->nodes, values->server, values->share, values->objects,
			       values->size, values->alpha, (double)values->delay / 1e6,
			       values->connections, values->rounds, values->requests);
		json_decref(list);
	}
	if (values->json)
		table_print(table, stderr);
	else
		table_print(table, stdout);
}

static void clean_up(struct trial *trial)
{
	const char *argv[] = {"rm", "-rf", trial->folder, NULL};

	if (trial->up)
		BATON(trial, NULL, "lab", "down", "--name", trial->lab);
	process_run(argv, NULL, NULL);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct values values = {.policies = "wrr,hrw,bounded-ch,lard,lard-r,ds",
				.server = "varnish",
				.nodes = 4,
				.rounds = 5,
				.requests = 5000,
				.objects = 600,
				.size = 16 << 10,
				.connections = 32,
				.delay = 50000000,
				.share = 30,
				.alpha = 0.8};
	struct trial *trial = calloc(1, sizeof(*trial));
	const char *word;
	int error;

	if (!trial)
		out_of_memory();
	trial->values = &values;
	command_parse(self, argc, argv, &values);
	word = values.policies;
	while (*word && trial->count < POLICIES_MAX) {
		size_t length = strcspn(word, ",");

		snprintf(trial->rows[trial->count++].name, 32, "%.*s", (int)length, word);
		word += length + (word[length] == ',');
	}
	snprintf(trial->lab, sizeof(trial->lab), "exp%d", (int)getpid());
	snprintf(trial->folder, sizeof(trial->folder), "/tmp/baton-experiment-XXXXXX");
	if (process_self(trial->program) || !mkdtemp(trial->folder) || chmod(trial->folder, 0755)) {
		free(trial);
		return failed_errno(errno, "experiment: can't make a folder in /tmp");
	}
	error = content_write(trial);
	if (!error)
		error = lab_make(trial);
	for (unsigned int round = 0; round < values.rounds && !error; round++)
		for (unsigned int i = 0; i < trial->count && !error; i++) {
			/* Each round begins with another policy. */
			struct row *row = &trial->rows[(i + round) % trial->count];

			if (isatty(2))
				fprintf(stderr, "\r%-12s round %u of %lu   ", row->name, round + 1,
					values.rounds);
			error = measure(trial, row, round);
		}
	if (isatty(2))
		fprintf(stderr, "\r%40s\r", "");
	if (!error)
		report(trial);
	clean_up(trial);
	free(trial);
	return error ? EXIT_FAILED : EXIT_DONE;
}

const struct command experiment_policies = {
	.name = "policies",
	.operands = "",
	.summary = "Policies beside each other on caches that are smaller than the content",
	.description =
		"Makes a lab of caches in front of an origin that is some way off, and gives "
		"every policy the same requests in turn: requests a second, the least and the most "
		"of the rounds, beside the first "
		"policy's "
		"with the 95 % interval of the ratio, answers from the cache, the busiest node "
		"over "
		"the mean, and times of answers. Medians of the rounds.",
	.options = options,
	.run = run,
};

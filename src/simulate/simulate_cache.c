/* `baton simulate cache` and `today`: every policy, number of nodes and size of cache, on a trace.
 */
#include "simulate/simulate.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/plot.h"
#include "base/table.h"
#include "simulate/hits.h"
#include "base/parameters.h"
#include "simulate/presets.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_MAX = 64 };

struct options {
	const char *trace, *format, *policies, *nodes, *caches, *figures, *placements, *measured;
	uint64_t size, objects, requests, clients, seed;
	double alpha, mbit;
	uint64_t hit, miss; /* ns */
	bool json, csv;
};

#define AT(member) offsetof(struct options, member)
static const struct option_spec specs[] = {
	{"trace", 't', OPTION_TEXT, "FILE", "requests from this file [none: a Zipf law]",
	 AT(trace)},
	{"format", 0, OPTION_TEXT, "FORMAT",
	 "auto, log (Apache, nginx), table (tab-separated, with names of columns) or ids "
	 "(big-endian "
	 "32-bit numbers) [auto]",
	 AT(format), "auto|log|table|ids"},
	{"size", 's', OPTION_COUNT, "BYTES",
	 "size of objects of which none is known; mean size "
	 "under the Zipf law [20k]",
	 AT(size), NULL, 1, 1e12},
	{"objects", 'o', OPTION_COUNT, "N", "objects under the Zipf law [10k]", AT(objects), NULL,
	 1, 1e8},
	{"alpha", 'a', OPTION_NUMBER, "A", "popularity falls as 1 / rank^A [1]", AT(alpha), NULL, 0,
	 10},
	{"requests", 'r', OPTION_COUNT, "N", "requests under the Zipf law [100k]", AT(requests),
	 NULL, 1, 1e9},
	{"policies", 'p', OPTION_TEXT, "LIST", "separated by commas [all]", AT(policies)},
	{"nodes", 'n', OPTION_TEXT, "LIST", "numbers of nodes, separated by commas [2,4,8,16]",
	 AT(nodes)},
	{"cache", 'c', OPTION_TEXT, "LIST",
	 "each node's cache, in bytes or in % of the sum of all objects [2%,10%,50%]", AT(caches)},
	{"clients", 0, OPTION_COUNT, "N", "requests in flight for each node [32]", AT(clients),
	 NULL, 1, 100000},
	{"hit-time", 0, OPTION_DURATION, "TIME", "a node's processor time for a request [200us]",
	 AT(hit), NULL, 1e-9, 10},
	{"measured", 0, OPTION_TEXT, "FILE",
	 "--hit-time and --mbit from a profile of 'baton measure profile'", AT(measured)},
	{"miss-time", 0, OPTION_DURATION, "TIME", "how long the origin takes [20ms]", AT(miss),
	 NULL, 1e-9, 100},
	{"mbit", 0, OPTION_NUMBER, "N", "a node's link in Mbit/s [1000]", AT(mbit), NULL, 0.001,
	 1e7},
	{"seed", 0, OPTION_COUNT, "N", "of random numbers [1]", AT(seed)},
	{"figures", 0, OPTION_TEXT, "DIR", "write hits.svg and balance.svg there", AT(figures)},
	{"placements", 0, OPTION_TEXT, "FILE",
	 "write there which node each request went to: policy, nodes, number of the request, node; "
	 "for the first size of cache",
	 AT(placements)},
	{"json", 'j', OPTION_FLAG, NULL, "one JSON object", AT(json)},
	{"csv", 0, OPTION_FLAG, NULL, "comma-separated values", AT(csv)},
	{NULL},
};

struct lists {
	int policies[LIST_MAX];
	uint64_t nodes[LIST_MAX], caches[LIST_MAX];
	char cache_names[LIST_MAX][24];
	unsigned int policy_count, node_count, cache_count;
};

/* Cuts `text` at commas; `take` gets each piece. Returns 0 or what `take` returned. */
static int each(const char *text, struct lists *lists, const struct workload *trace,
		int (*take)(struct lists *lists, const struct workload *trace, const char *word))
{
	char *copy = strdup(text), *rest = copy, *word;
	int error = copy ? 0 : failed("simulate: out of memory");

	while (!error && (word = strsep(&rest, ",")))
		error = take(lists, trace, word);
	free(copy);
	return error;
}

static int take_policy(struct lists *lists, const struct workload *trace, const char *word)
{
	int policy = place_policy_by_name(word);

	(void)trace;
	if (policy < 0)
		return misused("simulate: no policy %s; there are %s", word, place_policy_names());
	if (lists->policy_count < LIST_MAX)
		lists->policies[lists->policy_count++] = policy;
	return 0;
}

static int take_nodes(struct lists *lists, const struct workload *trace, const char *word)
{
	uint64_t value;

	(void)trace;
	if (parse_count(word, &value) || !value || value >= PLACE_NODES_MAX)
		return misused("simulate: --nodes: %s is not a number from 1 to %d", word,
			       PLACE_NODES_MAX - 1);
	if (lists->node_count < LIST_MAX)
		lists->nodes[lists->node_count++] = value;
	return 0;
}

static int take_cache(struct lists *lists, const struct workload *trace, const char *word)
{
	size_t length = strlen(word);
	double share;
	uint64_t value;
	char *end;

	if (length && word[length - 1] == '%') {
		share = strtod(word, &end);
		if (*end != '%' || !(share > 0) || share > 10000)
			return misused("simulate: --cache: %s is no share", word);
		value = trace->unique_bytes * share / 100;
	} else if (parse_count(word, &value) || !value) {
		return misused("simulate: --cache: %s is neither bytes nor %%", word);
	}
	if (lists->cache_count < LIST_MAX) {
		snprintf(lists->cache_names[lists->cache_count], 24, "%.20s", word);
		lists->caches[lists->cache_count++] = value;
	}
	return 0;
}

static int lists_read(struct lists *lists, const struct options *options,
		      const struct workload *trace)
{
	int error = 0;

	memset(lists, 0, sizeof(*lists));
	if (options->policies)
		error = each(options->policies, lists, trace, take_policy);
	else
		for (int policy = 1; policy < PLACE_POLICY_COUNT; policy++)
			lists->policies[lists->policy_count++] = policy;
	if (!error)
		error = each(options->nodes, lists, trace, take_nodes);
	if (!error)
		error = each(options->caches, lists, trace, take_cache);
	return error;
}

static char *share_text(double share, char *text)
{
	if (share < 0)
		strcpy(text, "-");
	else
		snprintf(text, 16, "%.1f", share * 100);
	return text;
}

static json_t *row_json(const struct hits_setting *setting, const struct hits_result *result)
{
	return json_pack(
		"{s:s, s:i, s:I, s:I, s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "policy",
		place_policy_name(setting->policy), "nodes", (int)setting->nodes, "cache_bytes",
		(json_int_t)setting->cache, "requests", (json_int_t)result->requests, "hit_ratio",
		(double)result->hits / result->requests, "bytes", (json_int_t)result->bytes,
		"origin_bytes", (json_int_t)result->origin_bytes, "most_requests_over_mean",
		result->most_requests, "most_bytes_over_mean", result->most_bytes,
		"requests_per_second", result->requests / result->seconds, "mean_ms",
		result->mean_ms, "p99_ms", result->p99_ms, "moved", result->moved,
		"moved_needlessly", result->moved_needlessly);
}

/* Two charts: hit ratio and balance over the number of nodes, for the first size of cache. */
static int figures_write(const char *folder, const struct lists *lists,
			 const struct hits_result *results)
{
	static const char *const files[] = {"hits.svg", "balance.svg"};
	char title[96], path[4096];
	int error = 0;

	if (mkdir(folder, 0777) && errno != EEXIST)
		return failed_errno(errno, "simulate: %s", folder);
	for (int figure = 0; figure < 2 && !error; figure++) {
		struct plot *plot;

		snprintf(title, sizeof(title), "%s, each node's cache %s",
			 figure ? "Balance" : "Hit ratio", lists->cache_names[0]);
		plot = plot_new(PLOT_LINES, title, "nodes",
				figure ? "busiest node's requests over the mean" : "hits, %");
		plot_log_x(plot);
		for (unsigned int p = 0; p < lists->policy_count; p++) {
			unsigned int series =
				plot_series(plot, place_policy_name(lists->policies[p]));

			for (unsigned int n = 0; n < lists->node_count; n++) {
				const struct hits_result *result =
					&results[(p * lists->node_count + n) * lists->cache_count];

				plot_point(plot, series, lists->nodes[n],
					   figure ? result->most_requests
						  : 100.0 * result->hits / result->requests);
			}
		}
		snprintf(path, sizeof(path), "%s/%s", folder, files[figure]);
		error = plot_write(plot, path);
		plot_free(plot);
		if (error)
			return failed_errno(error, "simulate: %s", path);
	}
	return 0;
}

static int runs(const struct options *options, const struct workload *trace,
		const struct lists *lists, struct hits_result *results)
{
	unsigned int total = lists->policy_count * lists->node_count * lists->cache_count, done = 0;
	struct table *table = NULL;
	FILE *placements = NULL;
	json_t *rows = NULL;
	int error = 0;

	if (options->placements) {
		placements = fopen(options->placements, "we");
		if (!placements)
			return failed_errno(errno, "simulate: %s", options->placements);
	}
	if (options->json)
		rows = json_array();
	else if (!options->csv)
		table = table_new("policy|>nodes|>cache|>hits %|>origin|>requests max/mean|"
				  ">bytes max/mean|>requests/s|>p99 ms|>moved %|>needlessly %");
	if (options->csv)
		puts("policy,nodes,cache_bytes,requests,hits,bytes,origin_bytes,"
		     "most_requests_over_mean,most_bytes_over_mean,requests_per_second,p99_ms,"
		     "moved,moved_needlessly");
	for (unsigned int i = 0; i < total && !error; i++) {
		unsigned int c = i % lists->cache_count, n = i / lists->cache_count;
		struct hits_result *result = &results[i];
		struct hits_setting setting = {
			.policy = lists->policies[n / lists->node_count],
			.nodes = lists->nodes[n % lists->node_count],
			.cache = lists->caches[c],
			.clients = options->clients,
			.hit_ns = options->hit,
			.miss_ns = options->miss,
			.byte_ns = 8000 / options->mbit,
			.seed = options->seed,
			.placements = c ? NULL : placements,
		};
		char origin[16], moved[16], needlessly[16];

		error = hits_run(trace, &setting, result);
		if (error) {
			error = failed_errno(error, "simulate: %u nodes", setting.nodes);
			break;
		}
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%u of %u ", ++done, total);
		if (rows)
			json_array_append_new(rows, row_json(&setting, result));
		else if (options->csv)
			printf("%s,%u,%llu,%llu,%llu,%llu,%llu,%.4f,%.4f,%.1f,%.3f,%.4f,%.4f\n",
			       place_policy_name(setting.policy), setting.nodes,
			       (unsigned long long)setting.cache,
			       (unsigned long long)result->requests,
			       (unsigned long long)result->hits, (unsigned long long)result->bytes,
			       (unsigned long long)result->origin_bytes, result->most_requests,
			       result->most_bytes, result->requests / result->seconds,
			       result->p99_ms, result->moved, result->moved_needlessly);
		else
			table_row(table, "%s|%u|%s|%.1f|%s|%.2f|%.2f|%.0f|%.1f|%s|%s",
				  place_policy_name(setting.policy), setting.nodes,
				  lists->cache_names[c], 100.0 * result->hits / result->requests,
				  text_bytes(result->origin_bytes, origin), result->most_requests,
				  result->most_bytes, result->requests / result->seconds,
				  result->p99_ms, share_text(result->moved, moved),
				  share_text(result->moved_needlessly, needlessly));
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (table)
		table_print(table, stdout);
	if (rows) {
		json_t *all = json_pack("{s:{s:I, s:I, s:I, s:I}, s:o}", "trace", "requests",
					(json_int_t)trace->count, "objects",
					(json_int_t)trace->object_count, "bytes",
					(json_int_t)trace->bytes, "unique_bytes",
					(json_int_t)trace->unique_bytes, "rows", rows);

		json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(all);
	}
	if (placements && fclose(placements) && !error)
		error = failed_errno(errno, "simulate: %s", options->placements);
	if (!error && options->figures)
		error = figures_write(options->figures, lists, results);
	return error;
}

/* A node as it was measured. */
static int take_measured(struct options *options)
{
	static const struct option_list none;
	struct parameters parameters;
	struct buffer reason = BUFFER_EMPTY;
	int error = parameters_read(&parameters, PARAMETERS_MEASURED, options->measured, &none,
				    &reason);

	if (!error &&
	    (parameter(&parameters, "hit_us") <= 0 || parameter(&parameters, "link_mbit") <= 0)) {
		buffer_text(&reason, "hit_us and link_mbit must both be there, above 0");
		error = -EINVAL;
	}
	if (error) {
		error = misused("--measured %s: %s", options->measured,
				reason.length ? reason.data : strerror(-error));
	} else {
		options->hit = (uint64_t)(parameter(&parameters, "hit_us") * NS_PER_US);
		options->mbit = parameter(&parameters, "link_mbit");
	}
	buffer_release(&reason);
	return error;
}

static int run_with(const struct command *self, int argc, char **argv, struct options options)
{
	struct buffer reason = BUFFER_EMPTY;
	struct hits_result *results = NULL;
	struct workload trace = {0};
	struct lists lists;
	int error;

	command_parse(self, argc, argv, &options);
	if (options.measured && take_measured(&options))
		return EXIT_USAGE;
	if (options.trace)
		error = workload_read(&trace, options.trace, options.format, options.size, &reason);
	else
		error = workload_zipf(&trace, options.objects, options.alpha, options.requests,
				      options.size, options.seed);
	if (error == -EINVAL)
		error = misused("simulate: %s: %s", options.trace, reason.data);
	else if (error)
		error = failed_errno(error, "simulate: %s",
				     options.trace ? options.trace : "the trace");
	buffer_release(&reason);
	if (!error)
		error = lists_read(&lists, &options, &trace);
	if (!error) {
		results = calloc((size_t)lists.policy_count * lists.node_count * lists.cache_count,
				 sizeof(*results));
		error = results ? runs(&options, &trace, &lists, results)
				: failed("simulate: out of memory");
	}
	free(results);
	workload_release(&trace);
	return error;
}

static int run(const struct command *self, int argc, char **argv)
{
	return run_with(self, argc, argv,
			(struct options){
				.format = "auto",
				.nodes = "2,4,8,16",
				.caches = "2%,10%,50%",
				.size = 20000,
				.objects = 10000,
				.requests = 100000,
				.alpha = 1,
				.clients = 32,
				.hit = 200 * NS_PER_US,
				.miss = 20 * NS_PER_MS,
				.mbit = 1000,
				.seed = 1,
			});
}

static int run_today(const struct command *self, int argc, char **argv)
{
	static const struct option_list none;
	struct buffer reason = BUFFER_EMPTY;
	struct parameters parameters;
	int error = parameters_read(&parameters, PRESET_TODAY, NULL, &none, &reason);

	buffer_release(&reason);
	if (error)
		return failed_errno(error, "simulate today");
	return run_with(self, argc, argv,
			(struct options){
				.format = "auto",
				.nodes = "16,64,256,1024",
				.caches = "1%",
				.policies = "rr,p2c,maglev,hrw,bounded-ch,lard-r,ds",
				.size = parameter(&parameters, "object_bytes"),
				.objects = parameter(&parameters, "objects"),
				.requests = parameter(&parameters, "requests"),
				.alpha = parameter(&parameters, "zipf"),
				.clients = parameter(&parameters, "clients"),
				.hit = parameter(&parameters, "hit_us") * NS_PER_US,
				.miss = parameter(&parameters, "miss_us") * NS_PER_US,
				.mbit = parameter(&parameters, "link_mbit"),
				.seed = 1,
			});
}

const struct command simulate_cache = {
	.name = "cache",
	.operands = "",
	.summary = "Hit ratio, balance and moved targets on a trace",
	.description =
		"Sends a trace through every policy, number of nodes and size of cache: hits, "
		"bytes "
		"from the origin, the busiest node over the mean, requests a second, and how many "
		"objects change their node when one node goes (all, and of those that had another "
		"one). Caches keep the least recently used objects. share/traces has two traces.",
	.options = specs,
	.run = run,
};

const struct command simulate_today = {
	.name = "today",
	.operands = "",
	.summary = "The same on hardware of today: 25 Gbit/s, NVMe, up to thousands of nodes",
	.description =
		"`baton simulate cache` with the numbers of share/simulate/today.conf for defaults "
		"(the brackets in the list of options are those of `cache`): 200,000 objects of "
		"100 kB, caches of 1 %, misses from NVMe, 16 to 1,024 nodes of 25 Gbit/s. The "
		"front "
		"is not modelled.",
	.options = specs,
	.run = run_today,
};

/* `baton load mix`: weighted URLs and the figures that WebStone (Trent and Sake 1995) reports. */
#include "load/load.h"

#include "base/fail.h"
#include "base/random.h"
#include "base/table.h"
#include "load/common.h"
#include "load/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mix {
	struct source source;
	struct targets *targets;
	double *upto; /* sum of the weights up to and with each target */
	struct random_state random;
	uint64_t left;
};

static enum source_answer mix_next(struct source *source, uint64_t now, struct request *request)
{
	struct mix *self = (struct mix *)source;
	size_t low = 0, high = self->targets->count - 1;
	double at;

	(void)now;
	if (!self->left)
		return SOURCE_END;
	self->left--;
	at = random_unit(&self->random) * self->upto[high];
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (self->upto[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	request->target = &self->targets->items[low];
	return SOURCE_REQUEST;
}

/* One line: WEIGHT PATH [NAME]; PATH may be a pattern, whose paths share the weight. */
struct line {
	const struct load_options *options;
	const struct url *url;
	struct targets *targets;
};

static int add_path(void *context, const char *path)
{
	struct line *line = context;
	int index = target_add(line->targets, line->url, "GET", path, &line->options->headers,
			       line->options->verify);

	return index < 0 ? index : 0;
}

static int read_line(struct line *line, char *text, struct tally *tally)
{
	char *rest, *weight_text = strtok_r(text, " \t\r\n", &rest);
	char *path = strtok_r(NULL, " \t\r\n", &rest), *name = strtok_r(NULL, "\r\n", &rest), *end;
	size_t first = line->targets->count;
	double weight;
	int class;

	if (!path)
		return -EINVAL;
	weight = strtod(weight_text, &end);
	if (*end || !(weight > 0 && weight < 1e12))
		return -EINVAL;
	if (pattern_each(path, add_path, line))
		return -EINVAL;
	class = tally_class(tally, name ? name : path);
	if (class < 0)
		return class;
	for (size_t i = first; i < line->targets->count; i++) {
		line->targets->items[i].class_index = (uint16_t) class;
		line->targets->items[i].weight = weight / (double)(line->targets->count - first);
	}
	return 0;
}

static int read_mix(struct mix *mix, const struct load_options *options, struct url *url,
		    struct tally *tally, const char *file)
{
	struct line line = {options, url, mix->targets};
	unsigned long number = 0;
	size_t room = 0;
	char *text = NULL;
	int result = 0;
	FILE *in = fopen(file, "re");

	if (!in)
		return failed_errno(errno, "%s", file);
	while (!result && getline(&text, &room, in) > 0) {
		number++;
		if (*text == '#' || !text[strspn(text, " \t\r\n")])
			continue;
		result = read_line(&line, text, tally);
		if (result == -ENOSPC)
			result = failed("%s:%lu: more than %d lines", file, number, CLASSES_MOST);
		else if (result)
			result = failed("%s:%lu: not 'WEIGHT PATH [NAME]' with a weight above 0",
					file, number);
	}
	free(text);
	fclose(in);
	if (!result && !mix->targets->count)
		result = failed("%s: there is no line 'WEIGHT PATH [NAME]'", file);
	if (result)
		return result;
	mix->upto = calloc(mix->targets->count, sizeof(*mix->upto));
	if (!mix->upto)
		return failed("no memory");
	for (size_t i = 0; i < mix->targets->count; i++)
		mix->upto[i] = (i ? mix->upto[i - 1] : 0) + mix->targets->items[i].weight;
	return 0;
}

/* By Little's law: answers a second times their mean time are the requests under way on average. */
static double load_factor(const struct tally *tally)
{
	return tally->seconds > 0 ? (double)tally->requests / tally->seconds *
					    histogram_mean(tally->latency) / 1e9
				  : 0;
}

static void print_webstone(const struct tally *tally)
{
	struct table *table = table_new("WebStone's figures|>value|unit");

	if (!table || !tally->requests)
		return;
	table_row(table, "server connection rate|%.1f|answers/s",
		  (double)tally->requests / tally->seconds);
	table_row(table, "error rate|%.3f|errors/s", (double)tally->errors / tally->seconds);
	table_row(table, "server throughput|%.2f|Mbit/s",
		  (double)tally->bytes * 8e-6 / tally->seconds);
	table_row(table, "Little's load factor|%.2f|requests under way", load_factor(tally));
	table_row(table, "average response time|%.3f|ms", histogram_mean(tally->latency) / 1e6);
	putchar('\n');
	table_print(table, stdout);
	table = table_new("page|>answers|>share|>mean bytes|>mean ms|>99 % ms|>errors");
	if (!table)
		return;
	for (unsigned int i = 0; i < tally->class_count; i++) {
		const struct class_tally *class = &tally->classes[i];
		double count = class->requests ? (double)class->requests : 1;

		table_row(table, "%s|%llu|%.1f %%|%.0f|%.3f|%.3f|%llu", class->name,
			  (unsigned long long)class->requests,
			  100 * (double)class->requests / (double)tally->requests,
			  (double)class->bytes / count, histogram_mean(class->latency) / 1e6,
			  (double)histogram_at(class->latency, 0.99) / 1e6,
			  (unsigned long long)class->errors);
	}
	putchar('\n');
	table_print(table, stdout);
}

static int play(struct mix *mix, const struct load_options *options, struct url *url,
		struct tally *tally, const char *file)
{
	int result = read_mix(mix, options, url, tally, file);
	char title[512];

	if (result)
		return result;
	snprintf(title, sizeof(title), "Mix %.200s from %s", file, url->authority);
	result = load_play(options, url, &mix->source, tally, title, NULL);
	if (!options->json)
		print_webstone(tally);
	return result;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct load_options options = LOAD_DEFAULTS;
	int first = command_parse(self, argc, argv, &options), result;
	struct mix mix = {.source = {.next = mix_next}};
	struct targets targets = {0};
	struct tally tally;
	struct url url;

	if (argc - first != 1 || !options.url)
		return misused("one FILE and --url are needed, see '%s --help'", command_path());
	if (!options.duration && !options.requests)
		options.duration = 10000000000ull;
	result = load_url(&url, options.url);
	if (result)
		return result;
	if (tally_init(&tally)) {
		url_release(&url);
		return failed("no memory");
	}
	mix.targets = &targets;
	mix.left = options.requests ? options.requests : UINT64_MAX;
	random_seed(&mix.random, options.seed);
	result = play(&mix, &options, &url, &tally, argv[first]);
	tally_release(&tally);
	free(mix.upto);
	targets_release(&targets);
	url_release(&url);
	return result;
}

const struct command load_mix = {
	.name = "mix",
	.operands = "FILE --url URL",
	.summary = "Ask for weighted URLs, and report as WebStone does",
	.description = "FILE has lines 'WEIGHT PATH [NAME]'; '#' begins a comment. PATH may be a "
		       "pattern, /{1..1000}, whose paths share the weight. Every line is a class "
		       "of its own in the results. The loop is closed.",
	.options =
		(const struct option_spec[]){
			{"url", 0, OPTION_TEXT, "URL", "the server: its path is not used",
			 LOAD_AT(url)},
			LOAD_OPTION_DURATION,
			LOAD_OPTION_REQUESTS,
			LOAD_OPTION_VERIFY,
			LOAD_OPTION_SEED,
			LOAD_OPTIONS,
			{NULL},
		},
	.run = run,
};

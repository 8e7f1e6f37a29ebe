#include "distribution/distribution.h"

#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/report.h"
#include "base/table.h"
#include "distribution/run.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	double scale, rate;
	uint64_t runs;
	const char *sizes, *forward, *html, *directory;
	bool json;
};

struct sums {
	uint64_t sent, received, stored, errors, wrong;
	struct traffic in[HOSTS], out[HOSTS], classes[HOSTS][CLASSES];
};

static void sum_runs(struct sums *sums, const struct run *runs, unsigned int count)
{
	memset(sums, 0, sizeof(*sums));
	for (unsigned int r = 0; r < count; r++) {
		const struct run *run = &runs[r];

		sums->sent += run->sent;
		sums->errors += run->errors;
		sums->wrong += run->wrong;
		for (int i = 0; i < RECEIVERS; i++) {
			sums->received += run->bytes[i];
			sums->stored += run->stored[i];
		}
		for (int h = 0; h < HOSTS; h++) {
			sums->in[h].packets += run->in[h].packets;
			sums->in[h].bytes += run->in[h].bytes;
			sums->out[h].packets += run->out[h].packets;
			sums->out[h].bytes += run->out[h].bytes;
			for (int c = 0; c < CLASSES; c++) {
				sums->classes[h][c].packets += run->classes[h][c].packets;
				sums->classes[h][c].bytes += run->classes[h][c].bytes;
			}
		}
	}
}

/* Packets at the virtual server, in and out, for one packet that the generator sent. */
static double ratio_of(const struct sums *sums)
{
	uint64_t sent = sums->out[HOST_GENERATOR].packets;
	uint64_t here = sums->in[HOST_FRONT].packets + sums->out[HOST_FRONT].packets;

	return sent ? (double)here / (double)sent : 0;
}

/* Mean imbalance of the runs of one length; the paper's with or without its doubtful cell. */
static double mean_ours(const struct run *runs, unsigned int count, unsigned int seconds)
{
	double sum = 0;
	int found = 0;

	for (unsigned int r = 0; r < count; r++)
		if (paper_runs[r].seconds == seconds) {
			sum += imbalance_of(runs[r].bytes, -1);
			found++;
		}
	return found ? sum / found : 0;
}

static double mean_paper(unsigned int seconds, bool without_doubtful)
{
	double sum = 0;
	int found = 0;

	for (unsigned int r = 0; r < PAPER_RUNS; r++)
		if (paper_runs[r].seconds == seconds) {
			sum += imbalance_of(paper_runs[r].bytes,
					    without_doubtful ? paper_runs[r].doubtful : -1);
			found++;
		}
	return sum / found;
}

static const unsigned int lengths[] = {10, 30, 60};

/* Whether the first `count` runs hold one of the length. */
static bool was_run(unsigned int seconds, unsigned int count)
{
	return seconds <= paper_runs[count - 1].seconds;
}

static void print_text(const struct run *runs, unsigned int count)
{
	struct sums sums;
	struct table *table =
		table_new("run|>seconds|>receiver 1|>receiver 2|>receiver 3|>imbalance"
			  "|>paper: 1|>2|>3|>imbalance");

	sum_runs(&sums, runs, count);
	for (unsigned int r = 0; table && r < count; r++) {
		const uint64_t *b = runs[r].bytes, *p = paper_runs[r].bytes;

		table_row(table, "%u|%.3g|%llu|%llu|%llu|%.2f %%|%llu|%llu|%llu|%.2f %%%s", r + 1,
			  runs[r].seconds, (unsigned long long)b[0], (unsigned long long)b[1],
			  (unsigned long long)b[2], 100 * imbalance_of(b, -1),
			  (unsigned long long)p[0], (unsigned long long)p[1],
			  (unsigned long long)p[2], 100 * imbalance_of(p, -1),
			  paper_runs[r].doubtful < 0 ? "" : " (*)");
	}
	printf("Bytes by receiver, round robin\n");
	if (table)
		table_print(table, stdout);
	printf("(*) one cell repeats another table's; without it %.2f %%\n\n",
	       100 * imbalance_of(paper_runs[2].bytes, paper_runs[2].doubtful));
	table = table_new("paper's length|>mean imbalance|>paper|>paper without (*)");
	for (size_t i = 0; table && i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (was_run(lengths[i], count))
			table_row(table, "%u s|%.2f %%|%.2f %%|%.2f %%", lengths[i],
				  100 * mean_ours(runs, count, lengths[i]),
				  100 * mean_paper(lengths[i], false),
				  100 * mean_paper(lengths[i], true));
	if (table)
		table_print(table, stdout);
	table = table_new(
		"host|>packets in|>packets out|>bytes in|>bytes out|>seen: total|>tcp|>ip|>"
		"arp|>other");
	for (int h = 0; table && h < HOSTS; h++)
		table_row(table, "%s|%llu|%llu|%llu|%llu|%llu|%llu|%llu|%llu|%llu", host_names[h],
			  (unsigned long long)sums.in[h].packets,
			  (unsigned long long)sums.out[h].packets,
			  (unsigned long long)sums.in[h].bytes,
			  (unsigned long long)sums.out[h].bytes,
			  (unsigned long long)sums.classes[h][0].packets,
			  (unsigned long long)sums.classes[h][1].packets,
			  (unsigned long long)sums.classes[h][2].packets,
			  (unsigned long long)sums.classes[h][3].packets,
			  (unsigned long long)sums.classes[h][4].packets);
	putchar('\n');
	if (table)
		table_print(table, stdout);
	printf("\nPackets at the virtual server for one that the generator sent: %.2f (the paper "
	       "says almost 2 and prints 1.3 to 1.7)\n",
	       ratio_of(&sums));
	printf("Sent %llu bytes, received %llu, stored %llu; %llu messages failed, %llu blocks "
	       "wrong\n",
	       (unsigned long long)sums.sent, (unsigned long long)sums.received,
	       (unsigned long long)sums.stored, (unsigned long long)sums.errors,
	       (unsigned long long)sums.wrong);
}

static json_t *traffic_json(const struct traffic *traffic)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)traffic->packets, "bytes",
			 (json_int_t)traffic->bytes);
}

static void print_json(const struct run *runs, unsigned int count)
{
	json_t *rows = json_array(), *hosts = json_object(), *object;
	struct sums sums;

	sum_runs(&sums, runs, count);
	for (unsigned int r = 0; r < count; r++) {
		json_t *bytes = json_object(), *over = json_array();

		for (int i = 0; i < RECEIVERS; i++)
			json_object_set_new(bytes, host_names[HOST_RECEIVER + i],
					    json_integer((json_int_t)runs[r].bytes[i]));
		for (int i = 0; i < POINTS; i++)
			json_array_append_new(over, json_real(runs[r].over_time[i]));
		json_array_append_new(rows, json_pack("{s:f, s:o, s:f, s:o, s:f, s:i}", "seconds",
						      runs[r].seconds, "bytes", bytes, "imbalance",
						      imbalance_of(runs[r].bytes, -1), "over_time",
						      over, "paper_imbalance",
						      imbalance_of(paper_runs[r].bytes, -1),
						      "paper_seconds", (int)paper_runs[r].seconds));
	}
	for (int h = 0; h < HOSTS; h++) {
		json_t *classes = json_object();

		for (int c = 0; c < CLASSES; c++)
			json_object_set_new(classes, class_names[c],
					    traffic_json(&sums.classes[h][c]));
		json_object_set_new(hosts, host_names[h],
				    json_pack("{s:o, s:o, s:o}", "in", traffic_json(&sums.in[h]),
					      "out", traffic_json(&sums.out[h]), "classes",
					      classes));
	}
	object = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "runs", rows, "sent_bytes",
			   (json_int_t)sums.sent, "lost_bytes",
			   (json_int_t)(sums.sent - sums.received), "stored_bytes",
			   (json_int_t)sums.stored, "errors", (json_int_t)sums.errors,
			   "wrong_blocks", (json_int_t)sums.wrong, "front_ratio", ratio_of(&sums),
			   "hosts", hosts);
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(object);
}

static int write_html(const struct run *runs, unsigned int count, const struct options *options)
{
	struct buffer page = BUFFER_EMPTY;
	struct plot *plot;
	unsigned int ours, paper, without;

	report_begin(&page, "Traffic distribution");
	report_words(&page,
		     "Random data from one generator to three receivers behind one address, round "
		     "robin, all lengths multiplied by %g. Imbalance is how far the "
		     "busiest receiver is above the mean.",
		     options->scale);
	plot = plot_new(PLOT_LINES, "Imbalance within each run", "seconds", "%");
	for (unsigned int r = 0; r < count; r++) {
		char name[32];

		snprintf(name, sizeof(name), "run %u", r + 1);
		ours = plot_series(plot, name);
		for (int i = 0; i < POINTS; i++)
			plot_point(plot, ours, runs[r].seconds * (i + 1) / POINTS,
				   100 * runs[r].over_time[i]);
	}
	report_plot(&page, plot);
	plot_free(plot);
	plot = plot_new(PLOT_BARS, "Mean imbalance by length of the run", "", "%");
	ours = plot_series(plot, "measured");
	paper = plot_series(plot, "paper");
	without = plot_series(plot, "paper without its doubtful cell");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char name[16];
		unsigned int at;

		if (!was_run(lengths[i], count))
			continue;
		snprintf(name, sizeof(name), "%u s", lengths[i]);
		at = plot_category(plot, name);
		plot_point(plot, ours, at, 100 * mean_ours(runs, count, lengths[i]));
		plot_point(plot, paper, at, 100 * mean_paper(lengths[i], false));
		plot_point(plot, without, at, 100 * mean_paper(lengths[i], true));
	}
	report_plot(&page, plot);
	plot_free(plot);
	return report_write(&page, options->html);
}

/* Runs a command of ours and prints what it said if it failed. */
static int ours_run(const struct place *place, const char *const words[])
{
	const char *argv[24] = {place->program};
	struct buffer out = BUFFER_EMPTY;
	int count = 1, result;

	while (*words)
		argv[count++] = *words++;
	argv[count] = NULL;
	result = process_run(argv, NULL, &out);
	if (result)
		failed("%s %s: %s", argv[1], argv[2], out.data ? out.data : "failed");
	buffer_release(&out);
	return result ? EXIT_FAILED : 0;
}

static int play_all(const struct place *place, struct run *runs, const struct options *options)
{
	int result = ours_run(place, (const char *const[]){"lab", "up", "--name", place->lab, "-n",
							   "3", "--policy", "rr", "--forward",
							   options->forward, NULL});

	if (!result)
		result = ours_run(place, (const char *const[]){
						 "service", "add", "raw", "--name", place->lab,
						 "-a", "10.77.0.100", "--port", "9000",
						 "--protocol", "tcp", "--policy", "rr", "--health",
						 "none", "--forward", options->forward, NULL});
	for (unsigned int r = 0; r < options->runs && !result; r++) {
		runs[r].seconds = paper_runs[r].seconds * options->scale;
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\rrun %u of %llu, %g s \033[K", r + 1,
				(unsigned long long)options->runs, runs[r].seconds);
		result = run_play(place, &runs[r], r + 1);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	/* However far it came: nothing is left behind. */
	if (ours_run(place, (const char *const[]){"lab", "down", "--name", place->lab, NULL}))
		result = EXIT_FAILED;
	return result;
}

static int judge(const struct run *runs, const struct options *options)
{
	struct sums sums;

	sum_runs(&sums, runs, (unsigned int)options->runs);
	if (sums.sent == sums.received && sums.received == sums.stored && !sums.errors &&
	    !sums.wrong)
		return EXIT_DONE;
	return failed("what the receivers stored is not what was sent");
}

static int run(const struct command *self, int argc, char **argv)
{
	struct options options = {.scale = 1,
				  .rate = 88,
				  .runs = PAPER_RUNS,
				  .sizes = "uniform:1-1000",
				  .forward = "direct"};
	int result;
	char made[] = "/tmp/baton-distribution-XXXXXX";
	struct place place = {.sizes = options.sizes, .rate = options.rate};
	struct run *runs;

	command_parse(self, argc, argv, &options);
	result = process_self(place.program);
	if (result)
		return failed_errno(result, "/proc/self/exe");
	snprintf(place.lab, sizeof(place.lab), "dist%d", getpid());
	if (!options.directory && !mkdtemp(made))
		return failed_errno(errno, "%s", made);
	snprintf(place.directory, sizeof(place.directory), "%s",
		 options.directory ? options.directory : made);
	runs = calloc(options.runs, sizeof(*runs));
	if (!runs)
		return failed("no memory");
	result = play_all(&place, runs, &options);
	if (!result) {
		if (options.json)
			print_json(runs, (unsigned int)options.runs);
		else
			print_text(runs, (unsigned int)options.runs);
		result = judge(runs, &options);
		if (options.html) {
			int written = write_html(runs, (unsigned int)options.runs, &options);

			if (written)
				result = failed_errno(written, "%s", options.html);
		}
	}
	if (!options.directory)
		process_run((const char *const[]){"rm", "-rf", made, NULL}, NULL, NULL);
	free(runs);
	return result;
}

const struct command command_distribution = {
	.name = "distribution",
	.operands = "",
	.summary = "Random data to three receivers round robin, as in the paper on traffic "
		   "distribution",
	.description =
		"Makes a lab of its own: a generator, the front as the virtual server, three "
		"receivers that store what comes. Plays the paper's sixteen runs (10 s three "
		"times, "
		"30 s three times, 60 s ten times; 12 minutes) and prints its tables beside what "
		"was measured, the packets at every host, and whether what was stored is exactly "
		"what was sent. Root.",
	.options =
		(const struct option_spec[]){
			{"scale", 0, OPTION_NUMBER, "F", "multiply all lengths by this [1]",
			 offsetof(struct options, scale), .least = 0.001, .most = 100},
			{"runs", 'n', OPTION_COUNT, "N", "only the first N runs [16]",
			 offsetof(struct options, runs), .least = 1, .most = PAPER_RUNS},
			{"rate", 'r', OPTION_NUMBER, "N",
			 "messages a second [88: with the sizes below the paper's 44 kB/s]",
			 offsetof(struct options, rate), .least = 0.1, .most = 1e5},
			{"sizes", 0, OPTION_TEXT, "LAW",
			 "of messages, as for 'baton load raw' [uniform:1-1000]",
			 offsetof(struct options, sizes)},
			{"forward", 0, OPTION_TEXT, "HOW",
			 "how the virtual server gives packets on: direct (answers pass it by) or "
			 "nat "
			 "(they come back through it) [direct]",
			 offsetof(struct options, forward), .choices = "direct|nat"},
			{"dir", 0, OPTION_TEXT, "DIR", "keep what was received and seen there",
			 offsetof(struct options, directory)},
			{"html", 0, OPTION_TEXT, "FILE", "write a report with charts",
			 offsetof(struct options, html)},
			{"json", 0, OPTION_FLAG, NULL, "print one JSON object",
			 offsetof(struct options, json)},
			{NULL},
		},
	.run = run,
};

#include "base/sample.h"
#include "base/table.h"
#include "compare/run.h"

#include <stdio.h>
#include <string.h>

static int index_of(const struct run *run, const struct cell *cells, const char *name)
{
	for (unsigned int i = 0; i < run->peer_count; i++)
		if (name && !strcmp(run->peers[i]->name, name) && cells[i].active)
			return (int)i;
	return -1;
}

static double median(const double *values, unsigned int count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, count * sizeof(*values));
	return sample_median(sorted, count);
}

/* One peer over another, round by round: geometric mean and 95 % interval. */
static struct interval ratio(const double *of, const double *to, unsigned int rounds)
{
	double ratios[ROUNDS_MAX];

	for (unsigned int i = 0; i < rounds; i++)
		ratios[i] = of[i] / to[i];
	return sample_ratio(ratios, rounds);
}

static json_t *three(bool known, struct interval interval)
{
	return known ? json_pack("[f, f, f]", interval.middle, interval.low, interval.high)
		     : json_null();
}

static const char *three_text(bool known, struct interval interval, char text[64])
{
	if (known)
		snprintf(text, 64, "%.3g (%.3g-%.3g)", interval.middle, interval.low,
			 interval.high);
	else
		*text = 0;
	return text;
}

/* The ratios of one pair, as far as they mean something: the CPU of fronts where both have one;
 * the whole path and the rate where each had the machine for itself. */
static void report_pair(struct run *run, struct table *table, const char *size, const char *mode,
			const struct cell *cells, int of, int to)
{
	unsigned int rounds = (unsigned int)run->values->rounds;
	bool fronts = run->front[of] >= 0 && run->front[to] >= 0, alone = !run->values->together;
	struct interval front = {0}, whole = {0}, rate = {0};
	const char *const names[2] = {run->peers[of]->name, run->peers[to]->name};
	char texts[3][64];

	if (fronts)
		front = ratio(cells[of].front_us, cells[to].front_us, rounds);
	if (alone) {
		whole = ratio(cells[of].whole_us, cells[to].whole_us, rounds);
		rate = ratio(cells[of].rate, cells[to].rate, rounds);
	}
	json_array_append_new(run->ratios,
			      json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "size", size, "mode",
					mode, "of", names[0], "to", names[1], "front_cpu",
					three(fronts, front), "whole_cpu", three(alone, whole),
					"requests_per_second", three(alone, rate)));
	if (table)
		table_row(table, "%s / %s|%s|%s|%s", names[0], names[1],
			  three_text(fronts, front, texts[0]), three_text(alone, whole, texts[1]),
			  three_text(alone, rate, texts[2]));
}

static void report_ratios(struct run *run, const char *size, const char *mode,
			  const struct cell *cells)
{
	struct table *table =
		run->values->json
			? NULL
			: table_new("ratio (95 %)|>front CPU|>whole path's CPU|>requests/s");
	int baton = index_of(run, cells, "baton"), direct = index_of(run, cells, "direct");

	for (int i = 0; i < (int)run->peer_count; i++) {
		const struct peer *peer = run->peers[i];
		int twin = index_of(run, cells, peer->twin);

		if (!cells[i].active)
			continue;
		if (peer->floor && baton >= 0)
			report_pair(run, table, size, mode, cells, baton, i);
		else if (twin >= 0)
			report_pair(run, table, size, mode, cells, i, twin);
		else if (run->front[i] >= 0 && baton >= 0 && i != baton)
			report_pair(run, table, size, mode, cells, i, baton);
		if (direct >= 0 && i != direct && !run->values->together)
			report_pair(run, table, size, mode, cells, i, direct);
	}
	if (table)
		table_print(table, stdout);
}

void run_report_cell(struct run *run, const char *size, const char *mode, const struct cell *cells)
{
	unsigned int rounds = (unsigned int)run->values->rounds;
	struct table *table = NULL;

	if (!run->values->json) {
		printf("\n%s, %s\n", size,
		       strcmp(mode, "close") ? "keep-alive" : "one connection a request");
		table = table_new("|>requests/s|>p50 us|>p99 us|>front us|>whole us|>over front|"
				  ">moved|>errors");
	}
	for (unsigned int i = 0; i < run->peer_count; i++) {
		const struct cell *cell = &cells[i];
		bool alone = !run->values->together, front = run->front[i] >= 0;
		char text[3][32] = {"", "", ""};

		if (!cell->active)
			continue;
		json_array_append_new(
			run->results,
			json_pack(
				"{s:s, s:s, s:s, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:f, s:f}",
				"size", size, "mode", mode, "peer", run->peers[i]->name,
				"requests_per_second", median(cell->rate, rounds), "p50_us",
				median(cell->p50, rounds), "p99_us", median(cell->p99, rounds),
				"front_us_per_request",
				front ? json_real(median(cell->front_us, rounds)) : json_null(),
				"front_softirq_us_per_request",
				front ? json_real(median(cell->softirq_us, rounds)) : json_null(),
				"whole_us_per_request",
				alone ? json_real(median(cell->whole_us, rounds)) : json_null(),
				"front_bytes_per_byte",
				front ? json_real(median(cell->overhead, rounds)) : json_null(),
				"front_packets_per_request",
				front ? json_real(median(cell->packets, rounds)) : json_null(),
				"moved", median(cell->moved, rounds), "errors", cell->errors));
		if (!table)
			continue;
		if (front) {
			snprintf(text[0], 32, "%.2f", median(cell->front_us, rounds));
			snprintf(text[2], 32, "%.3f", median(cell->overhead, rounds));
		}
		if (alone)
			snprintf(text[1], 32, "%.1f", median(cell->whole_us, rounds));
		table_row(table, "%s|%.0f|%.0f|%.0f|%s|%s|%s|%.2f|%.0f", run->peers[i]->name,
			  median(cell->rate, rounds), median(cell->p50, rounds),
			  median(cell->p99, rounds), text[0], text[1], text[2],
			  median(cell->moved, rounds), cell->errors);
	}
	if (table)
		table_print(table, stdout);
	report_ratios(run, size, mode, cells);
	fflush(stdout);
}

void run_report_begin(const struct run *run)
{
	const struct values *values = run->values;

	if (values->json)
		return;
	printf("%d nodes of nginx, %lu connections, %lu rounds of %g s, %s, %s frames\n", NODES,
	       values->connections, values->rounds, values->seconds,
	       values->together ? "all at once" : "taking turns", values->frames);
	for (unsigned int i = 0; i < run->peer_count; i++)
		printf("  %-8s %s\n", run->peers[i]->name, run->peers[i]->about);
	if (run->flood) {
		puts("flood: as many packets as one core could send to the first peer but "
		     "'dropped', unless\n--flood-rate says otherwise; kept: entries of Baton's "
		     "table, half-open connections of\nthe kernel's, at the flood's end; slab: "
		     "what the kernel's memory for objects grew by\n(the whole machine's); "
		     "medians of the rounds");
		return;
	}
	printf("front us: CPU of the front's host a request (tasks and interrupts); whole us: of\n"
	       "client, nodes and front; over front: bytes through it a byte delivered; moved:\n"
	       "share of answers from another node than the one before; medians of the rounds.\n"
	       "Ratios: geometric mean and 95 %% interval over the rounds\n");
}

void run_report_end(const struct run *run)
{
	const struct values *values = run->values;
	json_t *all;

	if (!values->json)
		return;
	all = json_pack("{s:i, s:I, s:I, s:f, s:b, s:s, s:O, s:O}", "nodes", NODES, "connections",
			(json_int_t)values->connections, "rounds", (json_int_t)values->rounds,
			"seconds", values->seconds, "together", values->together, "frames",
			values->frames, "results", run->results, "ratios", run->ratios);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

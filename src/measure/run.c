#include "measure/run.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "measure/cgroup.h"
#include "measure/environment.h"
#include "guest/image.h"
#include "measure/network.h"
#include "measure/order.h"
#include "measure/results.h"
#include "measure/setup.h"
#include "measure/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run {
	const struct plan *plan;
	const struct run_options *options;
	struct rows rows;
	char name[32], scratch[PATH_MAX];
	int image; /* setup_make's */
	unsigned long done, total, order;
	uint64_t began;
	unsigned int holes;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

void run_shorten(struct plan *plan, const struct run_options *options)
{
	for (unsigned int i = 0; i < plan->workload_count; i++) {
		struct plan_workload *work = &plan->workloads[i];

		if (options->repeats && work->repeats > options->repeats)
			work->repeats = options->repeats;
		if (options->requests && work->type == WEB && work->count > options->requests)
			work->count = options->requests;
	}
	if (options->repeats && plan->rounds > options->repeats)
		plan->rounds = options->repeats;
}

static double load_average(void)
{
	double load = 0;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

static void fill_row(const struct run *run, const struct place *place, const struct item *item,
		     unsigned int round, struct row *row)
{
	*row = (struct row){.round = round,
			    .order = run->order,
			    .memory = (unsigned int)(place->memory >> 20),
			    .repeat = item->repeat,
			    .status = item->warm_up ? STATUS_WARM_UP : STATUS_OK,
			    .load = load_average()};
	snprintf(row->subject, sizeof(row->subject), "%s", place->subject->name);
	plan_word(NETWORK_NAMES, (int)place->network, row->network);
	plan_word(VANTAGE_NAMES, (int)item->vantage, row->vantage);
	snprintf(row->workload, sizeof(row->workload), "%s", item->workload->name);
	clock_text(clock_wall(), row->started);
}

/* One line about where the run is, on a terminal. */
static void progress(const struct run *run, const struct row *row)
{
	uint64_t gone = (clock_now() - run->began) / NS_PER_S, left = 0;

	if (run->options->quiet || !isatty(2))
		return;
	if (run->done)
		left = gone * (run->total - run->done) / run->done;
	fprintf(stderr, "\r\033[K%lu of %lu, %s %s %u MiB %s %s", run->done, run->total,
		row->subject, row->network, row->memory, row->vantage, row->workload);
	if (run->done)
		fprintf(stderr, ", %lu:%02lu:%02lu left", left / 3600, left / 60 % 60, left % 60);
	if (run->holes)
		fprintf(stderr, ", %u failed", run->holes);
}

static int store(struct run *run, const struct row *rows, size_t count, const char *raw)
{
	int error = rows_append(run->options->output, rows, count, raw);

	for (size_t i = 0; i < count; i++)
		rows_add(&run->rows, &rows[i]);
	return error ? failed_errno(error, "measure: can't write to %s", run->options->output) : 0;
}

static int store_hole(struct run *run, struct row *row, const struct buffer *why)
{
	row->status = STATUS_FAILED;
	row->value = 0;
	snprintf(row->reason, sizeof(row->reason), "%s", why->length ? why->data : "no reason");
	if (!run->options->quiet)
		fprintf(stderr, "%s%s %s %u MiB %s %s %u: %s\n", isatty(2) ? "\r\033[K" : "",
			row->subject, row->network, row->memory, row->vantage, row->workload,
			row->repeat, row->reason);
	run->holes++;
	return store(run, row, 1, NULL);
}

/* A test double's repetition. */
static int pretend(struct run *run, struct guest *guest, const struct item *item,
		   const struct row *row, struct outcome *outcome, struct buffer *why)
{
	const struct workload_kind *kind = workload_kind(item->workload->type);
	uint64_t seed = run->plan->seed * 1000003 + item->repeat + 1000 * row->round +
			100000u * (unsigned int)item->vantage + 7919u * guest->network +
			31u * (unsigned int)(guest->memory >> 20);
	double seconds;

	for (const char *c = row->workload; *c; c++)
		seed = seed * 31 + (unsigned char)*c;
	if (subject_kind(guest->subject->kind)
		    ->pretend(guest, item->workload, item->vantage, seed, &seconds, why))
		return -1;
	outcome_add(outcome, kind->more ? "rate" : "time", kind->more ? 1 / seconds : seconds,
		    kind->more ? "1/s" : "s");
	outcome->work = 1;
	strcpy(outcome->work_unit, "piece");
	return 0;
}

static int repetition(struct run *run, struct guest *guest, const struct item *item,
		      const struct row *row, struct outcome *outcome, double cpu[2],
		      struct buffer *why)
{
	const struct workload_kind *kind = workload_kind(item->workload->type);
	struct session session = {run->plan, guest, item->vantage, run->name, run->scratch};
	char clients[64], guests[64];
	uint64_t client, cost;
	int error;

	if (subject_kind(guest->subject->kind)->pretend)
		return pretend(run, guest, item, row, outcome, why);
	error = kind->prepare(&session, item->workload, why);
	if (error)
		return error;
	if (guest->subject->fail == FAIL_GUEST)
		subject_kill(guest);
	snprintf(clients, sizeof(clients), "baton-%s/client", run->name);
	snprintf(guests, sizeof(guests), "baton-%s/guest", run->name);
	client = cgroup_cpu(clients);
	cost = cgroup_cpu(guests);
	error = kind->measure(&session, item->workload, outcome, why);
	cpu[0] = (double)(cgroup_cpu(clients) - client) / 1e9;
	cpu[1] = (double)(cgroup_cpu(guests) - cost) / 1e9;
	return error;
}

/* One repetition with its rows. Returns 0, or EXIT_FAILED when results can't be kept. */
static int measure(struct run *run, struct guest *guest, const struct place *place,
		   const struct item *item, unsigned int round)
{
	struct row rows[OUTCOME_METRICS], row;
	struct outcome outcome = {.count = 0};
	struct buffer why = BUFFER_EMPTY;
	double cpu[2] = {0, 0};
	int error;

	if (!item->warm_up)
		run->order++;
	fill_row(run, place, item, round, &row);
	progress(run, &row);
	error = repetition(run, guest, item, &row, &outcome, cpu, &why);
	if (error && stopped) {
		/* The user's interrupt is no failure of what was measured. */
		buffer_release(&why);
		buffer_release(&outcome.raw);
		return 0;
	}
	row.client_cpu = cpu[0];
	row.guest_cpu = cpu[1];
	row.work = outcome.work;
	snprintf(row.work_unit, sizeof(row.work_unit), "%s", outcome.work_unit);
	for (unsigned int i = 0; i < outcome.count; i++) {
		rows[i] = row;
		rows[i].value = outcome.metrics[i].value;
		snprintf(rows[i].metric, sizeof(row.metric), "%s", outcome.metrics[i].name);
		snprintf(rows[i].unit, sizeof(row.unit), "%s", outcome.metrics[i].unit);
	}
	if (!error)
		error = store(run, rows, outcome.count, item->warm_up ? NULL : outcome.raw.data);
	else if (!item->warm_up)
		error = store_hole(run, &row, &why);
	else
		error = 0;
	run->done += !item->warm_up;
	buffer_release(&why);
	buffer_release(&outcome.raw);
	return error;
}

/* Which repetitions are rows already; failed ones only count where they aren't tried again. */
static bool done(const void *context, const struct place *place, const struct item *item)
{
	const struct run *run = context;
	struct row row;

	fill_row(run, place, item, 0, &row);
	return rows_have(&run->rows, &row, !run->options->retry);
}

/* Boots a guest and does its items. */
static int visit(struct run *run, const struct place *place, unsigned int round, uint64_t seed)
{
	const struct subject_kind *kind = subject_kind(place->subject->kind);
	struct guest guest = {.subject = place->subject,
			      .network = place->network,
			      .memory = place->memory,
			      .run = run->name,
			      .scratch = run->scratch,
			      .image = run->options->image,
			      .boot_timeout = run->plan->boot_timeout,
			      .pin = run->plan->pin,
			      .console = CONSOLE_NONE};
	struct buffer why = BUFFER_EMPTY;
	char group[64], root[PATH_MAX], program[PATH_MAX];
	size_t count, warm;
	struct item *items = order_items(run->plan, place, round, seed, done, run, &count, &warm);
	int error = 0;
	bool up = false;

	if (!count)
		goto free_items;
	snprintf(root, sizeof(root), "%s/" IMAGE_ROOT, run->options->image);
	guest.root = *run->plan->root ? run->plan->root : root;
	if (!kind->check(place->subject, place->network, &why)) {
		struct row row;

		fill_row(run, place, &items[warm], round, &row);
		progress(run, &row);
		setup_clear(run->scratch);
		mkdir(run->scratch, 0755);
		snprintf(program, sizeof(program), "%s/baton-guest", run->scratch);
		image_guest(program);
		snprintf(group, sizeof(group), "baton-%s/guest", run->name);
		/* A machine bounds its own memory; its emulator needs some more. */
		cgroup_make(group, kind == &subject_namespace ? place->memory : 0);
		up = !subject_boot(&guest, &why);
	}
	for (size_t i = up ? 0 : warm; i < count && !error && !stopped; i++) {
		if (up) {
			error = measure(run, &guest, place, &items[i], round);
		} else {
			struct row row;

			run->order++;
			fill_row(run, place, &items[i], round, &row);
			error = store_hole(run, &row, &why);
			run->done++;
		}
	}
	snprintf(group, sizeof(group), "baton-%s/guest", run->name);
	subject_halt(&guest);
	cgroup_remove(group);
free_items:
	free(items);
	buffer_release(&why);
	return error;
}

static int rounds(struct run *run)
{
	const struct plan *plan = run->plan;
	int error = 0;

	for (unsigned int round = 1; round <= plan->rounds && !error && !stopped; round++) {
		size_t count;
		struct place *places = order_places(plan, round, &count);

		for (size_t i = 0; i < count && !error && !stopped; i++)
			error = visit(run, &places[i], round,
				      (plan->seed * 7919 + round) * 104729 + i);
		free(places);
	}
	return error;
}

/* How many repetitions are left, so that the time left can be said. */
static unsigned long repetitions_left(struct run *run)
{
	const struct plan *plan = run->plan;
	unsigned long left = 0;

	for (unsigned int round = 1; round <= plan->rounds; round++) {
		size_t count, all, warm;
		struct place *places = order_places(plan, round, &count);

		for (size_t i = 0; i < count; i++) {
			free(order_items(plan, &places[i], round, 1, done, run, &all, &warm));
			left += all - warm;
		}
		free(places);
	}
	return left;
}

/* Web repetitions of another number of requests, which --requests shortened, are another thing. */
static int check_requests(const struct run *run)
{
	for (size_t i = 0; i < run->rows.count; i++) {
		const struct row *row = &run->rows.list[i];

		for (unsigned int w = 0; w < run->plan->workload_count; w++) {
			const struct plan_workload *work = &run->plan->workloads[w];

			if (work->type == WEB && row->status == STATUS_OK &&
			    !strcmp(row->work_unit, "request") &&
			    !strcmp(row->workload, work->name) && row->work != (double)work->count)
				return misused("measure: %s has repetitions of %.0f requests, not "
					       "%lu; go on with the same --requests, or name "
					       "another folder by --output",
					       run->options->output, row->work, work->count);
		}
	}
	return 0;
}

int run_plan(const struct plan *plan, const struct run_options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	struct sigaction action = {.sa_handler = stop};
	unsigned int line;
	int error;

	if (!run)
		return failed("measure: out of memory");
	run->plan = plan;
	run->options = options;
	snprintf(run->name, sizeof(run->name), "measure%d", getpid());
	snprintf(run->scratch, sizeof(run->scratch), "%s/work-%d", options->output, getpid());
	error = rows_read(&run->rows, options->output, &line);
	if (error) {
		error = error == -EINVAL
				? failed("%s/times.csv:%u: is no row of a measurement; take it out",
					 options->output, line)
				: failed_errno(error, "%s/times.csv", options->output);
		goto free_run;
	}
	for (size_t i = 0; i < run->rows.count; i++)
		if (run->rows.list[i].order > run->order)
			run->order = run->rows.list[i].order;
	error = check_requests(run);
	if (error)
		goto free_run;
	run->total = repetitions_left(run);
	if (!run->total)
		goto free_run;
	if (mkdir(run->scratch, 0755) && errno != EEXIST) {
		error = failed_errno(errno, "measure: can't make %s", run->scratch);
		goto free_run;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	error = setup_make(plan, options, run->name, run->scratch, &run->image) ? EXIT_FAILED : 0;
	if (!error)
		error = environment_write(plan, options);
	run->began = clock_now();
	if (!error)
		error = rounds(run);
	setup_remove(run->name, run->scratch, run->image);
	if (!options->quiet && isatty(2))
		fprintf(stderr, "\r\033[K");
	if (stopped && !error)
		error = failed("measure: interrupted after %lu of %lu; the same command goes on",
			       run->done, run->total);
free_run:
	rows_free(&run->rows);
	free(run);
	return error;
}

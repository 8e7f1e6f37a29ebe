#include "simulate/kwon.h"

#include "base/random.h"
#include "simulate/cluster.h"
#include "simulate/events.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t servers[KWON_ROWS] = {1, 2, 4, 8, 16};
static const enum place_policy policies[KWON_POLICIES] = {PLACE_RR,   PLACE_MD5,    PLACE_MIT_CH,
							  PLACE_CARP, PLACE_MOD_CH, PLACE_HT_RR};

int kwon_read(const char *csv, kwon_table table)
{
	const char *at = strchr(csv, '\n');
	char *end;

	for (int row = 0; row < KWON_ROWS; row++) {
		if (!at || strtoul(at, &end, 10) != servers[row])
			return -EINVAL;
		for (int column = 0; column < KWON_COLUMNS; column++) {
			if (*end != ',')
				return -EINVAL;
			table[row][column] = strtod(end + 1, &end);
		}
		at = end;
	}
	return 0;
}

static double mean(const kwon_table table, int row, int from, int to)
{
	double sum = 0;

	for (int column = from; column < to; column++)
		sum += table[row][column];
	return sum / (to - from);
}

void kwon_fit(const kwon_table requests, const kwon_table mbit, double bytes,
	      struct kwon_machine *machine)
{
	double up = 0, down = 0, front = 0;

	machine->serve_ns = 1e9 / mean(requests, 0, 0, 6);
	machine->read_ns = 1e9 / mean(requests, 0, 6, 12) - machine->serve_ns;
	/* N servers: N / X = read + serve + relay (N - 1) / N. */
	for (int row = 1; row < KWON_ROWS; row++) {
		double n = servers[row], share = (n - 1) / n;
		double rest = n * 1e9 / requests[row][6] - machine->serve_ns - machine->read_ns;

		up += rest * share;
		down += share * share;
	}
	machine->relay_byte_ns = up / down / bytes;
	for (int row = 2; row < KWON_ROWS; row++)
		front += mean(mbit, row, 0, 6) / 3;
	machine->front_mbit = front;
}

struct run {
	const struct kwon_machine *machine;
	const struct workload *files;
	struct job {
		uint32_t object, first, server;
		int phase;
	} * jobs;
	struct random_state random;
	uint32_t servers;
	bool front, own_turns, relays;
	uint32_t turns[16]; /* AS-RR: every server's balancer takes its own */
	uint64_t placed, done, wanted, warm, warm_at, end;
};

/* Resources: the servers, then the front's link. */
static bool next_step(void *model, uint32_t index, uint64_t now, struct events_step *step)
{
	struct run *run = model;
	struct job *job = &run->jobs[index];
	const struct kwon_machine *machine = run->machine;
	const struct workload_object *object;

	switch (job->phase) {
	case 4:
		run->done++;
		if (run->done == run->warm)
			run->warm_at = now;
		run->end = now;
		/* fall through */
	case 0:
		if (run->done >= run->wanted)
			return false;
		job->object = run->files->requests[run->placed++ % run->files->count];
		job->first = run->placed % run->servers;
		object = &run->files->objects[job->object];
		job->server =
			cluster_place(object, index, random_next(&run->random), now, 0, 0) - 1;
		if (run->own_turns)
			job->server =
				run->relays ? run->turns[job->first]++ % run->servers : job->first;
		job->phase = 1;
		if (!run->front) {
			*step = (struct events_step){job->first, machine->read_ns};
			return true;
		}
		/* fall through */
	case 1:
		job->phase = 2;
		*step = (struct events_step){job->server, machine->serve_ns};
		return true;
	case 2:
		job->phase = 4;
		object = &run->files->objects[job->object];
		if (run->front)
			*step = (struct events_step){run->servers,
						     object->size * 8e3 / machine->front_mbit};
		else if (job->first != job->server)
			*step = (struct events_step){job->first,
						     object->size * machine->relay_byte_ns};
		else
			*step = (struct events_step){EVENTS_NOTHING, 0};
		return true;
	}
	return false;
}

/* Requests a second of one cell, once. */
static int cell(const struct kwon_machine *machine, const struct parameters *parameters,
		const struct workload *files, int row, int column, double *result)
{
	struct place_plan plan = {.policy = policies[column % KWON_POLICIES]};
	uint32_t jobs = parameter(parameters, "connections") * servers[row];
	struct place_world *world = cluster_new(&plan, servers[row], 20000);
	struct run run = {.machine = machine,
			  .files = files,
			  .servers = servers[row],
			  .front = column < KWON_POLICIES,
			  .own_turns = column == KWON_POLICIES,
			  .relays = parameter(parameters, "relayed_rr") != 0};
	int error = -ENOMEM;

	run.wanted = parameter(parameters, "requests") * (1 + servers[row]);
	run.warm = run.wanted / 4;
	run.jobs = calloc(jobs, sizeof(*run.jobs));
	random_seed(&run.random, 1);
	for (int i = 0; i < 16; i++)
		run.turns[i] = random_next(&run.random);
	if (world && run.jobs)
		error = events_run(jobs, servers[row] + 1, 0, next_step, &run, NULL);
	if (!error)
		*result = (run.done - run.warm) * 1e9 / (run.end - run.warm_at);
	free(run.jobs);
	world_free(world);
	return error;
}

int kwon_predict(const struct kwon_machine *machine, const struct parameters *parameters,
		 double bytes, kwon_table requests)
{
	int repeats = parameter(parameters, "repeats"), error = 0;

	memset(requests, 0, sizeof(kwon_table));
	for (int repeat = 0; repeat < repeats && !error; repeat++) {
		struct workload files;

		error = workload_zipf(&files, parameter(parameters, "files"),
				      parameter(parameters, "zipf"), 50000, bytes, 77 + repeat);
		/* The mean is that of requests, not of files. */
		for (uint32_t i = 0; !error && i < files.object_count; i++)
			files.objects[i].size *= bytes * files.count / files.bytes;
		for (int row = 0; row < KWON_ROWS && !error; row++)
			for (int column = 0; column < KWON_COLUMNS && !error; column++) {
				double value = 0;

				error = cell(machine, parameters, &files, row, column, &value);
				requests[row][column] += value / repeats;
			}
		workload_release(&files);
	}
	return error;
}

void kwon_trivial(const kwon_table paper, kwon_table requests)
{
	double front = 0;

	for (int row = 2; row < KWON_ROWS; row++)
		front += mean(paper, row, 0, 6) / 3;
	for (int row = 0; row < KWON_ROWS; row++)
		for (int column = 0; column < KWON_COLUMNS; column++)
			requests[row][column] =
				column < KWON_POLICIES
					? fmin(front, servers[row] * mean(paper, 0, 0, 6))
					: mean(paper, 0, 6, 12) * sqrt(servers[row]);
}

static int compare_numbers(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

double kwon_error(const kwon_table model, const kwon_table paper, int from, int to, double *median)
{
	double errors[KWON_ROWS * KWON_COLUMNS], sum = 0;
	int count = 0;

	for (int row = 0; row < KWON_ROWS; row++)
		for (int column = from; column < to; column++) {
			errors[count] = fabs(model[row][column] / paper[row][column] - 1);
			sum += errors[count++];
		}
	qsort(errors, count, sizeof(*errors), compare_numbers);
	if (median)
		*median = count % 2 ? errors[count / 2]
				    : (errors[count / 2 - 1] + errors[count / 2]) / 2;
	return sum / count;
}

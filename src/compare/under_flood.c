/* `baton compare --flood`: what a client notices of a flood, peer by peer. */
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/sample.h"
#include "base/table.h"
#include "compare/load.h"
#include "compare/run.h"
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAD_MS = 300 }; /* the flood is there before the load begins */

/* What one peer did, a value a round. */
struct flooded {
	double packets[ROUNDS_MAX]; /* a second, of the flood */
	double p50[ROUNDS_MAX], p99[ROUNDS_MAX];
	double requests, errors;
	double kept, slab; /* the most of all rounds */
};

/* The kernel's memory for objects, kB. */
static double slab(void)
{
	char line[128];
	double found = 0;
	FILE *file = fopen("/proc/meminfo", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Slab: %lf", &found) == 1)
			break;
	if (file)
		fclose(file);
	return found;
}

/* The connections that the peer keeps something of although nobody is there: entries of Baton's
 * table, half-open connections of the kernel's. */
static double kept(const struct run *run, const struct peer *peer)
{
	const char *const argv[] = {run->program, "lab", "exec", "--name", run->labs[0], peer->host,
				    "--",	  "ss",	 "-Htn", "state",  "syn-recv",	 NULL};
	struct buffer said = BUFFER_EMPTY;
	double lines = 0;
	json_t *answer;

	if (!peer->start) {
		answer = client_ask(run->labs[0], "front", json_pack("{s:s}", "command", "status"));
		lines = json_number_value(
			json_object_get(json_object_get(answer, "front"), "flows"));
		json_decref(answer);
		return lines;
	}
	if (!process_run(argv, NULL, &said))
		for (size_t i = 0; i < said.length; i++)
			lines += said.data[i] == '\n';
	buffer_release(&said);
	return lines;
}

/* One load on one peer, under the flood or not. Returns 0 or an exit code. */
static int block(struct run *run, unsigned int at, bool flooded, double rate, bool close,
		 unsigned int round, struct flooded *result)
{
	const struct peer *peer = run->peers[at];
	const char *lab = run->labs[LAB_MAIN];
	struct load load = {.lab = lab,
			    .address = peer->address,
			    .connections = run->values->connections,
			    .seconds = run->values->seconds,
			    .planned = run->values->requests,
			    .close = close};
	struct reading before[HOSTS_MAX], after[HOSTS_MAX];
	struct flood_shield *shield = NULL;
	char mac[18], file[PATH_ROOM];
	double memory, seconds;
	uint64_t start;
	pid_t pid = 0;
	int error;

	snprintf(file, sizeof(file), "%.*s", (int)strcspn(run->values->sizes, ","),
		 run->values->sizes);
	load.file = file;
	error = peer_mac(lab, peer->host, mac);
	if (!error && peer->shielded)
		error = flood_shield_raise(lab, &shield);
	memory = slab();
	if (!error && flooded) {
		pid = flood_start(lab, run->flood, peer->address, mac, rate);
		error = pid < 0 ? pid : 0;
		poll(NULL, 0, LEAD_MS);
	}
	start = clock_now();
	if (!error)
		error = meter_read(run->meter, before);
	if (!error)
		loads_run(&load, 1);
	if (!error)
		error = meter_read(run->meter, after);
	seconds = (double)(clock_now() - start) / 1e9;
	if (!error && flooded) {
		double now = kept(run, peer), more = slab() - memory;

		result->kept = now > result->kept ? now : result->kept;
		result->slab = more > result->slab ? more : result->slab;
	}
	if (!flood_end(pid) && !error)
		error = -EPIPE;
	if (flood_shield_lower(shield) && !error)
		error = -EIO;
	if (error)
		return failed_errno(error, "compare: no flood on %s", peer->name);
	if (load.failure || load.requests < 1)
		return failed("compare: the load on %s gave no answers", peer->name);
	result->packets[round] =
		(double)(after[run->flooder].packets_out - before[run->flooder].packets_out) /
		seconds;
	result->p50[round] = load.p50_us;
	result->p99[round] = load.p99_us;
	result->requests += load.requests;
	result->errors += load.errors;
	return 0;
}

static double median(const double *values, unsigned int count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, count * sizeof(*values));
	return sample_median(sorted, count);
}

static void report(struct run *run, const char *mode, const struct flooded *quiet,
		   const struct flooded *flooded)
{
	unsigned int rounds = (unsigned int)run->values->rounds;
	struct table *table = NULL;
	double reference = 0;

	if (!run->values->json) {
		printf("\n%s, %g requests/s beside a flood of %s\n\n", mode, run->values->requests,
		       run->flood == FLOOD_SYN ? "SYNs" : "ACKs");
		table = table_new("peer|>flood, packets/s|>answered %|>p50 ms|>p99 ms|>p99 of "
				  "dropped|>without flood|>kept|>slab kB");
	}
	for (unsigned int i = 0; i < run->peer_count; i++)
		if (run->peers[i]->shielded)
			reference = median(flooded[i].p99, rounds);
	for (unsigned int i = 0; i < run->peer_count; i++) {
		double p99 = median(flooded[i].p99, rounds), packets, answered;
		char ratio[32] = "";

		packets = median(flooded[i].packets, rounds);
		answered = 100 * flooded[i].requests / (flooded[i].requests + flooded[i].errors);
		if (reference > 0)
			snprintf(ratio, sizeof(ratio), "%.2f", p99 / reference);
		if (table)
			table_row(table, "%s|%.0f|%.3f|%.2f|%.2f|%s|%.2f|%.0f|%.0f",
				  run->peers[i]->name, packets, answered,
				  median(flooded[i].p50, rounds) / 1e3, p99 / 1e3, ratio,
				  median(quiet[i].p99, rounds) / 1e3, flooded[i].kept,
				  flooded[i].slab);
		json_array_append_new(
			run->results,
			json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "peer",
				  run->peers[i]->name, "mode", mode, "flood_packets", packets,
				  "requests", flooded[i].requests, "errors", flooded[i].errors,
				  "p50_us", median(flooded[i].p50, rounds), "p99_us", p99,
				  "quiet_p99_us", median(quiet[i].p99, rounds), "quiet_errors",
				  quiet[i].errors, "kept", flooded[i].kept, "slab_kb",
				  flooded[i].slab));
	}
	if (table)
		table_print(table, stdout);
}

/* The rate that all peers get: what the core can send to the first one that has to look at it. */
static int calibrate(struct run *run, double *rate)
{
	struct flooded *trial = calloc(1, sizeof(*trial));
	unsigned int at = 0;
	int error;

	if (!trial)
		return failed("compare: out of memory");
	while (at + 1 < run->peer_count && run->peers[at]->shielded)
		at++;
	error = block(run, at, true, 0, true, 0, trial);
	*rate = trial->packets[0];
	free(trial);
	return error;
}

static int measure(struct run *run, const char *mode, double rate)
{
	struct flooded *quiet = calloc(PEERS_MAX, sizeof(*quiet));
	struct flooded *flooded = calloc(PEERS_MAX, sizeof(*flooded));
	int error = quiet && flooded ? 0 : failed("compare: out of memory");
	bool close = !strcmp(mode, "close");

	for (unsigned int round = 0; round < run->values->rounds && !error; round++)
		for (unsigned int i = 0; i < run->peer_count && !error; i++) {
			unsigned int at = (i + round) % run->peer_count;

			if (isatty(2))
				fprintf(stderr, "\r%s, round %u of %lu, %-10s", mode, round + 1,
					run->values->rounds, run->peers[at]->name);
			error = block(run, at, false, 0, close, round, &quiet[at]);
			if (!error)
				error = block(run, at, true, rate, close, round, &flooded[at]);
		}
	if (isatty(2))
		fprintf(stderr, "\r%40s\r", "");
	if (!error)
		report(run, mode, quiet, flooded);
	free(quiet);
	free(flooded);
	return error;
}

int run_under_flood(struct run *run)
{
	const char *modes = run->values->modes;
	double rate = run->values->flood_rate;
	int error = 0;

	if (!rate)
		error = calibrate(run, &rate);
	while (*modes && !error) {
		char mode[16];
		size_t length = strcspn(modes, ",");

		snprintf(mode, sizeof(mode), "%.*s", (int)length, modes);
		modes += length + (modes[length] == ',');
		error = measure(run, mode, rate);
	}
	return error;
}

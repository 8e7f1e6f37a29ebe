/* The same nodes, the same client, the same objects; the peers take turns within each round (so
 * drift hits all alike), or all run at once with --together, each on connections of its own, which
 * is the steadier way to compare what the fronts cost. Only requests answered in full count. */
#include "compare/compare.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "base/sample.h"
#include "base/table.h"
#include "compare/load.h"
#include "compare/meter.h"
#include "compare/peers.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PEERS_MAX = 8, ROUNDS_MAX = 100, HOSTS_MAX = 40, NODES = 4 };

struct values {
	const char *peers, *sizes, *modes, *frames;
	uint64_t rounds, connections;
	double seconds;
	bool together, json;
};

static const struct option_spec options[] = {
	{"peers", 0, OPTION_TEXT, "LIST", "of direct,haproxy,nginx,dnat,baton [all]",
	 offsetof(struct values, peers)},
	{"sizes", 0, OPTION_TEXT, "LIST", "of 100B,1KB,10KB,100KB,1MB [100B,10KB,100KB,1MB]",
	 offsetof(struct values, sizes)},
	{"modes", 0, OPTION_TEXT, "LIST", "keepalive, close or both [keepalive,close]",
	 offsetof(struct values, modes)},
	{"rounds", 'r', OPTION_COUNT, "N", "how often each is measured [5]",
	 offsetof(struct values, rounds), .least = 1, .most = ROUNDS_MAX},
	{"seconds", 'd', OPTION_NUMBER, "S", "for how long [2]", offsetof(struct values, seconds),
	 .least = 0.1, .most = 600},
	{"connections", 'c', OPTION_COUNT, "N", "connections of each load [32]",
	 offsetof(struct values, connections), .least = 1, .most = 10000},
	{"frames", 0, OPTION_TEXT, "KIND",
	 "mtu: frames as on a wire; gso: up to 64 KB, as veth has them [mtu]",
	 offsetof(struct values, frames), .choices = "mtu|gso"},
	{"together", 0, OPTION_FLAG, NULL, "all peers at the same time",
	 offsetof(struct values, together)},
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
};

/* What one peer did in one cell of the table, a value a round. */
struct cell {
	double rate[ROUNDS_MAX], p50[ROUNDS_MAX], p99[ROUNDS_MAX];
	double front_us[ROUNDS_MAX]; /* CPU of the front's host a request */
	double whole_us[ROUNDS_MAX]; /* of client, nodes and front; not when others run as well */
	double overhead[ROUNDS_MAX]; /* bytes over the front a byte delivered */
	double errors;
};

struct run {
	const struct values *values;
	char lab[32], program[PATH_MAX];
	const struct peer *peers[PEERS_MAX];
	unsigned int peer_count;
	pid_t pids[PEERS_MAX];
	char hosts[HOSTS_MAX][64]; /* namespaces being metered: the peers' own first */
	const char *names[HOSTS_MAX];
	unsigned int host_count;
	int front[PEERS_MAX]; /* index of the peer's host, -1 none */
	struct meter *meter;
	json_t *results;
};

/* Takes the next word of a comma-separated list. */
static bool next_word(const char **list, char *word, size_t room)
{
	size_t length = strcspn(*list, ",");

	if (!**list)
		return false;
	snprintf(word, room, "%.*s", (int)length, *list);
	*list += length + ((*list)[length] == ',');
	return true;
}

static int lab_command(struct run *run, const char *const *words)
{
	const char *argv[32] = {run->program, "lab"};
	struct buffer said = BUFFER_EMPTY;
	int count = 2, code;

	while (*words && count < 31)
		argv[count++] = *words++;
	code = process_run(argv, NULL, &said);
	if (code)
		failed("compare: %.*s", (int)said.length,
		       said.length ? said.data : "the lab can't be made");
	buffer_release(&said);
	return code;
}

static void add_host(struct run *run, const char *host)
{
	snprintf(run->hosts[run->host_count], sizeof(run->hosts[0]), "baton-%s-%s", run->lab, host);
	run->names[run->host_count] = run->hosts[run->host_count];
	run->host_count++;
}

/* Frames as a wire has them: nothing is cut or joined on the way. */
static int cut_frames(void *context)
{
	const char *const argv[] = {"ethtool", "-K",  "eth0", "tso", "off",
				    "gso",     "off", "gro",  "off", NULL};

	(void)context;
	return process_run(argv, NULL, NULL) ? 1 : 0;
}

static int set_up(struct run *run)
{
	char nodes[16];
	int error;

	snprintf(nodes, sizeof(nodes), "%d", NODES);
	if (lab_command(run, (const char *const[]){"up", "--name", run->lab, "-n", nodes, "--host",
						   "haproxy", "--host", "nginx", "--host", "dnat",
						   NULL}))
		return EXIT_FAILED;
	for (unsigned int i = 0; i < run->peer_count; i++) {
		run->front[i] = -1;
		if (!run->peers[i]->host)
			continue;
		run->front[i] = (int)run->host_count;
		add_host(run, run->peers[i]->host);
	}
	add_host(run, "client");
	for (int i = 1; i <= NODES; i++) {
		char host[16];

		snprintf(host, sizeof(host), "node%d", i);
		add_host(run, host);
	}
	for (unsigned int i = 0; i < run->host_count && !strcmp(run->values->frames, "mtu"); i++)
		if (process_within(run->names[i], cut_frames, NULL))
			return failed("compare: ethtool can't turn segmentation offload off");
	for (unsigned int i = 0; i < run->peer_count; i++) {
		if (!run->peers[i]->start)
			continue;
		run->pids[i] = run->peers[i]->start(run->peers[i], run->lab, NODES);
		if (run->pids[i] < 0)
			return failed_errno(run->pids[i], "compare: can't start %s",
					    run->peers[i]->name);
	}
	error = meter_open(run->names, run->host_count, &run->meter);
	return error ? failed_errno(error, "compare: can't measure CPU time by softirq.bpf.c") : 0;
}

static void tear_down(struct run *run)
{
	if (run->meter)
		meter_close(run->meter);
	for (unsigned int i = 0; i < run->peer_count; i++)
		if (run->pids[i] > 0) {
			kill(-run->pids[i], SIGTERM);
			waitpid(run->pids[i], NULL, 0);
		}
	lab_command(run, (const char *const[]){"down", "--name", run->lab, NULL});
}

/* Asks each peer until it answers once: servers take a moment to listen. */
static int await(struct run *run)
{
	for (unsigned int i = 0; i < run->peer_count; i++) {
		int code = -1;

		for (int tries = 0; tries < 300 && code; tries++) {
			char url[96];
			const char *const argv[] = {run->program, "lab",    "exec", "--name",
						    run->lab,	  "client", "--",   "curl",
						    "-sf",	  "-m",	    "5",    "-o",
						    "/dev/null",  url,	    NULL};

			snprintf(url, sizeof(url), "http://%s/100B", run->peers[i]->address);
			code = process_run(argv, NULL, NULL);
			if (code)
				poll(NULL, 0, 50);
		}
		if (code)
			return failed("compare: %s does not answer at %s", run->peers[i]->name,
				      run->peers[i]->address);
	}
	return 0;
}

/* One block: the loads of `from` .. `to` at once, measured. */
static int block(struct run *run, unsigned int from, unsigned int to, const char *size, bool close,
		 unsigned int round, struct cell *cells)
{
	struct reading before[HOSTS_MAX], after[HOSTS_MAX];
	struct load loads[PEERS_MAX] = {0};
	double whole = 0;
	int error;

	for (unsigned int i = from; i < to; i++)
		loads[i] = (struct load){.lab = run->lab,
					 .address = run->peers[i]->address,
					 .file = size,
					 .connections = run->values->connections,
					 .seconds = run->values->seconds,
					 .close = close};
	error = meter_read(run->meter, before);
	if (!error)
		loads_run(loads + from, to - from);
	if (!error)
		error = meter_read(run->meter, after);
	if (error)
		return failed_errno(error, "compare: can't read CPU times");
	for (unsigned int i = 0; i < run->host_count; i++)
		whole += (double)(int64_t)(after[i].cpu_ns - before[i].cpu_ns);
	for (unsigned int i = from; i < to; i++) {
		struct cell *cell = &cells[i];
		int front = run->front[i];

		if (loads[i].failure || loads[i].requests < 1)
			return failed("compare: the load on %s gave no answers",
				      run->peers[i]->name);
		cell->rate[round] = loads[i].rate;
		cell->p50[round] = loads[i].p50_us;
		cell->p99[round] = loads[i].p99_us;
		cell->errors += loads[i].errors;
		cell->whole_us[round] = whole / 1e3 / loads[i].requests;
		if (front < 0)
			continue;
		cell->front_us[round] =
			(double)(int64_t)(after[front].cpu_ns - before[front].cpu_ns) / 1e3 /
			loads[i].requests;
		cell->overhead[round] = (double)(after[front].bytes_in - before[front].bytes_in +
						 after[front].bytes_out - before[front].bytes_out) /
					loads[i].bytes;
	}
	return 0;
}

static json_t *three(struct interval interval)
{
	return json_pack("[f, f, f]", interval.middle, interval.low, interval.high);
}

/* Ratio peer / Baton, round by round. */
static struct interval ratio(const double *peer, const double *baton, unsigned int rounds)
{
	double ratios[ROUNDS_MAX];

	for (unsigned int i = 0; i < rounds; i++)
		ratios[i] = peer[i] / baton[i];
	return sample_ratio(ratios, rounds);
}

static void report(struct run *run, const char *size, const char *mode, struct cell *cells)
{
	unsigned int rounds = (unsigned int)run->values->rounds;
	const struct cell *baton = NULL;
	struct table *table = NULL;

	for (unsigned int i = 0; i < run->peer_count; i++)
		if (!strcmp(run->peers[i]->name, "baton"))
			baton = &cells[i];
	if (!run->values->json) {
		printf("\n%s, %s\n", size,
		       strcmp(mode, "close") ? "keep-alive" : "one connection a request");
		table = table_new("|>requests/s|>p50 us|>p99 us|>front us|>over "
				  "front|>errors|front, times Baton's");
	}
	for (unsigned int i = 0; i < run->peer_count; i++) {
		struct cell *cell = &cells[i], sorted = *cell;
		bool compared = baton && cell != baton && run->front[i] >= 0;
		struct interval times = {0};
		char text[64] = "";

		if (compared) {
			times = ratio(cell->front_us, baton->front_us, rounds);
			snprintf(text, sizeof(text), "%.3g (%.3g-%.3g)", times.middle, times.low,
				 times.high);
		}
		json_array_append_new(
			run->results,
			json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "size",
				  size, "mode", mode, "peer", run->peers[i]->name,
				  "requests_per_second", sample_median(sorted.rate, rounds),
				  "p50_us", sample_median(sorted.p50, rounds), "p99_us",
				  sample_median(sorted.p99, rounds), "front_us_per_request",
				  sample_median(sorted.front_us, rounds), "whole_us_per_request",
				  sample_median(sorted.whole_us, rounds), "front_bytes_per_byte",
				  sample_median(sorted.overhead, rounds), "errors", cell->errors,
				  "front_times_baton", compared ? three(times) : json_null()));
		if (table)
			table_row(table, "%s|%.0f|%.0f|%.0f|%.2f|%.3f|%.0f|%s", run->peers[i]->name,
				  sample_median(sorted.rate, rounds),
				  sample_median(sorted.p50, rounds),
				  sample_median(sorted.p99, rounds),
				  sample_median(sorted.front_us, rounds),
				  sample_median(sorted.overhead, rounds), cell->errors, text);
	}
	if (table)
		table_print(table, stdout);
	fflush(stdout);
}

static int measure(struct run *run, const char *size, const char *mode)
{
	struct cell *cells = calloc(PEERS_MAX, sizeof(*cells));
	int error = cells ? 0 : failed("compare: out of memory");

	for (unsigned int round = 0; round < run->values->rounds && !error; round++) {
		if (isatty(2))
			fprintf(stderr, "\r%s %s, round %u of %lu   ", size, mode, round + 1,
				run->values->rounds);
		if (run->values->together)
			error = block(run, 0, run->peer_count, size, !strcmp(mode, "close"), round,
				      cells);
		/* Each round begins with another peer. */
		for (unsigned int i = 0; i < run->peer_count && !run->values->together && !error;
		     i++) {
			unsigned int at = (i + round) % run->peer_count;

			error = block(run, at, at + 1, size, !strcmp(mode, "close"), round, cells);
		}
	}
	if (isatty(2))
		fprintf(stderr, "\r%40s\r", "");
	if (!error)
		report(run, size, mode, cells);
	free(cells);
	return error;
}

static int choose_peers(struct run *run, const char *list)
{
	char word[32];

	while (next_word(&list, word, sizeof(word))) {
		const struct peer *peer = peer_by_name(word);

		if (!peer || run->peer_count == PEERS_MAX)
			return misused("--peers: there is no peer '%s'; there are direct, haproxy, "
				       "nginx, dnat, baton",
				       word);
		run->peers[run->peer_count++] = peer;
	}
	return 0;
}

static int check_words(const char *list, const char *known, const char *option)
{
	char word[32], wrapped[40];

	while (next_word(&list, word, sizeof(word))) {
		snprintf(wrapped, sizeof(wrapped), ",%s,", word);
		if (!strstr(known, wrapped))
			return misused("--%s: '%s' is none of %s", option, word, known);
	}
	return 0;
}

static int run_compare(const struct command *self, int argc, char **argv)
{
	struct values values = {"direct,haproxy,nginx,dnat,baton",
				"100B,10KB,100KB,1MB",
				"keepalive,close",
				"mtu",
				5,
				32,
				2,
				false,
				false};
	struct run run = {.values = &values};
	const char *sizes, *modes;
	char size[32], mode[32];
	int error;

	command_parse(self, argc, argv, &values);
	if (check_words(values.sizes, ",100B,1KB,10KB,100KB,1MB,", "sizes") ||
	    check_words(values.modes, ",keepalive,close,", "modes") ||
	    choose_peers(&run, values.peers))
		return EXIT_USAGE;
	error = process_self(run.program);
	if (error)
		return failed_errno(error, "/proc/self/exe");
	snprintf(run.lab, sizeof(run.lab), "compare%d", getpid());
	run.results = json_array();
	error = set_up(&run);
	if (!error)
		error = await(&run);
	if (!error && !values.json) {
		printf("%d nodes of nginx, %lu connections, %lu rounds of %g s, %s, %s frames\n",
		       NODES, values.connections, values.rounds, values.seconds,
		       values.together ? "all at once" : "taking turns", values.frames);
		for (unsigned int i = 0; i < run.peer_count; i++)
			printf("  %-8s %s\n", run.peers[i]->name, run.peers[i]->about);
		printf("front us: CPU of the front's host a request (tasks and interrupts); over "
		       "front: bytes through "
		       "it\na byte delivered; times: geometric mean and 95 %% interval over the "
		       "rounds\n");
	}
	for (sizes = values.sizes; !error && next_word(&sizes, size, sizeof(size));)
		for (modes = values.modes; !error && next_word(&modes, mode, sizeof(mode));)
			error = measure(&run, size, mode);
	if (!error && values.json) {
		json_t *all =
			json_pack("{s:i, s:I, s:I, s:f, s:b, s:s, s:O}", "nodes", NODES,
				  "connections", (json_int_t)values.connections, "rounds",
				  (json_int_t)values.rounds, "seconds", values.seconds, "together",
				  values.together, "frames", values.frames, "results", run.results);

		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(all);
	}
	json_decref(run.results);
	tear_down(&run);
	return error;
}

const struct command command_compare = {
	.name = "compare",
	.summary = "Baton beside HAProxy, nginx, nftables and no balancer at all, as ratios",
	.description =
		"Makes a lab of four nodes with each peer on a host of its own, loads them and "
		"prints what the "
		"fronts cost. Interrupt time is charged to the host whose packets it handles.",
	.options = options,
	.run = run_compare,
};

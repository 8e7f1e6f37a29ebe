/* The same nodes, the same client, the same objects; the peers take turns within each round (so
 * drift hits all alike), or all run at once with --together, each on connections of its own, which
 * is the steadier way to compare what the fronts cost. Only requests answered in full count. */
#include "compare/compare.h"
#include "base/fail.h"
#include "base/process.h"
#include "compare/load.h"
#include "compare/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEER_NAMES                                                                                 \
	"direct, haproxy, nginx, dnat, dsr, xdp, splice, relay, baton, haproxy2, baton2, moved, "  \
	"dropped"

static const struct option_spec options[] = {
	{"peers", 0, OPTION_TEXT, "LIST",
	 "of " PEER_NAMES " [direct,haproxy,nginx,dnat,dsr,baton; "
	 "under a flood dropped,baton,haproxy,nginx]",
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
	{"flood", 0, OPTION_TEXT, "KIND",
	 "SYNs from strangers, or first data with made-up cookies, as many as one core can send",
	 offsetof(struct values, flood), .choices = "syn|ack"},
	{"flood-rate", 0, OPTION_NUMBER, "N", "the flood's packets a second [all that go]",
	 offsetof(struct values, flood_rate), .least = 1, .most = 1e8},
	{"requests", 0, OPTION_NUMBER, "N", "requests a second beside the flood [500]",
	 offsetof(struct values, requests), .least = 1, .most = 1e6},
	{"json", 0, OPTION_FLAG, NULL, "print one JSON object", offsetof(struct values, json)},
	{0},
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

/* One block: the loads of `from` .. `to` at once, measured. */
static int block(struct run *run, unsigned int from, unsigned int to,
		 const char (*files)[PATH_ROOM], bool close, unsigned int round, struct cell *cells)
{
	struct reading before[HOSTS_MAX], after[HOSTS_MAX];
	struct load loads[PEERS_MAX] = {0};
	unsigned int count = 0;
	int error;

	for (unsigned int i = from; i < to; i++)
		if (cells[i].active)
			loads[count++] = (struct load){.lab = run->labs[run->peers[i]->lab],
						       .address = run->peers[i]->address,
						       .file = files[i],
						       .connections = run->values->connections,
						       .seconds = run->values->seconds,
						       .turns = run->peers[i]->moves,
						       .close = close};
	error = meter_read(run->meter, before);
	if (!error)
		loads_run(loads, count);
	if (!error)
		error = meter_read(run->meter, after);
	if (error)
		return failed_errno(error, "compare: can't read CPU times");
	count = 0;
	for (unsigned int i = from; i < to; i++) {
		struct cell *cell = &cells[i];
		int front = run->front[i];
		const struct load *load;
		double whole = 0;

		if (!cell->active)
			continue;
		load = &loads[count++];
		if (load->failure || load->requests < 1)
			return failed("compare: the load on %s gave no answers",
				      run->peers[i]->name);
		/* Client and nodes of its lab, and no front but its own. */
		for (int host = 0; host < (int)run->host_count; host++)
			if (run->hosts[host].lab == run->peers[i]->lab &&
			    (!run->hosts[host].front || host == front))
				whole +=
					(double)(int64_t)(after[host].cpu_ns - before[host].cpu_ns);
		cell->rate[round] = load->rate;
		cell->p50[round] = load->p50_us;
		cell->p99[round] = load->p99_us;
		cell->moved[round] = load->switched / load->requests;
		cell->errors += load->errors;
		cell->whole_us[round] = (whole / 1e3 + load->cpu_us) / load->requests;
		if (front < 0)
			continue;
		cell->front_us[round] =
			(double)(int64_t)(after[front].cpu_ns - before[front].cpu_ns) / 1e3 /
			load->requests;
		cell->softirq_us[round] =
			(double)(int64_t)(after[front].softirq_ns - before[front].softirq_ns) /
			1e3 / load->requests;
		cell->overhead[round] = (double)(after[front].bytes_in - before[front].bytes_in +
						 after[front].bytes_out - before[front].bytes_out) /
					load->bytes;
		cell->packets[round] =
			(double)(after[front].packets_in - before[front].packets_in +
				 after[front].packets_out - before[front].packets_out) /
			load->requests;
	}
	return 0;
}

static int measure(struct run *run, const char *size, const char *mode)
{
	struct cell *cells = calloc(PEERS_MAX, sizeof(*cells));
	int error = cells ? 0 : failed("compare: out of memory");
	char files[PEERS_MAX][PATH_ROOM];
	bool close = !strcmp(mode, "close");

	for (unsigned int i = 0; i < run->peer_count && !error; i++) {
		/* A connection with one request has nowhere to move to. */
		cells[i].active = !close || !run->peers[i]->moves;
		snprintf(files[i], PATH_ROOM, "%s", size);
		if (run->peers[i]->moves && cells[i].active)
			error = run_moving_path(run, run->peers[i], size, files[i], PATH_ROOM);
	}
	for (unsigned int round = 0; round < run->values->rounds && !error; round++) {
		if (isatty(2))
			fprintf(stderr, "\r%s %s, round %u of %lu   ", size, mode, round + 1,
				run->values->rounds);
		if (run->values->together)
			error = block(run, 0, run->peer_count, files, close, round, cells);
		/* Each round begins with another peer. */
		for (unsigned int i = 0; i < run->peer_count && !run->values->together && !error;
		     i++) {
			unsigned int at = (i + round) % run->peer_count;

			error = block(run, at, at + 1, files, close, round, cells);
		}
	}
	if (isatty(2))
		fprintf(stderr, "\r%40s\r", "");
	if (!error)
		run_report_cell(run, size, mode, cells);
	free(cells);
	return error;
}

static int choose_peers(struct run *run, const char *list)
{
	char word[32];

	while (next_word(&list, word, sizeof(word))) {
		const struct peer *peer = peer_by_name(word);

		if (!peer || run->peer_count == PEERS_MAX)
			return misused("--peers: there is no peer '%s'; there are " PEER_NAMES,
				       word);
		if (peer->shielded && !run->flood)
			return misused("--peers: '%s' is something only with --flood", word);
		if (run->flood && (!peer->host || peer->lab != LAB_MAIN))
			return misused("--peers: '%s' is none for --flood", word);
		for (unsigned int i = 0; i < run->peer_count; i++)
			if (run->peers[i] == peer)
				return misused("--peers: '%s' is there twice", word);
		run->peers[run->peer_count++] = peer;
	}
	return run->peer_count ? 0 : misused("--peers: at least one of " PEER_NAMES);
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
	struct values values = {.sizes = "100B,10KB,100KB,1MB",
				.requests = 500,
				.modes = "keepalive,close",
				.frames = "mtu",
				.rounds = 5,
				.connections = 32,
				.seconds = 2};
	struct run run = {.values = &values};
	const char *sizes, *modes;
	char size[32], mode[32];
	int error;

	command_parse(self, argc, argv, &values);
	if (values.flood)
		run.flood = strcmp(values.flood, "syn") ? FLOOD_ACK : FLOOD_SYN;
	if (!values.peers)
		values.peers = run.flood ? "dropped,baton,haproxy,nginx"
					 : "direct,haproxy,nginx,dnat,dsr,baton";
	if (check_words(values.sizes, ",100B,1KB,10KB,100KB,1MB,", "sizes") ||
	    check_words(values.modes, ",keepalive,close,", "modes") ||
	    choose_peers(&run, values.peers))
		return EXIT_USAGE;
	error = process_self(run.program);
	if (error)
		return failed_errno(error, "/proc/self/exe");
	run.results = json_array();
	run.ratios = json_array();
	/* Before anything is started that is not to be on the flood's core. */
	error = run.flood ? flood_spare_core() : 0;
	if (error)
		error = failed_errno(error, "compare: --flood needs a core of its own");
	if (!error)
		error = run_set_up(&run);
	if (!error)
		run_report_begin(&run);
	if (!error && run.flood)
		error = run_under_flood(&run);
	for (sizes = values.sizes; !error && !run.flood && next_word(&sizes, size, sizeof(size));)
		for (modes = values.modes; !error && next_word(&modes, mode, sizeof(mode));)
			error = measure(&run, size, mode);
	if (!error)
		run_report_end(&run);
	json_decref(run.results);
	json_decref(run.ratios);
	run_tear_down(&run);
	return error;
}

const struct command command_compare = {
	.name = "compare",
	.summary = "Baton beside HAProxy, nginx, nftables and no balancer at all, as ratios",
	.description =
		"Makes a lab of four nodes with each peer on a host of its own, loads them and "
		"prints what the fronts cost. Interrupt time is charged to the host whose packets "
		"it handles.\n\nhaproxy2 and baton2 are second ones of the same kind: how far "
		"their ratio to the first is from 1 says how far the other ratios can be "
		"trusted. In 'moved' every request of a connection belongs to another node than "
		"the one before; put it beside 'baton' with --together.\n\nWith --flood a host of "
		"the lab "
		"sends as many packets as a core can to each peer, from addresses that are "
		"nobody's, "
		"while the client asks for the first of --sizes at --requests a second, on new and "
		"on "
		"kept connections; everything else stays off that core. 'dropped' is what could be "
		"reached: there the flood is dropped by the first lines that see it.",
	.options = options,
	.run = run_compare,
};

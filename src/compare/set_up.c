#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "compare/run.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 32, AWAIT_TRIES = 300, AWAIT_MS = 50 };

static int lab_command(struct run *run, const char *const *words)
{
	const char *argv[WORDS] = {run->program, "lab"};
	struct buffer said = BUFFER_EMPTY;
	int count = 2, code;

	while (*words && count < WORDS - 1)
		argv[count++] = *words++;
	code = process_run(argv, NULL, &said);
	if (code)
		failed("compare: %.*s", (int)said.length,
		       said.length ? said.data : "the lab can't be made");
	buffer_release(&said);
	return code;
}

static int add_host(struct run *run, enum peer_lab lab, const char *name)
{
	struct host *host = &run->hosts[run->host_count];
	char prefix[sizeof(run->labs[0])];

	strcpy(prefix, run->labs[lab]);
	snprintf(host->netns, sizeof(host->netns), "baton-%s-%s", prefix, name);
	host->lab = lab;
	return (int)run->host_count++;
}

static int make_lab(struct run *run, enum peer_lab lab)
{
	const char *words[WORDS] = {"up", "--name", run->labs[lab], "-n"};
	char nodes[16];
	int count = 4;

	snprintf(nodes, sizeof(nodes), "%d", NODES);
	words[count++] = nodes;
	for (int i = 0; lab == LAB_MAIN && peer_hosts[i]; i++) {
		words[count++] = "--extra";
		words[count++] = peer_hosts[i];
	}
	if (lab == LAB_MAIN && run->flood) {
		words[count++] = "--extra";
		words[count++] = FLOOD_HOST;
	}
	if (lab == LAB_MOVING)
		words[count++] = "--query";
	if (lab == LAB_BARE)
		words[count++] = "--bare";
	run->made[lab] = true;
	if (lab_command(run, words))
		return EXIT_FAILED;
	add_host(run, lab, "client");
	if (lab == LAB_MAIN && run->flood)
		run->flooder = add_host(run, lab, FLOOD_HOST);
	for (int i = 1; i <= NODES; i++) {
		char host[16];

		snprintf(host, sizeof(host), "node%d", i);
		add_host(run, lab, host);
	}
	return 0;
}

/* Frames as a wire has them: nothing is cut or joined on the way. */
static int cut_frames(void *context)
{
	const char *const argv[] = {"ethtool", "-K",  "eth0", "tso", "off",
				    "gso",     "off", "gro",  "off", NULL};

	(void)context;
	return process_run(argv, NULL, NULL) ? 1 : 0;
}

/* Asks each peer until it answers once: servers take a moment to listen. */
static int await(struct run *run)
{
	for (unsigned int i = 0; i < run->peer_count; i++) {
		const struct peer *peer = run->peers[i];
		int code = -1;

		for (int tries = 0; tries < AWAIT_TRIES && code; tries++) {
			char url[96];
			const char *const argv[] = {
				run->program, "lab", "exec",	  "--name", run->labs[peer->lab],
				"client",     "--",  "curl",	  "-sf",    "-m",
				"5",	      "-o",  "/dev/null", url,	    NULL};

			snprintf(url, sizeof(url), "http://%s/100B", peer->address);
			code = process_run(argv, NULL, NULL);
			if (code)
				poll(NULL, 0, AWAIT_MS);
		}
		if (code)
			return failed("compare: %s does not answer at %s", peer->name,
				      peer->address);
	}
	return 0;
}

/* The flood's host, and the way back to it. */
static int prepare_flood(struct run *run)
{
	const char *lab = run->labs[LAB_MAIN];
	char gateway[INET_ADDRSTRLEN];
	unsigned int before = 0;
	int error;

	while (peer_hosts[before])
		before++;
	snprintf(gateway, sizeof(gateway), "10.77.0.%u", 201 + before);
	error = flood_prepare(lab);
	for (unsigned int i = 0; i < run->peer_count && !error; i++)
		if (run->peers[i]->start)
			error = flood_route(lab, run->peers[i]->host, gateway);
	return error ? failed_errno(error, "compare: can't make the lab ready for a flood") : 0;
}

int run_set_up(struct run *run)
{
	static const char suffixes[PEER_LABS][2] = {"", "b", "m", "d"};
	const char *names[HOSTS_MAX];
	int error;

	for (int lab = 0; lab < PEER_LABS; lab++)
		snprintf(run->labs[lab], sizeof(run->labs[0]), "compare%d%.1s", getpid(),
			 suffixes[lab]);
	for (unsigned int i = 0; i < run->peer_count; i++) {
		const struct peer *peer = run->peers[i];

		run->front[i] = -1;
		if (!run->made[peer->lab] && make_lab(run, peer->lab))
			return EXIT_FAILED;
		if (!peer->host)
			continue;
		run->front[i] = add_host(run, peer->lab, peer->host);
		run->hosts[run->front[i]].front = true;
	}
	for (unsigned int i = 0; i < run->host_count; i++) {
		names[i] = run->hosts[i].netns;
		if (!strcmp(run->values->frames, "mtu") &&
		    process_within(names[i], cut_frames, NULL))
			return failed("compare: ethtool can't turn segmentation offload off");
	}
	for (unsigned int i = 0; i < run->peer_count; i++) {
		const struct peer *peer = run->peers[i];

		if (!peer->start)
			continue;
		run->pids[i] = peer->start(peer, run->labs[peer->lab], NODES);
		if (run->pids[i] < 0)
			return failed_errno(run->pids[i], "compare: can't start %s", peer->name);
	}
	if (run->flood && prepare_flood(run))
		return EXIT_FAILED;
	error = meter_open(names, run->host_count, &run->meter);
	if (error)
		return failed_errno(error, "compare: can't measure CPU time by softirq.bpf.c");
	return await(run);
}

void run_tear_down(struct run *run)
{
	if (run->meter)
		meter_close(run->meter);
	for (unsigned int i = 0; i < run->peer_count; i++)
		if (run->pids[i] > 0) {
			kill(-run->pids[i], SIGTERM);
			waitpid(run->pids[i], NULL, 0);
		}
	for (int lab = 0; lab < PEER_LABS; lab++)
		if (run->made[lab])
			lab_command(run,
				    (const char *const[]){"down", "--name", run->labs[lab], NULL});
}

/* Which node of the peer's lab a path belongs to; "" if that can't be had. */
static void node_of(struct run *run, const struct peer *peer, const char *path, char node[32])
{
	char url[128];
	const char *const argv[] = {run->program, "where", "--name", run->labs[peer->lab],
				    "--json",	  url,	   NULL};
	struct buffer said = BUFFER_EMPTY;
	json_t *answer = NULL;
	const char *name;

	snprintf(url, sizeof(url), "http://%s%s", peer->address, path);
	if (!process_run(argv, NULL, &said) && said.length)
		answer = json_loadb(said.data, said.length, 0, NULL);
	name = json_string_value(json_object_get(answer, "node"));
	snprintf(node, 32, "%s", name ? name : "");
	json_decref(answer);
	buffer_release(&said);
}

int run_moving_path(struct run *run, const struct peer *peer, const char *size, char *path,
		    size_t room)
{
	char before[32] = "", node[32], one[64];

	for (int i = 1; i < 64; i++) {
		snprintf(one, sizeof(one), "/%s?%d", size, i);
		node_of(run, peer, one, node);
		if (*before && *node && strcmp(before, node)) {
			snprintf(path, room, "%s?{%d..%d}", size, i - 1, i);
			return 0;
		}
		strcpy(before, node);
	}
	return failed("compare: no two targets of %s belong to two nodes", size);
}

/* A comparison under way: its labs, the hosts that are metered, what was measured. */
#ifndef BATON_COMPARE_RUN_H
#define BATON_COMPARE_RUN_H

#include "compare/flood.h"
#include "compare/peers.h"
#include "control/meter.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum { PEERS_MAX = 16, ROUNDS_MAX = 100, HOSTS_MAX = 48, NODES = 4, PATH_ROOM = 48 };

struct values {
	const char *peers, *sizes, *modes, *frames, *flood;
	uint64_t rounds, connections;
	double seconds, flood_rate, requests;
	bool together, json;
};

/* What one peer did in one cell of the table, a value a round. */
struct cell {
	bool active; /* the peer takes part */
	double rate[ROUNDS_MAX], p50[ROUNDS_MAX], p99[ROUNDS_MAX];
	double front_us[ROUNDS_MAX];   /* CPU of the front's host a request */
	double softirq_us[ROUNDS_MAX]; /* of these, in interrupts: packets, not processes */
	double whole_us[ROUNDS_MAX];   /* of client, nodes and front; not when others run as well */
	double overhead[ROUNDS_MAX];   /* bytes over the front a byte delivered */
	double packets[ROUNDS_MAX];    /* over the front, in and out, a request */
	double moved[ROUNDS_MAX];      /* share of answers from another node than the one before */
	double errors;
};

struct host {
	char netns[64];
	enum peer_lab lab;
	bool front;
};

struct run {
	const struct values *values;
	enum flood_kind flood;
	char labs[PEER_LABS][32], program[PATH_MAX];
	bool made[PEER_LABS];
	const struct peer *peers[PEERS_MAX];
	unsigned int peer_count;
	pid_t pids[PEERS_MAX];
	struct host hosts[HOSTS_MAX]; /* being metered */
	unsigned int host_count;
	int front[PEERS_MAX]; /* index of the peer's host, -1 none */
	int flooder;	      /* index of FLOOD_HOST, if there is a flood */
	struct meter *meter;
	json_t *results, *ratios;
};

/* Makes the labs that the chosen peers need, starts the peers and waits until each answers. Prints
 * what is wrong. Returns 0 or an exit code; tear_down is due either way. */
int run_set_up(struct run *run);
void run_tear_down(struct run *run);

/* For a peer that moves: a pattern of two paths of `size` that belong to two nodes of its lab.
 * Prints what is wrong. Returns 0 or an exit code. */
int run_moving_path(struct run *run, const struct peer *peer, const char *size, char *path,
		    size_t room);

/* under_flood.c: each peer's load without and with the flood, and the table of it. Prints what is
 * wrong. Returns 0 or an exit code. */
int run_under_flood(struct run *run);

/* Says on stdout what is being compared (nothing with --json). */
void run_report_begin(const struct run *run);
/* Prints a cell, and adds it to run->results and run->ratios. */
void run_report_cell(struct run *run, const char *size, const char *mode, const struct cell *cells);
/* The JSON object. */
void run_report_end(const struct run *run);

#endif

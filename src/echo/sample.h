/* What a server and its machine use, looked at twice a second by a thread of its own, each value
 * that of the interval since the last look: never an average since boot. */
#ifndef BATON_ECHO_SAMPLE_H
#define BATON_ECHO_SAMPLE_H

#include "echo/spread.h"

#include <stdio.h>
#include <sys/types.h>

struct sampler;

struct samples {
	struct spread cpu;	/* the server's process tree, % of one processor */
	struct spread machine;	/* all processors, % of all */
	struct spread memory;	/* KiB the machine uses more than before the server was started */
	struct spread pss;	/* KiB, proportional set size of the tree */
	struct spread switches; /* context switches of the machine, 1/s */
	unsigned int processes; /* of the tree, at most */
};

/* Memory that the machine uses now, in KiB, as `free` counts it. */
double sample_memory_used(void);

/* Processor time in ns that `root`, what it has forked and its ended children have used. */
uint64_t sample_tree_time(pid_t root);

/* Begins to look at `server` and what it forks, every `interval` ns; writes a row for each look to
 * `csv` unless that is NULL. `base_kib` is taken from the machine's memory. NULL: no thread. */
struct sampler *sampler_start(pid_t server, uint64_t interval, double base_kib, FILE *csv);

/* Forgets what was seen so far (not what was written): the measured time begins. */
void sampler_begin(struct sampler *sampler);

/* Ends and frees; what was seen goes to `samples`. */
void sampler_stop(struct sampler *sampler, struct samples *samples);

/* A counter of the kernel's network tables (/proc/net/snmp, /proc/net/netstat) in this network
 * namespace: "Tcp", "RetransSegs". 0 where the kernel hasn't it. */
uint64_t sample_counter(const char *group, const char *name);

#endif

/* What holds a lab's hosts to less than the machine could do: a share of a CPU for a host's
 * processes (the kernel's CFS bandwidth control, by a cgroup a host) and a rate for its cable (tbf,
 * a queue for each direction).
 *
 * A share binds processes. What the kernel does for a host's packets in interrupts, XDP and tc
 * programs among it, counts for nobody: a front that runs in the kernel is bound by its cable
 * alone, so whoever compares measures what it takes (control/meter.h). Frames that XDP sends do not
 * pass the queue of their own host, but that of the host they go to. */
#ifndef BATON_LAB_BOUNDS_H
#define BATON_LAB_BOUNDS_H

#include "base/command.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct bounds {
	const struct option_list *cpu;	/* "HOST=SHARE": of one CPU, 0.05 or 5% */
	const struct option_list *rate; /* "HOST=BITS": a second, 10m */
};

/* Checks the words. HOST is a host's name, or "node" for every node. Returns 0, or EXIT_USAGE with
 * a line on stderr. */
int bounds_check(const struct bounds *bounds);

/* Whether the first `length` bytes of a word name a host: its own name, or "node" for any node. */
bool bounds_of(const char *word, size_t length, const char *host);

/* The share and the rate that hold for a host; 0: none. */
double bounds_cpu(const struct bounds *bounds, const char *host);
uint64_t bounds_rate(const struct bounds *bounds, const char *host);

/* Makes the cgroups and lets what `list` starts begin in them; puts the queues on the cables.
 * Returns 0 or -1 with a line on stderr. */
int bounds_apply(const char *lab, const struct bounds *bounds, json_t *list);

/* Holds the cgroups to their shares from now on: once the hosts are up, since at a twentieth of a
 * CPU a daemon takes half a minute to load its programs. Returns 0 or -1 with a line on stderr. */
int bounds_hold(const char *lab, const struct bounds *bounds);

/* The file that a process writes its number to, to be held as the host is; false if the host is
 * not. `path` holds STATE_ROOM bytes. */
bool bounds_group(const char *lab, const char *host, char *path);

/* Takes the lab's cgroups away, once nothing is in them. */
void bounds_remove(const char *lab);

#endif

/* Nodes of a lab that are machines of QEMU with a kernel of their own. A node's namespace is then
 * the machine that hosts the guest:
 *
 *	eth0 --- br0 --- tap0 === guest 10.77.0.(10+N)	(namespace "nodeN")
 *
 * so lines, bounds and counters of a node's cable are the same as without. The guest runs this
 * host's own nginx and baton, from a disk that is packed for the lab, and in it a supervisor of its
 * own (`lab keep --here`). What it writes, logs too, goes with it. */
#ifndef BATON_LAB_GUESTS_H
#define BATON_LAB_GUESTS_H

#include "lab/state.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define LAB_HOSTS "namespace|qemu|qemu-kvm"

enum { GUESTS_READY_S = 600 }; /* emulated, on a busy machine, the kernel's verifier takes long */

struct guests {
	const char *host; /* one of LAB_HOSTS */
	const char *kernel,
		*initrd;  /* NULL: those of the image that `baton measure image` builds */
	uint64_t memory;  /* bytes, each */
	const char *root; /* a folder besides the lab's own that the servers need; NULL */
};

/* Whether nodes are guests. */
bool guests_wanted(const struct guests *guests);

/* Looks whether there is a kernel, of 6.9 or later, and a QEMU. Returns 0, or an exit code with a
 * line on stderr. */
int guests_check(const struct guests *guests);

/* Packs the disk for guests that run the processes of `inside`, an array with a node's list each,
 * and adds a QEMU for each to the lab's list. What the lab's folder has by now is on the disk.
 * Returns 0, or -1 with a line on stderr. */
int guests_add(const char *lab, const struct guests *guests, const json_t *inside, json_t *list);

/* Whether a host of the lab is a guest. */
bool guests_has(const char *lab, const char *host);

/* Runs a command in a guest, prints what it prints when it has ended, and returns its exit code. */
int guests_exec(const char *lab, const char *host, char *const argv[]);

#endif

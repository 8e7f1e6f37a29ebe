/* One run of the experiment in a lab that is up: receivers, monitor and generator are started, and
 * what they say is taken together. */
#ifndef BATON_DISTRIBUTION_RUN_H
#define BATON_DISTRIBUTION_RUN_H

#include "distribution/paper.h"

#include <limits.h>
#include <stdbool.h>

enum { HOST_GENERATOR, HOST_FRONT, HOST_RECEIVER, HOSTS = HOST_RECEIVER + RECEIVERS, POINTS = 20 };
enum { CLASSES = 5 };

extern const char *const host_names[HOSTS];    /* of the lab */
extern const char *const class_names[CLASSES]; /* the paper's, as the monitor writes them */

struct traffic {
	uint64_t packets, bytes;
};

struct run {
	double seconds;		    /* planned */
	uint64_t sent, messages;    /* by the generator */
	uint64_t errors;	    /* messages that could not be sent whole */
	uint64_t bytes[RECEIVERS];  /* received */
	uint64_t stored[RECEIVERS]; /* in their files */
	uint64_t wrong;		    /* blocks whose checksum is wrong, or that are cut */
	double over_time[POINTS];   /* imbalance of what had come by (i + 1) / POINTS of the run */
	struct traffic classes[HOSTS][CLASSES]; /* what the monitor saw */
	struct traffic in[HOSTS], out[HOSTS];	/* what the hosts' devices counted */
};

struct place {
	char program[PATH_MAX], lab[64], directory[PATH_MAX];
	const char *sizes;
	double rate;
};

/* Plays run `number` (its seed, too). Returns 0 or an exit code, having printed what is wrong. */
int run_play(const struct place *place, struct run *run, unsigned int number);

#endif

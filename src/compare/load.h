/* One load on one front, by `baton load closed` on the lab's client. */
#ifndef BATON_COMPARE_LOAD_H
#define BATON_COMPARE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct load {
	const char *lab, *address, *file; /* what to ask whom for */
	uint64_t connections;
	double seconds;
	double planned; /* requests a second whatever is answered; 0: as fast as it goes */
	bool close;	/* one connection a request */
	bool turns;	/* `file` is a pattern whose paths each connection takes in turn */

	/* What came of it. */
	double requests, errors, bytes, rate, p50_us, p99_us;
	double cpu_us;	 /* of the load's own process, which is gone when it has been waited for */
	double switched; /* answers from another node than the one before */
	int failure; /* 0, or -errno: the load could not be run or did not print what it should */
};

/* Runs all loads at the same time and waits for them. */
void loads_run(struct load *loads, unsigned int count);

#endif

/* How busy this host's processors are. */
#ifndef BATON_NODE_CPU_H
#define BATON_NODE_CPU_H

#include <stdint.h>

struct cpu {
	uint64_t read_ns, busy, all; /* when /proc/stat was read last, and its sums then */
	unsigned int permille;
};

/* The share of the last while (200 ms at least) in which they were busy, 0 .. 1000; all zero
 * begins. Keeps the last known one if it can't be read. */
unsigned int cpu_busy(struct cpu *cpu);

#endif

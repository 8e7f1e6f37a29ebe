/* CPU time of network interrupts, by the network namespace it was spent for: shared by
 * softirq.bpf.c and the command that reads it. */
#ifndef BATON_WIRE_SOFTIRQ_H
#define BATON_WIRE_SOFTIRQ_H

#include "wire/types.h"

enum { SOFTIRQ_CLASSES = 64 }; /* class 0: everything that has no class of its own */

/* Map `spent`: per-CPU array, index is the class. */
struct softirq_spent {
	__u64 packets_ns; /* network softirq time spent on packets of the class's namespaces */
	__u64 inlined_ns; /* softirq time of any kind that ran on top of the class's tasks */
};
WIRE_SIZE(struct softirq_spent, 16);

#endif

/* CPU time and bytes by host of a lab: what a front costs.
 *
 * The cost of a host is the CPU time of its tasks (the scheduler's own nanoseconds), less what
 * interrupts took on top of them, plus the network softirq time spent on its packets
 * (src/bpf/softirq.bpf.c). */
#ifndef BATON_CONTROL_METER_H
#define BATON_CONTROL_METER_H

#include <stdint.h>

struct meter;

struct reading {
	uint64_t cpu_ns;	      /* tasks + softirq, as above */
	uint64_t softirq_ns;	      /* of these, softirq */
	uint64_t bytes_in, bytes_out; /* over the host's eth0 */
	uint64_t packets_in, packets_out;
};

/* Begins to measure `count` namespaces by name. Returns 0 with *meter, or -errno. */
int meter_open(const char *const *namespaces, unsigned int count, struct meter **meter);
void meter_close(struct meter *meter);

/* Fills one reading a namespace, in the order given; all since some point in the past: take
 * differences. Returns 0 or -errno. */
int meter_read(struct meter *meter, struct reading *readings);

#endif

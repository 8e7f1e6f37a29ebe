#include "node/cpu.h"

#include "base/clock.h"

#include <stdio.h>

#define CPU_WHILE_NS (NS_PER_S / 5)

unsigned int cpu_busy(struct cpu *cpu)
{
	/* user, nice, system, idle, iowait, irq, softirq, steal */
	unsigned long long ticks[8] = {0};
	uint64_t now = clock_now(), all = 0, idle;
	FILE *file;
	int got;

	if (cpu->read_ns && now - cpu->read_ns < CPU_WHILE_NS)
		return cpu->permille;
	file = fopen("/proc/stat", "re");
	if (!file)
		return cpu->permille;
	got = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1],
		     &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]);
	fclose(file);
	if (got < 4)
		return cpu->permille;
	for (int i = 0; i < 8; i++)
		all += ticks[i];
	idle = ticks[3] + ticks[4];
	if (cpu->read_ns && all > cpu->all)
		cpu->permille = (unsigned int)(1000 * (all - idle - cpu->busy) / (all - cpu->all));
	if (cpu->permille > 1000)
		cpu->permille = 1000;
	cpu->read_ns = now;
	cpu->all = all;
	cpu->busy = all - idle;
	return cpu->permille;
}

#include "control/percpu.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int percpu_sum(int map, uint32_t index, uint64_t *words, unsigned int count)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *all;
	int error = 0;

	memset(words, 0, count * sizeof(*words));
	if (cpus < 0)
		return cpus;
	if (count > PERCPU_WORDS)
		return -EINVAL;
	all = calloc((size_t)cpus * count, sizeof(*all));
	if (!all)
		abort();
	if (bpf_map_lookup_elem(map, &index, all))
		error = -errno;
	for (unsigned int i = 0; !error && i < (unsigned int)cpus * count; i++)
		words[i % count] += all[i];
	free(all);
	return error;
}

#include "control/percpu.h"

#include "base/fail.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int percpu_sum_all(int map, uint32_t entries, uint64_t *words, unsigned int count)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t *keys, at, got = entries;
	uint64_t *all;
	size_t each;
	LIBBPF_OPTS(bpf_map_batch_opts, options);
	int error = 0;

	memset(words, 0, (size_t)entries * count * sizeof(*words));
	if (cpus < 0)
		return cpus;
	each = (size_t)cpus * count;
	all = calloc(entries, each * sizeof(*all));
	keys = calloc(entries, sizeof(*keys));
	if (!all || !keys)
		out_of_memory();
	/* ENOENT: it ends there. */
	if (bpf_map_lookup_batch(map, NULL, &at, keys, all, &got, &options) && errno != ENOENT)
		error = -errno;
	for (uint32_t i = 0; !error && i < got; i++)
		for (size_t j = 0; keys[i] < entries && j < each; j++)
			words[keys[i] * count + j % count] += all[i * each + j];
	free(keys);
	free(all);
	return error;
}

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
		out_of_memory();
	if (bpf_map_lookup_elem(map, &index, all))
		error = -errno;
	for (unsigned int i = 0; !error && i < (unsigned int)cpus * count; i++)
		words[i % count] += all[i];
	free(all);
	return error;
}

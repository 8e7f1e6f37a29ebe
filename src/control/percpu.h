/* Per-CPU maps read as one. */
#ifndef BATON_CONTROL_PERCPU_H
#define BATON_CONTROL_PERCPU_H

#include <stdint.h>

enum { PERCPU_WORDS = 256 };

/* Adds up the values of a per-CPU array's element over all CPUs, word by word: the value is `count`
 * (at most PERCPU_WORDS) 64-bit numbers. Returns 0 or -errno, with zeros in `words`. */
int percpu_sum(int map, uint32_t index, uint64_t *words, unsigned int count);

/* The same for the elements 0 .. `entries` - 1, with one system call for many: `words` gets `count`
 * numbers for each. Returns 0 or -errno, with zeros in `words`. */
int percpu_sum_all(int map, uint32_t entries, uint64_t *words, unsigned int count);

#endif

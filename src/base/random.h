/* Repeatable random numbers: xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64 (Steele
 * et al. 2014). The same seed gives the same numbers on every machine. Not for secrets. */
#ifndef BATON_BASE_RANDOM_H
#define BATON_BASE_RANDOM_H

#include <stdint.h>

struct random_state {
	uint64_t s[4];
};

void random_seed(struct random_state *random, uint64_t seed);
uint64_t random_next(struct random_state *random);

/* Uniform in [0, n), without bias (Lemire 2019); n > 0. */
uint64_t random_below(struct random_state *random, uint64_t n);

/* Uniform in (0, 1): never 0, so that its logarithm is finite. */
double random_unit(struct random_state *random);

#endif

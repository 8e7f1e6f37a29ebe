/* The most frequent keys of a stream in bounded memory: Space-Saving (Metwally, Agrawal and El
 * Abbadi, "Efficient computation of frequent and top-k elements in data streams", 2005), its
 * counters in a heap, so that weights need not be 1 (Cormode and Hadjieleftheriou, "Finding
 * frequent items in data streams", 2008).
 *
 * A key that has no counter takes over the smallest one with all it has counted; that is the key's
 * error. So a count is never too small, at most `error` too large, and no error is more than
 * total / counters: every key with a greater share than that is there. */
#ifndef BATON_BASE_SPACE_SAVING_H
#define BATON_BASE_SPACE_SAVING_H

#include <stddef.h>

struct space_saving;

struct space_saving_entry {
	const char *key; /* the counter's; until the next call that adds */
	size_t length;
	double count, error;
};

/* Never fails; `counters` must not be 0. */
struct space_saving *space_saving_new(unsigned int counters);
void space_saving_free(struct space_saving *saving);

/* Counts `weight` for a key (copied). */
void space_saving_add(struct space_saving *saving, const void *key, size_t length, double weight);

/* Multiplies all that was counted, errors and total too: by less than 1 it lets the past fade. */
void space_saving_scale(struct space_saving *saving, double factor);

double space_saving_total(const struct space_saving *saving);

/* Writes the keys with the largest counts, largest first, at most `most`. Returns how many. */
unsigned int space_saving_top(const struct space_saving *saving, struct space_saving_entry *entries,
			      unsigned int most);

#endif

#include "base/space_saving.h"
#include "base/fail.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };

struct counter {
	char *key;
	size_t length;
	uint32_t hash;
	int next;	   /* of the same bucket */
	unsigned int heap; /* where it is there */
	double count, error;
};

struct space_saving {
	unsigned int room, used, buckets;
	struct counter *counters;
	int *first;	    /* by bucket */
	unsigned int *heap; /* indices of counters; the smallest count is first */
	double total;
};

static void *checked(void *memory)
{
	if (!memory)
		out_of_memory();
	return memory;
}

static uint32_t hash_of(const unsigned char *bytes, size_t length)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash ^ hash >> 16;
}

struct space_saving *space_saving_new(unsigned int counters)
{
	struct space_saving *saving = checked(calloc(1, sizeof(*saving)));

	saving->room = counters;
	saving->buckets = 2 * counters;
	saving->counters = checked(calloc(counters, sizeof(*saving->counters)));
	saving->heap = checked(calloc(counters, sizeof(*saving->heap)));
	saving->first = checked(malloc(saving->buckets * sizeof(*saving->first)));
	for (unsigned int i = 0; i < saving->buckets; i++)
		saving->first[i] = NONE;
	return saving;
}

void space_saving_free(struct space_saving *saving)
{
	if (!saving)
		return;
	for (unsigned int i = 0; i < saving->used; i++)
		free(saving->counters[i].key);
	free(saving->counters);
	free(saving->heap);
	free(saving->first);
	free(saving);
}

static double count_at(const struct space_saving *saving, unsigned int place)
{
	return saving->counters[saving->heap[place]].count;
}

static void swap(struct space_saving *saving, unsigned int a, unsigned int b)
{
	unsigned int kept = saving->heap[a];

	saving->heap[a] = saving->heap[b];
	saving->heap[b] = kept;
	saving->counters[saving->heap[a]].heap = a;
	saving->counters[saving->heap[b]].heap = b;
}

static void sink(struct space_saving *saving, unsigned int place)
{
	for (;;) {
		unsigned int least = 2 * place + 1;

		if (least >= saving->used)
			return;
		if (least + 1 < saving->used &&
		    count_at(saving, least + 1) < count_at(saving, least))
			least++;
		if (count_at(saving, place) <= count_at(saving, least))
			return;
		swap(saving, place, least);
		place = least;
	}
}

static void rise(struct space_saving *saving, unsigned int place)
{
	while (place && count_at(saving, place) < count_at(saving, (place - 1) / 2)) {
		swap(saving, place, (place - 1) / 2);
		place = (place - 1) / 2;
	}
}

static void unlink_counter(struct space_saving *saving, unsigned int index)
{
	int *link = &saving->first[saving->counters[index].hash % saving->buckets];

	while (*link != (int)index)
		link = &saving->counters[*link].next;
	*link = saving->counters[index].next;
}

static struct counter *find(const struct space_saving *saving, const void *key, size_t length,
			    uint32_t hash)
{
	for (int i = saving->first[hash % saving->buckets]; i != NONE;
	     i = saving->counters[i].next) {
		struct counter *counter = &saving->counters[i];

		if (counter->hash == hash && counter->length == length &&
		    !memcmp(counter->key, key, length))
			return counter;
	}
	return NULL;
}

void space_saving_add(struct space_saving *saving, const void *key, size_t length, double weight)
{
	uint32_t hash = hash_of(key, length);
	struct counter *counter = find(saving, key, length, hash);
	unsigned int index;

	saving->total += weight;
	if (counter) {
		counter->count += weight;
		sink(saving, counter->heap);
		return;
	}
	if (saving->used < saving->room) {
		index = saving->used++;
		counter = &saving->counters[index];
		saving->heap[index] = index;
		counter->heap = index;
	} else {
		index = saving->heap[0];
		counter = &saving->counters[index];
		unlink_counter(saving, index);
		counter->error = counter->count;
	}
	counter->key = checked(realloc(counter->key, length ? length : 1));
	memcpy(counter->key, key, length);
	counter->length = length;
	counter->hash = hash;
	counter->next = saving->first[hash % saving->buckets];
	saving->first[hash % saving->buckets] = (int)index;
	counter->count += weight;
	sink(saving, counter->heap);
	rise(saving, counter->heap);
}

void space_saving_scale(struct space_saving *saving, double factor)
{
	for (unsigned int i = 0; i < saving->used; i++) {
		saving->counters[i].count *= factor;
		saving->counters[i].error *= factor;
	}
	saving->total *= factor;
}

double space_saving_total(const struct space_saving *saving)
{
	return saving->total;
}

static int larger_first(const void *a, const void *b)
{
	const struct space_saving_entry *one = a, *other = b;

	return (one->count < other->count) - (one->count > other->count);
}

unsigned int space_saving_top(const struct space_saving *saving, struct space_saving_entry *entries,
			      unsigned int most)
{
	struct space_saving_entry *all = checked(calloc(saving->room, sizeof(*all)));
	unsigned int count = saving->used < most ? saving->used : most;

	for (unsigned int i = 0; i < saving->used; i++)
		all[i] = (struct space_saving_entry){
			saving->counters[i].key, saving->counters[i].length,
			saving->counters[i].count, saving->counters[i].error};
	qsort(all, saving->used, sizeof(*all), larger_first);
	memcpy(entries, all, count * sizeof(*all));
	free(all);
	return count;
}

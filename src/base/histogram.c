#include "base/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct histogram *histogram_new(void)
{
	return calloc(1, sizeof(struct histogram));
}

void histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

unsigned int histogram_slot(uint64_t value)
{
	unsigned int shift;

	if (value < 2u << HISTOGRAM_BITS)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - HISTOGRAM_BITS;
	return (shift << HISTOGRAM_BITS) + (unsigned int)(value >> shift);
}

uint64_t histogram_slot_top(unsigned int slot)
{
	unsigned int shift;
	uint64_t part;

	if (slot < 2u << HISTOGRAM_BITS)
		return slot;
	shift = (slot >> HISTOGRAM_BITS) - 1;
	part = slot - ((uint64_t)shift << HISTOGRAM_BITS);
	return (part << shift) + ((1ull << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	if (!histogram->count || value < histogram->least)
		histogram->least = value;
	if (value > histogram->most)
		histogram->most = value;
	histogram->count++;
	histogram->sum += (double)value;
	histogram->squares += (double)value * (double)value;
	histogram->slots[histogram_slot(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	if (!from->count)
		return;
	if (!into->count || from->least < into->least)
		into->least = from->least;
	if (from->most > into->most)
		into->most = from->most;
	into->count += from->count;
	into->sum += from->sum;
	into->squares += from->squares;
	for (unsigned int i = 0; i < HISTOGRAM_SLOTS; i++)
		into->slots[i] += from->slots[i];
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
	double wanted = ceil(share * (double)histogram->count);
	uint64_t need = wanted < 1 ? 1 : (uint64_t)wanted, seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_SLOTS && histogram->count; i++) {
		seen += histogram->slots[i];
		if (seen >= need) {
			uint64_t top = histogram_slot_top(i);

			return top < histogram->most ? top : histogram->most;
		}
	}
	return histogram->most;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? histogram->sum / (double)histogram->count : 0;
}

double histogram_deviation(const struct histogram *histogram)
{
	double n = (double)histogram->count, spread;

	if (histogram->count < 2)
		return 0;
	spread = (histogram->squares - histogram->sum * histogram->sum / n) / (n - 1);
	return spread > 0 ? sqrt(spread) : 0;
}

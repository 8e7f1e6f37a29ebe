#include "measure/order.h"

#include "base/fail.h"
#include "base/random.h"
#include "measure/agreement.h"

#include <stdlib.h>
#include <string.h>

/* Fisher and Yates, by a seed. */
static void shuffle(void *list, size_t count, size_t size, uint64_t seed)
{
	struct random_state random;
	char *bytes = list, swap[64];

	random_seed(&random, seed);
	for (size_t i = count; i > 1; i--) {
		size_t j = random_below(&random, i);

		memcpy(swap, bytes + j * size, size);
		memcpy(bytes + j * size, bytes + (i - 1) * size, size);
		memcpy(bytes + (i - 1) * size, swap, size);
	}
}

struct place *order_places(const struct plan *plan, unsigned int round, size_t *count)
{
	size_t room = (size_t)plan->subject_count * plan->network_count * plan->memory_count;
	struct place *places = calloc(room + 1, sizeof(*places));

	if (!places)
		out_of_memory();
	*count = 0;
	for (unsigned int s = 0; s < plan->subject_count; s++)
		for (unsigned int n = 0; n < plan->network_count; n++)
			for (unsigned int m = 0; m < plan->memory_count; m++)
				places[(*count)++] = (struct place){&plan->subjects[s],
								    (enum network)plan->networks[n],
								    plan->memories[m]};
	shuffle(places, *count, sizeof(*places), plan->seed * 7919 + round);
	return places;
}

/* Whether `theirs` is another program's repetition that belongs beside `ours`. */
static bool beside(const struct plan *plan, const struct item *theirs, const struct item *ours)
{
	return theirs->repeat == ours->repeat && theirs->vantage == ours->vantage &&
	       agreement_partner(plan, theirs->workload) == ours->workload;
}

/* Copies shuffled items to `ordered`, others' programs' put at the place of ours. */
static void pair(const struct plan *plan, const struct item *shuffled, size_t count,
		 struct item *ordered)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		bool theirs_first = shuffled[i].repeat % 2 == 0, moved = false;

		for (size_t j = 0; j < count && !moved; j++)
			moved = beside(plan, &shuffled[i], &shuffled[j]);
		if (moved)
			continue;
		if (!theirs_first)
			ordered[used++] = shuffled[i];
		for (size_t j = 0; j < count; j++)
			if (beside(plan, &shuffled[j], &shuffled[i]))
				ordered[used++] = shuffled[j];
		if (theirs_first)
			ordered[used++] = shuffled[i];
	}
}

/* Every workload and vantage that has something to do is warmed up. */
static size_t warm_ups(const struct plan *plan, const struct item *todo, size_t count,
		       struct item *list)
{
	size_t used = 0;

	for (unsigned int w = 1; count && w <= plan->warm_up; w++)
		for (unsigned int i = 0; i < plan->workload_count; i++)
			for (unsigned int v = 0; v < plan->vantage_count; v++) {
				const struct item warm_up = {&plan->workloads[i],
							     (enum vantage)plan->vantages[v], w,
							     true};
				bool needed = false;

				for (size_t j = 0; j < count; j++)
					needed |= todo[j].workload == warm_up.workload &&
						  todo[j].vantage == warm_up.vantage;
				if (needed)
					list[used++] = warm_up;
			}
	return used;
}

struct item *
order_items(const struct plan *plan, const struct place *place, unsigned int round, uint64_t seed,
	    bool (*done)(const void *context, const struct place *place, const struct item *item),
	    const void *context, size_t *count, size_t *warm)
{
	size_t room = 1, used = 0, left = 0;
	struct item *list, *all;

	for (unsigned int i = 0; i < plan->workload_count; i++)
		room += (plan->workloads[i].repeats + plan->warm_up) * plan->vantage_count;
	all = calloc(room, sizeof(*all));
	list = calloc(room, sizeof(*list));
	if (!all || !list)
		out_of_memory();
	for (unsigned int i = 0; i < plan->workload_count; i++)
		for (unsigned int v = 0; v < plan->vantage_count; v++)
			for (unsigned int r = 1; r <= plan->workloads[i].repeats; r++)
				if ((r - 1) % plan->rounds + 1 == round)
					list[used++] = (struct item){
						&plan->workloads[i],
						(enum vantage)plan->vantages[v], r, false};
	/* The whole round is put in order, then what is done is left out: the order does not depend
	 * on where a run was broken off. */
	shuffle(list, used, sizeof(*list), seed);
	pair(plan, list, used, all);
	for (size_t i = 0; i < used; i++)
		if (!done(context, place, &all[i]))
			all[left++] = all[i];
	*warm = warm_ups(plan, all, left, list);
	memcpy(list + *warm, all, left * sizeof(*all));
	*count = *warm + left;
	free(all);
	return list;
}

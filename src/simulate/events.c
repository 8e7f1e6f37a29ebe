#include "simulate/events.h"

#include <errno.h>
#include <stdlib.h>

struct event {
	uint64_t at, order; /* equal times: first come, first served */
	uint32_t job;
};

struct heap {
	struct event *events;
	uint32_t count;
	uint64_t order;
};

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct heap *heap, uint64_t at, uint32_t job)
{
	struct event event = {at, heap->order++, job};
	uint32_t i = heap->count++;

	while (i && before(&event, &heap->events[(i - 1) / 2])) {
		heap->events[i] = heap->events[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap->events[i] = event;
}

static struct event heap_pop(struct heap *heap)
{
	struct event top = heap->events[0], last = heap->events[--heap->count];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < heap->count) {
		if (child + 1 < heap->count &&
		    before(&heap->events[child + 1], &heap->events[child]))
			child++;
		if (!before(&heap->events[child], &last))
			break;
		heap->events[i] = heap->events[child];
		i = child;
	}
	heap->events[i] = last;
	return top;
}

int events_run(uint32_t jobs, uint32_t resources, uint64_t spread, events_next *next, void *model,
	       uint64_t *busy)
{
	uint64_t *free_at = calloc(resources ? resources : 1, sizeof(*free_at));
	struct heap heap = {.events = calloc(jobs, sizeof(*heap.events))};

	if (!free_at || !heap.events) {
		free(free_at);
		free(heap.events);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < jobs; i++)
		heap_push(&heap, i * spread, i);
	while (heap.count) {
		struct event event = heap_pop(&heap);
		struct events_step step;
		uint64_t start;

		if (!next(model, event.job, event.at, &step))
			continue;
		start = event.at;
		if (step.resource != EVENTS_NOTHING) {
			if (free_at[step.resource] > start)
				start = free_at[step.resource];
			free_at[step.resource] = start + step.ns;
			if (busy)
				busy[step.resource] += step.ns;
		}
		heap_push(&heap, start + step.ns, event.job);
	}
	free(free_at);
	free(heap.events);
	return 0;
}

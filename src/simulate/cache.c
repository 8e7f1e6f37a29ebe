#include "simulate/cache.h"

#include "base/fail.h"
#include "place/hash.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

struct entry {
	uint32_t node, object;
	uint32_t chain;	       /* next with the same head */
	uint32_t newer, older; /* in the node's order of use */
	uint64_t size;
};

struct list {
	uint32_t newest, oldest;
	uint64_t bytes;
};

struct caches {
	struct entry *entries;
	uint32_t *heads;
	struct list *nodes;
	uint64_t bytes;
	uint32_t node_count, room, used, free, mask;
};

struct caches *caches_new(uint32_t nodes, uint64_t bytes)
{
	struct caches *caches = calloc(1, sizeof(*caches));

	if (!caches)
		return NULL;
	caches->room = 1024;
	caches->mask = 1023;
	caches->bytes = bytes;
	caches->node_count = nodes;
	caches->free = NONE;
	caches->entries = calloc(caches->room, sizeof(*caches->entries));
	caches->heads = calloc(caches->mask + 1u, sizeof(*caches->heads));
	caches->nodes = calloc(nodes, sizeof(*caches->nodes));
	if (!caches->entries || !caches->heads || !caches->nodes) {
		caches_free(caches);
		return NULL;
	}
	for (uint32_t i = 0; i <= caches->mask; i++)
		caches->heads[i] = NONE;
	for (uint32_t i = 0; i < nodes; i++)
		caches->nodes[i] = (struct list){NONE, NONE, 0};
	return caches;
}

void caches_free(struct caches *caches)
{
	if (!caches)
		return;
	free(caches->entries);
	free(caches->heads);
	free(caches->nodes);
	free(caches);
}

static uint32_t *head_of(struct caches *caches, uint32_t node, uint32_t object)
{
	return &caches->heads[place_mix((uint64_t)node << 32 | object) & caches->mask];
}

/* Twice the room; the heads are made anew. */
static void grow(struct caches *caches)
{
	uint32_t room = 2 * caches->room;

	caches->entries = realloc(caches->entries, room * sizeof(*caches->entries));
	caches->heads = realloc(caches->heads, room * sizeof(*caches->heads));
	if (!caches->entries || !caches->heads)
		exit(failed("simulate: out of memory for %u cached objects", room));
	caches->room = room;
	caches->mask = room - 1;
	for (uint32_t i = 0; i < room; i++)
		caches->heads[i] = NONE;
	for (uint32_t i = 0; i < caches->used; i++) {
		struct entry *entry = &caches->entries[i];
		uint32_t *head = head_of(caches, entry->node, entry->object);

		entry->chain = *head;
		*head = i;
	}
}

static void unlink_entry(struct caches *caches, uint32_t at)
{
	struct entry *entry = &caches->entries[at];
	struct list *list = &caches->nodes[entry->node];

	*(entry->newer == NONE ? &list->newest : &caches->entries[entry->newer].older) =
		entry->older;
	*(entry->older == NONE ? &list->oldest : &caches->entries[entry->older].newer) =
		entry->newer;
}

static void link_newest(struct caches *caches, uint32_t at)
{
	struct entry *entry = &caches->entries[at];
	struct list *list = &caches->nodes[entry->node];

	entry->newer = NONE;
	entry->older = list->newest;
	*(list->newest == NONE ? &list->oldest : &caches->entries[list->newest].newer) = at;
	list->newest = at;
}

static void evict(struct caches *caches, uint32_t at)
{
	struct entry *entry = &caches->entries[at];
	uint32_t *link = head_of(caches, entry->node, entry->object);

	while (*link != at)
		link = &caches->entries[*link].chain;
	*link = entry->chain;
	unlink_entry(caches, at);
	caches->nodes[entry->node].bytes -= entry->size;
	entry->chain = caches->free;
	caches->free = at;
}

bool caches_use(struct caches *caches, uint32_t node, uint32_t object, uint64_t size)
{
	struct list *list = &caches->nodes[node];
	uint32_t *head, at;

	for (at = *head_of(caches, node, object); at != NONE; at = caches->entries[at].chain) {
		if (caches->entries[at].node != node || caches->entries[at].object != object)
			continue;
		unlink_entry(caches, at);
		link_newest(caches, at);
		return true;
	}
	if (size > caches->bytes)
		return false;
	while (list->bytes + size > caches->bytes)
		evict(caches, list->oldest);
	if (caches->free != NONE) {
		at = caches->free;
		caches->free = caches->entries[at].chain;
	} else {
		/* All entries are in use here, so growing may follow every chain. */
		if (caches->used == caches->room)
			grow(caches);
		at = caches->used++;
	}
	head = head_of(caches, node, object);
	caches->entries[at] = (struct entry){node, object, *head, NONE, NONE, size};
	*head = at;
	list->bytes += size;
	link_newest(caches, at);
	return false;
}

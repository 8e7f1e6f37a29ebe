#include "place/targets.h"

#include "place/hash.h"

#include <stdlib.h>
#include <string.h>

/* Chains through an array, so that forgetting one leaves all others where they are: callers hold
 * pointers into it. */
struct entry {
	struct place_target_key key;
	struct place_target target;
	__u32 next; /* index + 1; 0: the last one */
};

struct place_targets {
	struct entry *entries;
	__u32 *heads; /* index + 1; 0: empty */
	__u32 room, mask, used, count;
	__u32 free; /* chain of forgotten entries */
};

struct place_targets *targets_new(__u32 room)
{
	struct place_targets *targets = calloc(1, sizeof(*targets));
	__u32 heads = 1;

	if (!targets)
		return NULL;
	while (heads < room)
		heads *= 2;
	targets->room = room;
	targets->mask = heads - 1;
	targets->entries = calloc(room, sizeof(*targets->entries));
	targets->heads = calloc(heads, sizeof(*targets->heads));
	if (!targets->entries || !targets->heads) {
		targets_free(targets);
		return NULL;
	}
	return targets;
}

void targets_free(struct place_targets *targets)
{
	if (!targets)
		return;
	free(targets->entries);
	free(targets->heads);
	free(targets);
}

__u32 targets_count(const struct place_targets *targets)
{
	return targets->count;
}

static __u32 *head_of(struct place_targets *targets, const struct place_target_key *key)
{
	__u64 owner = (__u64)key->pool << 32 | key->scope;

	return &targets->heads[place_mix(key->target + owner * PLACE_HASH_START) & targets->mask];
}

struct place_target *targets_find(struct place_targets *targets, const struct place_target_key *key)
{
	for (__u32 at = *head_of(targets, key); at; at = targets->entries[at - 1].next) {
		struct entry *entry = &targets->entries[at - 1];

		if (!memcmp(&entry->key, key, sizeof(*key)))
			return &entry->target;
	}
	return NULL;
}

struct place_target *targets_add(struct place_targets *targets, const struct place_target_key *key,
				 const struct place_target *first)
{
	struct place_target *old = targets_find(targets, key);
	struct entry *entry;
	__u32 *head, at;

	if (old)
		return old;
	if (targets->free) {
		at = targets->free;
		targets->free = targets->entries[at - 1].next;
	} else if (targets->used < targets->room) {
		at = ++targets->used;
	} else {
		return NULL;
	}
	head = head_of(targets, key);
	entry = &targets->entries[at - 1];
	memset(entry, 0, sizeof(*entry));
	entry->key = *key;
	entry->target = *first;
	entry->next = *head;
	*head = at;
	targets->count++;
	return &entry->target;
}

__u32 targets_evict(struct place_targets *targets, __u64 before_ns)
{
	__u32 gone = 0;

	for (__u32 i = 0; i <= targets->mask; i++) {
		for (__u32 *link = &targets->heads[i]; *link;) {
			__u32 at = *link;
			struct entry *entry = &targets->entries[at - 1];

			if (entry->target.used_ns >= before_ns) {
				link = &entry->next;
				continue;
			}
			*link = entry->next;
			entry->next = targets->free;
			targets->free = at;
			gone++;
		}
	}
	targets->count -= gone;
	return gone;
}

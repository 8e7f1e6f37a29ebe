/* What one cache holds and what it was asked for, by its own word: Squid's list of objects (cache
 * manager) and its log, the files of nginx's cache and its log, Varnish's counters. */
#ifndef BATON_LAB_INVENTORY_H
#define BATON_LAB_INVENTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct inventory {
	json_t *objects; /* key -> bytes, the same key on every node; NULL: the cache names none */
	uint64_t count, bytes; /* stored: objects, and their bytes with their heads */
	uint64_t requests,
		hits; /* of clients, since the cache began; hits: no word to the origin */
};

/* Fills the inventory of a cache of `kind` on `host`, which listens on `port`. Enters the host's
 * network namespace and stays there. Returns 0, -ENODATA when the cache does not answer, or -errno;
 * inventory_release in either case. */
int inventory_take(const char *lab, const char *host, const char *kind, unsigned int port,
		   struct inventory *inventory);
void inventory_release(struct inventory *inventory);

/* What the origin was asked for by caches, by its log. */
struct origin_count {
	uint64_t requests, bytes; /* answers, and the bytes of their bodies */
	uint64_t objects,
		object_bytes; /* different targets among those with 200, and their bodies */
};

/* Returns 0 or -errno. */
int inventory_origin(const char *lab, struct origin_count *count);

#endif

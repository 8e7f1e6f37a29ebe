/* Caches of many nodes: objects by number, least recently used out, bounded in bytes. */
#ifndef BATON_SIMULATE_CACHE_H
#define BATON_SIMULATE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct caches;

/* `bytes` for each of `nodes` nodes. NULL when memory is out. */
struct caches *caches_new(uint32_t nodes, uint64_t bytes);
void caches_free(struct caches *caches);

/* Node `node` needs the object: true if it has it. It has it afterwards, unless it is larger than
 * the whole cache. Out of memory ends the program. */
bool caches_use(struct caches *caches, uint32_t node, uint32_t object, uint64_t size);

#endif

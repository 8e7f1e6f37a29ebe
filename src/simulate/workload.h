/* What is asked for, in order: from a log, a table, a file of numbers, or a Zipf law. */
#ifndef BATON_SIMULATE_WORKLOAD_H
#define BATON_SIMULATE_WORKLOAD_H

#include "base/buffer.h"

#include <stddef.h>
#include <stdint.h>

struct workload_object {
	uint64_t target;    /* place_hash of the name */
	uint32_t carp, md5; /* as the kernel would compute them from the name */
	uint64_t size;
};

struct workload {
	uint32_t *requests; /* indices of objects */
	size_t count, room;
	struct workload_object *objects;
	uint32_t object_count, object_room;
	uint64_t bytes, unique_bytes; /* of all requests; of all objects */
	void *index;		      /* names to objects, while it is read */
};

/* Reads a trace of `format` "auto", "log" (Apache or nginx, common or combined), "table"
 * (tab-separated, the first line names the columns: one of url, path, target; bytes;
 * or without names: time, method, path, status, bytes) or "ids"
 * (big-endian 32-bit object numbers). `size` is an object's size where none is known. "auto": ids
 * for a file that isn't text, else table if the first line has tabs. An object's size is the
 * largest one seen. Returns 0, -EINVAL with the reason in `error`, or -errno. */
int workload_read(struct workload *trace, const char *path, const char *format, uint64_t size,
		  struct buffer *error);

/* `requests` requests for `objects` objects whose popularity falls as 1 / rank^alpha, of sizes by a
 * lognormal law (sigma 1.35, as SURGE has its bodies) with the mean `size`; the same seed gives the
 * same trace. Returns 0 or -ENOMEM. */
int workload_zipf(struct workload *trace, uint32_t objects, double alpha, size_t requests,
		  uint64_t size, uint64_t seed);

void workload_release(struct workload *trace);

/* Names object `name`, `length` bytes, and counts a request of `bytes` for it. */
void workload_add(struct workload *trace, const char *name, size_t length, uint64_t bytes);

#endif

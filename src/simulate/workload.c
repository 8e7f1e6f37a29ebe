#include "simulate/workload.h"

#include "base/fail.h"
#include "base/random.h"
#include "base/request_log.h"
#include "place/world.h"

#include "bpf/target.h"
#include "place/hash.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACE_FILE_MAX = 1 << 30 };

/* Objects by hash: open addressing, twice the room of the objects. */
struct index {
	uint32_t *slots; /* object + 1 */
	uint32_t mask;
};

static void *must(void *memory)
{
	if (!memory)
		exit(failed("simulate: out of memory for the trace"));
	return memory;
}

static void index_grow(struct workload *trace)
{
	struct index *index = trace->index;

	if (!index)
		index = trace->index = must(calloc(1, sizeof(*index)));
	trace->object_room = trace->object_room ? 2 * trace->object_room : 1024;
	trace->objects =
		must(realloc(trace->objects, trace->object_room * sizeof(*trace->objects)));
	free(index->slots);
	index->mask = 2 * trace->object_room - 1;
	index->slots = must(calloc(index->mask + 1u, sizeof(*index->slots)));
	for (uint32_t i = 0; i < trace->object_count; i++) {
		uint64_t at = trace->objects[i].target;

		while (index->slots[at & index->mask])
			at++;
		index->slots[at & index->mask] = i + 1;
	}
}

void workload_add(struct workload *trace, const char *name, size_t length, uint64_t bytes)
{
	static struct scratch scratch;
	struct target_text text = {.path_length = length < SCRATCH_SIZE ? length : SCRATCH_SIZE};
	struct workload_object *object;
	struct index *index;
	uint64_t target, at;

	if (trace->object_count == trace->object_room)
		index_grow(trace);
	index = trace->index;
	memcpy(scratch.bytes, name, text.path_length);
	target = text_hash(&scratch, &text);
	for (at = target; index->slots[at & index->mask]; at++)
		if (trace->objects[index->slots[at & index->mask] - 1].target == target)
			break;
	if (!index->slots[at & index->mask]) {
		index->slots[at & index->mask] = ++trace->object_count;
		trace->objects[trace->object_count - 1] = (struct workload_object){
			target, text_carp(&scratch, &text), text_md5(&scratch, &text), 0};
	}
	if (trace->count == trace->room) {
		trace->room = trace->room ? 2 * trace->room : 65536;
		trace->requests =
			must(realloc(trace->requests, trace->room * sizeof(*trace->requests)));
	}
	trace->requests[trace->count++] = index->slots[at & index->mask] - 1;
	object = &trace->objects[index->slots[at & index->mask] - 1];
	if (bytes > object->size)
		object->size = bytes;
}

/* The sums, when all is read; sizes that nothing said become `size`. */
static void finish(struct workload *trace, uint64_t size)
{
	struct index *index = trace->index;

	if (index)
		free(index->slots);
	free(index);
	trace->index = NULL;
	trace->bytes = trace->unique_bytes = 0;
	for (uint32_t i = 0; i < trace->object_count; i++) {
		if (!trace->objects[i].size)
			trace->objects[i].size = size;
		trace->unique_bytes += trace->objects[i].size;
	}
	for (size_t i = 0; i < trace->count; i++)
		trace->bytes += trace->objects[trace->requests[i]].size;
}

void workload_release(struct workload *trace)
{
	finish(trace, 0);
	free(trace->requests);
	free(trace->objects);
	memset(trace, 0, sizeof(*trace));
}

static uint64_t number(const char *text, const char *end)
{
	uint64_t value = 0;

	for (; text < end && *text >= '0' && *text <= '9' && value < 1ull << 50; text++)
		value = value * 10 + (*text - '0');
	return value;
}

/* A server's log, line by line; lines that are no request are passed over. `cached`: so are
 * requests that no cache answers (not GET or HEAD). */
static void log_read(struct workload *trace, char *line, const char *end, bool cached)
{
	for (char *stop; line < end; line = stop + 1) {
		struct logged_request request;

		stop = memchr(line, '\n', end - line);
		if (!stop)
			stop = line + (end - line);
		*stop = 0;
		if (stop > line && stop[-1] == '\r')
			stop[-1] = 0;
		if (logged_request_parse(line, &request) || !*request.target ||
		    (cached && strcmp(request.method, "GET") && strcmp(request.method, "HEAD")))
			continue;
		workload_add(trace, request.target, strlen(request.target), request.bytes);
	}
}

/* The `wanted`-th column of a line; NULL if there is none. */
static const char *column(const char *line, const char *end, int wanted, const char **stop)
{
	while (wanted--) {
		line = memchr(line, '\t', end - line);
		if (!line)
			return NULL;
		line++;
	}
	*stop = memchr(line, '\t', end - line);
	if (!*stop)
		*stop = end;
	return line;
}

static int named_column(const char *line, const char *end, const char *names)
{
	const char *at, *stop;
	char wanted[32];

	for (int i = 0; (at = column(line, end, i, &stop)); i++) {
		if (stop > at && stop[-1] == '\r')
			stop--;
		if (stop - at > 20)
			continue;
		snprintf(wanted, sizeof(wanted), "|%.*s|", (int)(stop - at), at);
		if (strstr(names, wanted))
			return i;
	}
	return -1;
}

static int table_read(struct workload *trace, char *data, const char *end, struct buffer *error)
{
	const char *line = data, *stop = memchr(data, '\n', end - data);
	int name, bytes;

	if (!stop)
		stop = end;
	name = named_column(line, stop, "|url|path|target|");
	bytes = named_column(line, stop, "|bytes|size|");
	if (name < 0) {
		/* Without names it may be a log, as share/traces has one: all of it is taken. */
		log_read(trace, data, end, false);
		if (trace->count)
			return 0;
		buffer_text(error, "the first line names no column url, path or target");
		return -EINVAL;
	}
	for (line = stop + 1; line < end; line = stop + 1) {
		const char *at, *after, *size, *size_end;

		stop = memchr(line, '\n', end - line);
		if (!stop)
			stop = end;
		at = column(line, stop, name, &after);
		if (!at || after == at)
			continue;
		size = bytes < 0 ? NULL : column(line, stop, bytes, &size_end);
		workload_add(trace, at, after - at, size ? number(size, size_end) : 0);
	}
	return 0;
}

int workload_read(struct workload *trace, const char *path, const char *format, uint64_t size,
		  struct buffer *error)
{
	struct buffer file = BUFFER_EMPTY;
	const char *end, *stop;
	int result = buffer_read_file(&file, path, TRACE_FILE_MAX);
	bool ids, table;

	memset(trace, 0, sizeof(*trace));
	if (result)
		goto out;
	end = file.data + file.length;
	stop = file.length ? memchr(file.data, '\n', file.length) : NULL;
	ids = !strcmp(format, "ids") ||
	      (!strcmp(format, "auto") && file.length && memchr(file.data, 0, file.length));
	table = !strcmp(format, "table") ||
		(!strcmp(format, "auto") && stop && memchr(file.data, '\t', stop - file.data));
	if (ids) {
		for (size_t at = 0; at + 4 <= file.length; at += 4)
			workload_add(trace, file.data + at, 4, 0);
	} else if (table) {
		result = table_read(trace, file.data, end, error);
	} else {
		log_read(trace, file.data, end, true);
	}
	if (!result && !trace->count) {
		buffer_text(error, "no request found in it");
		result = -EINVAL;
	}
	finish(trace, size);
out:
	buffer_release(&file);
	return result;
}

/* A normal number by Box and Muller. */
static double normal(struct random_state *random)
{
	return sqrt(-2 * log(random_unit(random))) * cos(2 * M_PI * random_unit(random));
}

int workload_zipf(struct workload *trace, uint32_t objects, double alpha, size_t requests,
		  uint64_t size, uint64_t seed)
{
	static const double sigma = 1.35;
	double *sums = calloc(objects, sizeof(*sums)), total = 0;
	struct random_state random;

	memset(trace, 0, sizeof(*trace));
	if (!sums)
		return -ENOMEM;
	random_seed(&random, seed);
	for (uint32_t i = 0; i < objects; i++) {
		char name[32];
		double bytes = size * exp(sigma * normal(&random) - sigma * sigma / 2);
		int length = snprintf(name, sizeof(name), "/%u", i);

		total += pow(i + 1, -alpha);
		sums[i] = total;
		workload_add(trace, name, length, bytes < 1 ? 1 : bytes);
	}
	/* Naming them was no request. */
	trace->count = 0;
	for (size_t k = 0; k < requests; k++) {
		double at = random_unit(&random) * total;
		uint32_t low = 0, high = objects - 1;
		char name[32];
		int length;

		while (low < high) {
			uint32_t middle = (low + high) / 2;

			if (sums[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		length = snprintf(name, sizeof(name), "/%u", low);
		workload_add(trace, name, length, 0);
	}
	free(sums);
	finish(trace, size);
	return 0;
}

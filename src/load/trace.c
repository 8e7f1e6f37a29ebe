#include "load/trace.h"

#include "base/fail.h"
#include "base/request_log.h"
#include "load/content.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Out of memory ends the program, as in base/buffer.h: a load without its requests is none. */
static void *grown(void *memory, size_t count, size_t size)
{
	memory = reallocarray(memory, count, size);
	if (!memory) {
		failed("no memory for the trace");
		exit(EXIT_FAILED);
	}
	return memory;
}

static uint64_t hash_of(const char *text)
{
	return content_seed(text);
}

static void index_add(struct trace *trace, uint32_t path)
{
	size_t slot = hash_of(trace->paths[path].path) & (trace->index_room - 1);

	while (trace->index[slot])
		slot = (slot + 1) & (trace->index_room - 1);
	trace->index[slot] = path + 1;
}

/* The index of `text` among the paths, added when it is new. */
static uint32_t path_of(struct trace *trace, const char *text)
{
	char name[PATH_MAX];
	struct trace_path *path;

	if (trace->index_room <= trace->path_count * 2) {
		trace->index_room = trace->index_room ? trace->index_room * 2 : 1024;
		free(trace->index);
		trace->index = grown(NULL, trace->index_room, sizeof(*trace->index));
		memset(trace->index, 0, trace->index_room * sizeof(*trace->index));
		for (size_t i = 0; i < trace->path_count; i++)
			index_add(trace, (uint32_t)i);
	}
	for (size_t slot = hash_of(text) & (trace->index_room - 1); trace->index[slot];
	     slot = (slot + 1) & (trace->index_room - 1))
		if (!strcmp(trace->paths[trace->index[slot] - 1].path, text))
			return trace->index[slot] - 1;
	if (trace->path_count == trace->path_room) {
		trace->path_room = trace->path_room ? trace->path_room * 2 : 256;
		trace->paths = grown(trace->paths, trace->path_room, sizeof(*trace->paths));
	}
	path = &trace->paths[trace->path_count++];
	*path = (struct trace_path){.path = strdup(text)};
	if (!content_name(text, name, sizeof(name)))
		path->name = strdup(name);
	index_add(trace, (uint32_t)trace->path_count - 1);
	return (uint32_t)trace->path_count - 1;
}

static enum trace_method method_of(const char *text)
{
	return !strcmp(text, "GET") ? TRACE_GET : !strcmp(text, "HEAD") ? TRACE_HEAD : TRACE_OTHER;
}

static int entry_add(struct trace *trace, const struct logged_request *request)
{
	struct trace_entry *entry;
	struct trace_path *target;

	if (*request->target != '/')
		return -EINVAL;
	/* What would end the request line early can't be sent. */
	for (const char *c = request->target; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return -EINVAL;
	if (trace->count == trace->room) {
		trace->room = trace->room ? trace->room * 2 : 4096;
		trace->entries = grown(trace->entries, trace->room, sizeof(*trace->entries));
	}
	entry = &trace->entries[trace->count++];
	*entry = (struct trace_entry){request->time, request->bytes,
				      path_of(trace, request->target), (uint16_t)request->status,
				      (uint8_t)method_of(request->method)};
	target = &trace->paths[entry->path];
	target->count++;
	if (entry->method != TRACE_GET ||
	    (entry->status != 200 && (entry->status != 206 || target->present)))
		return 0;
	target->present |= entry->status == 200;
	if (entry->bytes > target->length)
		target->length = entry->bytes;
	return 0;
}

int trace_line(struct trace *trace, char *line)
{
	struct logged_request request;
	int error = logged_request_parse(line, &request);

	return error ? error : entry_add(trace, &request);
}

static int by_name(const void *a, const void *b)
{
	const struct trace_path *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

void trace_settle(struct trace *trace)
{
	struct trace_path **named = grown(NULL, trace->path_count + 1, sizeof(*named));
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < trace->path_count; i++) {
		struct trace_path *path = &trace->paths[i];

		path->directory = false;
		/* Only ever answered in part: there is a file, at least this long. */
		path->present |= path->length > 0;
		if (path->name)
			named[count++] = path;
	}
	qsort(named, count, sizeof(*named), by_name);
	/* Several paths, with other queries or spellings, may stand for one file. */
	for (size_t i = 0, j; i < count; i = j) {
		uint64_t length = 0;
		bool present = false;

		for (j = i; j < count && !strcmp(named[j]->name, named[i]->name); j++) {
			length = named[j]->length > length ? named[j]->length : length;
			present |= named[j]->present;
		}
		for (size_t k = i; k < j; k++) {
			named[k]->length = length;
			named[k]->present = present;
			named[k]->duplicate = k > i;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (named[i]->present)
			named[kept++] = named[i];
	count = kept;
	/* A name that another one continues with '/' is a directory. Other names ("/a-b") may sort
	 * between the two, so each name looks for its own continuation. */
	for (size_t i = 0; i < count; i++) {
		char *below;
		struct trace_path key = {0}, *key_of = &key;
		size_t low = i, high = count;

		if (asprintf(&below, "%s/", named[i]->name) < 0)
			below = grown(NULL, 1, 1), *below = 0;
		key.name = below;
		while (low < high) {
			size_t middle = (low + high) / 2;

			if (by_name(&named[middle], &key_of) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		named[i]->directory =
			low < count && !strncmp(named[low]->name, below, strlen(below));
		free(below);
	}
	free(named);
}

int trace_read(struct trace *trace, const char *file)
{
	size_t room = 0, before = trace->count;
	char *line = NULL;
	ssize_t length;
	FILE *in;
	int result = 0;

	in = fopen(file, "re");
	if (!in)
		return -errno;
	for (uint64_t number = 1; (length = getline(&line, &room, in)) > 0; number++) {
		while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
			line[--length] = 0;
		if (!length || *line == '#' || strlen(line) != (size_t)length)
			continue;
		trace->lines++;
		if (!trace_line(trace, line))
			continue;
		/* The names of the columns are no bad line. */
		if (number == 1 && (strcasestr(line, "method") || strcasestr(line, "host") ||
				    strcasestr(line, "time"))) {
			trace->lines--;
			continue;
		}
		trace->bad++;
		if (!trace->first_bad)
			trace->first_bad = number;
	}
	if (ferror(in))
		result = -EIO;
	else if (trace->count == before)
		result = -EINVAL;
	free(line);
	fclose(in);
	trace_settle(trace);
	return result;
}

void trace_release(struct trace *trace)
{
	for (size_t i = 0; i < trace->path_count; i++) {
		free(trace->paths[i].path);
		free(trace->paths[i].name);
	}
	free(trace->entries);
	free(trace->paths);
	free(trace->index);
	memset(trace, 0, sizeof(*trace));
}

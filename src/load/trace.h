/* A web server's log as a list of requests, in the forms of base/request_log.h. A first line that
 * names columns is passed over. */
#ifndef BATON_LOAD_TRACE_H
#define BATON_LOAD_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request target and what the whole trace says of it. */
struct trace_path {
	char *path;	 /* as it was asked for, with its query */
	char *name;	 /* the file (load/content.h); NULL when no file can stand for it */
	uint64_t length; /* of the file: the largest body of a GET answered 200; of 206 failing that
			  */
	uint64_t count;	 /* how often it is asked for */
	bool present;	 /* there is such a file */
	bool duplicate;	 /* another path of the same name comes before */
	bool directory;	 /* other names lie below it, so it can't be a file */
};

enum trace_method { TRACE_GET, TRACE_HEAD, TRACE_OTHER };

struct trace_entry {
	double time;
	uint64_t bytes; /* as logged */
	uint32_t path;	/* index into paths */
	uint16_t status;
	uint8_t method; /* enum trace_method */
};

struct trace {
	struct trace_entry *entries;
	size_t count, room;
	struct trace_path *paths;
	size_t path_count, path_room;
	uint32_t *index; /* hash of path -> 1 + index into paths; open addressing */
	size_t index_room;
	uint64_t lines, bad; /* lines read; lines that are no request */
	uint64_t first_bad;  /* number of the first bad line, from 1; 0 for none */
};

/* Reads a file, in the order of its lines, and settles what each path's file is: several files make
 * one trace. Returns 0, -EINVAL when nothing in it is a request, or -errno. `trace` is zeroed or
 * was read into before; release gives everything back. */
int trace_read(struct trace *trace, const char *file);
void trace_release(struct trace *trace);

/* Takes one line (without its end) apart into `trace`. Returns 0 or -EINVAL. */
int trace_line(struct trace *trace, char *line);

/* Marks what can't be a file beside the others, once all lines are in. */
void trace_settle(struct trace *trace);

#endif

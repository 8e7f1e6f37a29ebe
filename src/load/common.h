/* What the kinds of HTTP load have in common: options, set-up, run and output. */
#ifndef BATON_LOAD_COMMON_H
#define BATON_LOAD_COMMON_H

#include "base/command.h"
#include "load/engine.h"
#include "load/target.h"

#include <jansson.h>
#include <stddef.h>

struct load_options {
	uint64_t connections, per_connection, pipeline, requests, size, seed, rounds;
	uint64_t duration, timeout, interval, step, ramp, users, files;
	double speed;
	bool close, json, verify, resume, timed, poisson, quiet, turns;
	const char *look_up, *source, *node_header, *server_name, *authorities, *csv, *html, *url,
		*paths, *rate;
	const char *trace, *preset, *list;
	struct option_list headers;
};

#define LOAD_DEFAULTS                                                                              \
	{                                                                                          \
		.connections = 10, .pipeline = 1, .timeout = 30000000000ull,                       \
		.interval = 1000000000ull, .node_header = "X-Node", .speed = 1, .rounds = 1,       \
		.step = 10000000000ull,                                                            \
	}

#define LOAD_AT(field) offsetof(struct load_options, field)

/* Rows of the option table that every kind has where requests are given to connections. */
#define LOAD_OPTIONS                                                                               \
	{"connections",	       'c',	   OPTION_COUNT,   "N", "connections at once [10]",        \
	 LOAD_AT(connections), .least = 1, .most = 1000000},                                       \
		{"pipeline",                                                                       \
		 0,                                                                                \
		 OPTION_COUNT,                                                                     \
		 "N",                                                                              \
		 "requests sent at once over a connection [1]",                                    \
		 LOAD_AT(pipeline),                                                                \
		 .least = 1,                                                                       \
		 .most = 1024},                                                                    \
		LOAD_OPTIONS_OF_USERS

/* The same without what users decide themselves: how many connections, and what is sent at once. */
#define LOAD_OPTIONS_OF_USERS                                                                      \
	{"close", 0, OPTION_FLAG, NULL, "one connection a request", LOAD_AT(close)},               \
		{"per-connection",                                                                 \
		 0,                                                                                \
		 OPTION_COUNT,                                                                     \
		 "N",                                                                              \
		 "requests over one connection, then a new one [as many as the server likes]",     \
		 LOAD_AT(per_connection)},                                                         \
		{"timeout",                                                                        \
		 0,                                                                                \
		 OPTION_DURATION,                                                                  \
		 "TIME",                                                                           \
		 "a request not answered by then is an error [30]",                                \
		 LOAD_AT(timeout),                                                                 \
		 .least = 0.01,                                                                    \
		 .most = 86400},                                                                   \
		{"look-up",                                                                        \
		 0,                                                                                \
		 OPTION_TEXT,                                                                      \
		 "WHEN",                                                                           \
		 "the host's name: once, or for each connection (or user) before the run, as "     \
		 "hosts of their own would: once|each [once]",                                     \
		 LOAD_AT(look_up),                                                                 \
		 .choices = "once|each"},                                                          \
		{"source",                                                                         \
		 0,                                                                                \
		 OPTION_TEXT,                                                                      \
		 "LIST",                                                                           \
		 "addresses to come from, in turn: A,B or a range A-B",                            \
		 LOAD_AT(source)},                                                                 \
		{"header", 'H', OPTION_LIST, "LINE", "a further header line", LOAD_AT(headers)},   \
		{"node-header",                                                                    \
		 0,                                                                                \
		 OPTION_TEXT,                                                                      \
		 "NAME",                                                                           \
		 "the header of answers that names the node [X-Node]",                             \
		 LOAD_AT(node_header)},                                                            \
		{"server-name",                                                                    \
		 0,                                                                                \
		 OPTION_TEXT,                                                                      \
		 "NAME",                                                                           \
		 "the name to ask for in TLS [the URL's host]",                                    \
		 LOAD_AT(server_name)},                                                            \
		{"authorities",                                                                    \
		 0,                                                                                \
		 OPTION_TEXT,                                                                      \
		 "FILE",                                                                           \
		 "check the server's certificate against these (PEM) [not checked]",               \
		 LOAD_AT(authorities)},                                                            \
		{"resume", 0, OPTION_FLAG, NULL, "resume TLS sessions", LOAD_AT(resume)},          \
		{"interval",                                                                       \
		 0,                                                                                \
		 OPTION_DURATION,                                                                  \
		 "TIME",                                                                           \
		 "of the time series [1]",                                                         \
		 LOAD_AT(interval),                                                                \
		 .least = 0.01,                                                                    \
		 .most = 3600},                                                                    \
		{"json", 0, OPTION_FLAG, NULL, "print one JSON object", LOAD_AT(json)},            \
		{"csv", 0, OPTION_TEXT, "FILE", "write the time series", LOAD_AT(csv)},            \
	{                                                                                          \
		"html", 0, OPTION_TEXT, "FILE", "write a report with charts", LOAD_AT(html)        \
	}

/* Options of some kinds. */
#define LOAD_OPTION_DURATION                                                                       \
	{                                                                                          \
		"duration", 'd', OPTION_DURATION, "TIME", "end after this time [10]",              \
			LOAD_AT(duration)                                                          \
	}
#define LOAD_OPTION_REQUESTS                                                                       \
	{                                                                                          \
		"requests", 'n', OPTION_COUNT, "N", "end after this many requests",                \
			LOAD_AT(requests)                                                          \
	}
#define LOAD_OPTION_VERIFY                                                                         \
	{                                                                                          \
		"verify", 0, OPTION_FLAG, NULL,                                                    \
			"check every byte of the bodies, which 'baton load content' wrote",        \
			LOAD_AT(verify)                                                            \
	}
#define LOAD_OPTION_SIZE                                                                           \
	{                                                                                          \
		"size", 0, OPTION_COUNT, "BYTES", "the length that every body must have [any]",    \
			LOAD_AT(size)                                                              \
	}
#define LOAD_OPTION_PATHS                                                                          \
	{                                                                                          \
		"paths", 0, OPTION_TEXT, "FILE", "paths to ask for at random, one a line",         \
			LOAD_AT(paths)                                                             \
	}
#define LOAD_OPTION_SEED                                                                           \
	{                                                                                          \
		"seed", 0, OPTION_COUNT, "N", "of the random choice [0]", LOAD_AT(seed)            \
	}

/* Reads "10.0.0.1-10.0.0.9,10.0.1.5" into a new row of socket addresses (port 0), the caller's to
 * free. Returns how many, or -EINVAL (also for ranges above 65,536). */
int load_sources(const char *list, struct sockaddr_storage **sources);

/* The targets of `url`: its path as a pattern ({A..B}), or each line of options->paths, with what
 * --verify, --size and --header say. Prints what is wrong. Returns 0 or an exit code. */
int load_targets(const struct load_options *options, struct url *url, struct targets *targets);

/* Parses and looks up the URL. Prints what is wrong. Returns 0 or an exit code. */
int load_url(struct url *url, const char *text);

/* Plays `source` and prints what came of it in the form that was asked for. `extra` (may be NULL)
 * is merged into the JSON object and given back. Returns the exit code: EXIT_FAILED where not a
 * single request came back right, or an output could not be written. */
int load_play(const struct load_options *options, struct url *url, struct source *source,
	      struct tally *tally, const char *title, json_t *extra);

/* The same without the output: fills `tally`. Prints what is wrong. Returns 0 or an exit code. */
int load_run(const struct load_options *options, struct url *url, struct source *source,
	     struct tally *tally);

#endif

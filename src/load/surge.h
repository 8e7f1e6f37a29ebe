/* SURGE: a web workload from the laws that Barford and Crovella found (Generating Representative
 * Web Workloads for Network and Server Performance Evaluation, SIGMETRICS 1998). The values of the
 * laws are theirs.
 *
 * Files have sizes from a lognormal body with a Pareto tail. How often each file is asked for
 * follows Zipf; which file gets which rank is chosen so that the sizes of all requests follow their
 * own Pareto law. Files are bases of documents, embedded in them, or loners (documents alone). The
 * order of the requests is drawn so that LRU stack distances are lognormal. A user asks for a
 * document, for what is embedded with active OFF times between, then thinks (inactive OFF). */
#ifndef BATON_LOAD_SURGE_H
#define BATON_LOAD_SURGE_H

#include "load/laws.h"

#include <stdint.h>

enum surge_kind { SURGE_BASE, SURGE_EMBEDDED, SURGE_LONER, SURGE_KINDS };

struct surge_options {
	uint64_t files, requests, seed;
	struct law sizes, request_sizes, embedded, distance, active, inactive;
	uint64_t least, most; /* sizes that the smallest and the largest file get; 0: as drawn */
};

/* The laws with SURGE's values. */
struct surge_options surge_defaults(void);

/* hong2004: 2,000 files, 77 B to 3,119,822 B, about 50 MB together. kwon2008: 100 files, weighted.
 * Returns 0 or -EINVAL. */
int surge_preset(struct surge_options *options, const char *name);

struct surge_file {
	uint64_t size;
	uint64_t count; /* requests */
	enum surge_kind kind;
	uint32_t rank; /* of popularity, from 0 */
};

struct surge_request {
	uint32_t file;
	float off;    /* seconds to wait after the answer */
	uint8_t kind; /* what it is asked for as; SURGE_EMBEDDED belongs to the document before */
	uint8_t last; /* of its document */
};

struct surge_fit {
	double sizes, request_sizes, popularity, embedded, distance, active, inactive;
};

struct surge {
	struct surge_file *files; /* in the order of their sizes */
	uint64_t file_count;
	struct surge_request *requests;
	uint64_t request_count;
	struct surge_fit fit;	   /* Kolmogorov-Smirnov distances */
	uint64_t documents, bytes; /* bytes: of all files */
	uint64_t other_kind;	   /* requests for which no file of the wanted kind was left */
};

/* Draws a workload: the same options give the same one. Returns 0 or -ENOMEM. */
int surge_make(struct surge *surge, const struct surge_options *options);
void surge_release(struct surge *surge);

#endif

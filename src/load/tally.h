/* What a run counted. Requests that came back right are apart from errors; an error is never also a
 * request. */
#ifndef BATON_LOAD_TALLY_H
#define BATON_LOAD_TALLY_H

#include "base/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a request failed. One table gives names and meaning. */
#define LOAD_ERRORS(X)                                                                             \
	X(REFUSED, "refused", "the connection was refused")                                        \
	X(RESET, "reset", "the connection was reset")                                              \
	X(TIMEOUT, "timeout", "no whole answer within --timeout")                                  \
	X(SHORT, "short", "the connection ended before the answer did")                            \
	X(LENGTH, "length", "the body's length is not the expected one")                           \
	X(CHECKSUM, "checksum", "the body's bytes are not the expected ones")                      \
	X(STATUS, "status", "the status is not the expected one")                                  \
	X(PROTOCOL, "protocol", "the answer is not HTTP")                                          \
	X(TLS, "tls", "TLS failed")                                                                \
	X(UNREACHABLE, "unreachable", "the network or host can't be reached")                      \
	X(LOCAL, "local", "this machine could not: ports, descriptors, memory")

enum load_error {
#define X(id, name, meaning) LOAD_ERROR_##id,
	LOAD_ERRORS(X)
#undef X
		LOAD_ERROR_COUNT,
};

extern const char *const load_error_names[LOAD_ERROR_COUNT];
extern const char *const load_error_meanings[LOAD_ERROR_COUNT];

enum {
	NODES_MOST = 256,
	NODE_NAME_ROOM = 64,
	CLASSES_MOST = 64,
	STATUS_MOST = 600,
	EXAMPLES_MOST = 5
};

/* One interval of the time series. */
struct interval {
	double at; /* its end, seconds since the start */
	double seconds;
	uint64_t requests, errors, bytes, active;
	uint64_t p50, p99, most; /* latency, ns */
};

struct class_tally {
	char name[96];
	uint64_t requests, errors, bytes;
	struct histogram *latency;
};

struct tally {
	uint64_t requests, errors, bytes; /* bytes: bodies of right answers */
	uint64_t received;		  /* bytes of all that was read */
	uint64_t sent;			  /* requests that were begun */
	uint64_t verified;		  /* bodies checked byte by byte */
	uint64_t retried;     /* sent again: the server had closed the idle connection */
	uint64_t idle_resets; /* connections reset with nothing under way */
	uint64_t connects;    /* connections made */
	uint64_t resumed;     /* of them with a TLS session resumed */
	uint64_t abandoned;   /* under way when the time was over: neither requests nor errors */
	uint64_t by_error[LOAD_ERROR_COUNT];
	uint64_t by_status[STATUS_MOST];
	struct {
		char name[NODE_NAME_ROOM];
		uint64_t requests;
	} nodes[NODES_MOST];
	unsigned int node_count;
	struct histogram *latency;    /* from the (intended) sending to the last byte */
	struct histogram *first_byte; /* from the sending to the answer's first byte */
	struct histogram *connect;    /* of the connections made, with TLS */
	struct histogram *late;	      /* sending behind the intended time (open loop) */
	struct histogram *switched;   /* another node than the answer before on this connection */
	struct histogram *stayed;     /* the same node */
	struct class_tally classes[CLASSES_MOST];
	unsigned int class_count;
	char examples[EXAMPLES_MOST][200]; /* the first errors, in words */
	unsigned int example_count;
	struct interval *series;
	size_t series_count, series_room;
	double seconds;	    /* from the first sending to the end */
	double cpu_seconds; /* this process, user and system */
	double began;	    /* wall clock */
};

/* Returns 0 or -ENOMEM. */
int tally_init(struct tally *tally);
void tally_release(struct tally *tally);

/* The number of the node called `name`, added when new; the last one stands for all beyond the
 * room. */
unsigned int tally_node(struct tally *tally, const char *name, size_t length);

/* Adds a class and returns its index, or -ENOSPC. */
int tally_class(struct tally *tally, const char *name);

/* The class of bodies of `bytes` bytes, where classes are sizes (tally_size_classes was called). */
void tally_size_classes(struct tally *tally);
unsigned int tally_size_class(uint64_t bytes);

#endif

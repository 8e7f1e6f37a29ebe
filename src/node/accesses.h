/* Requests that a node has served, made whole from the halves that its programs tell of
 * (wire/request_record.h), while somebody wants to know. */
#ifndef BATON_NODE_ACCESSES_H
#define BATON_NODE_ACCESSES_H

#include "wire/request_record.h"

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <uv.h>

struct node;
struct accesses;

/* One request and its response. Texts live as long as the call that they are given to. */
struct access {
	struct flow_key key;
	uint64_t wall_ns;	/* when the request was seen, CLOCK_REALTIME */
	uint64_t first_byte_ns; /* from then to the first byte of the response; 0: there was none */
	uint64_t whole_ns;	/* to its last one */
	uint64_t bytes;		/* of the response behind its head, as sent */
	uint16_t service, status, wanted;
	uint16_t flags; /* enum record_flags of both halves */
	uint8_t reason, pin;
	const char *line, *host; /* not ended by NUL; a stranger's bytes */
	uint16_t line_length, host_length;
};

/* Where whole ones go; the last line of a batch is followed by one call with NULL. */
typedef void (*access_taker)(void *owner, const struct access *access);

/* Reads the ring buffer `records` in the loop. NULL with errno set if it can't. Begins with nobody
 * wanting anything. */
struct accesses *accesses_start(struct node *node, access_taker taker, void *owner);

/* Whether the programs are to tell. Returns 0 or -errno. */
int accesses_want(struct accesses *accesses, bool wanted);

/* Requests whose halves didn't come together: the programs' count is beside it
 * (NODE_COUNT_LOG_LOST). And those whose response is awaited. */
uint64_t accesses_lost(const struct accesses *accesses);
uint64_t accesses_open(const struct accesses *accesses);

/* Takes what is there, and ends. What the programs tell afterwards waits for the next daemon. */
void accesses_end(struct accesses *accesses);

#endif

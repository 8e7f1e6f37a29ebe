/* `baton trace`: what its parts share. */
#ifndef BATON_TRACE_TRACE_H
#define BATON_TRACE_TRACE_H

#include "base/command.h"
#include "wire/trace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

extern const struct command command_trace;

enum { TRACE_HOSTS = 1100, TRACE_NAME = 64 };

/* sources.c: the programs of this machine's fronts and nodes, asked to tell of packets. */
struct sources;

/* Called with every event, in the order of their times. */
typedef void (*trace_taker)(void *owner, const struct traced_packet *event, const char *host);

/* Asks everything of the cluster that is pinned on this machine. Returns 0, or -errno with one
 * sentence in `why`; -EBUSY: somebody else traces. Of `filter`, client, ports and path count. */
int sources_open(const char *cluster, const struct trace_filter *filter, trace_taker taker,
		 void *owner, struct sources **sources, char why[512]);

/* How many there are, and what one is called. */
unsigned int sources_count(const struct sources *sources);
const char *sources_name(const struct sources *sources, unsigned int index);

/* Waits up to `ms` for packets and gives older ones to the taker; to be called at least once a
 * second. Returns 0 or -errno. */
int sources_poll(struct sources *sources, int ms);

/* No more packets are told of; gives those that were. */
void sources_stop(struct sources *sources);

/* The node that has an Ethernet address, as the front knows it, or 0. */
uint16_t sources_node(const struct sources *sources, const uint8_t mac[6]);

/* Packets that found no room. */
uint64_t sources_lost(const struct sources *sources);
void sources_close(struct sources *sources);

/* tell.c: an event in words. */
struct segment_words {
	bool valid, wrapped;
	struct flow_key key; /* as on the wire: client is the sender */
	uint32_t seq, ack, length;
	uint8_t flags, type; /* TCP's; wrapped: enum baton_type */
	uint16_t node;	     /* wrapped: the node it is about */
	uint8_t reason;
	uint16_t header_flags;
	uint32_t generation;
	char line[80]; /* the payload's first line, as far as it is text */
};

/* Takes a frame apart of which `have` bytes are there. */
void segment_words(const uint8_t *frame, uint32_t have, struct segment_words *words);

/* Names nodes by their numbers. */
struct node_names {
	char names[TRACE_HOSTS][TRACE_NAME];
};

/* One object: time, host, place, segment, decision, counters. A new reference. `to` is whom the
 * front sent the packet to, if it went as it came. */
json_t *tell_event(const struct traced_packet *event, const char *host, uint16_t to,
		   const struct node_names *nodes);

/* capture.c: both halves of the connections in one file. */
struct capture;

/* Returns 0 or -errno. */
int capture_open(struct capture **capture, const char *path);

/* Adds what of the event was on the wire between client and cluster. */
void capture_event(struct capture *capture, const struct traced_packet *event, const char *host);

/* Returns 0 or the first error of writing. */
int capture_close(struct capture *capture);

#endif

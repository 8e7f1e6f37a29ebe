/* Who may use a service, and how much of it one client's address gets. The daemon fills `sources`
 * and `limits`; `clients` is the front's program's own. */
#ifndef BATON_WIRE_SOURCE_H
#define BATON_WIRE_SOURCE_H

#include "wire/address.h"

/* Map `sources`: LPM_TRIE, the key's first word being how many bits behind it count. The longest
 * prefix decides; no entry: allowed. */
enum { SOURCES_MAX = 65536, SOURCE_SERVICE_BITS = 32 };

struct source_key {
	__u32 bits;
	__be32 service; /* id */
	struct address address;
};
WIRE_SIZE(struct source_key, 24);

enum source_verdict { SOURCE_ALLOW = 1, SOURCE_DENY = 2 };

/* Map `limits`: ARRAY, index is the service's id. 0: no limit. */
struct source_limit {
	__u32 rate;	   /* new connections a second */
	__u32 connections; /* open at a time */
};
WIRE_SIZE(struct source_limit, 8);

/* Map `clients`: LRU_HASH of struct client_key -> struct client_use. Connections are counted by the
 * sweep, and from one sweep to the next those that begin are added; those that end are not taken
 * away before the next one. */
enum { CLIENTS_MAX = 131072 };

struct client_key {
	struct address address;
	__u32 service;
};
WIRE_SIZE(struct client_key, 20);

struct client_use {
	__u32 second, count;	  /* connections that began in that second */
	__u32 sweep, counted;	  /* of the last sweep that found one of its flows: how many */
	__u32 open;		  /* and of the one before that */
	__u32 begun_sweep, begun; /* since that sweep's end */
	__u32 zero;
};
WIRE_SIZE(struct client_use, 32);

#endif

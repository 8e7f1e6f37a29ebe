/* Servers that relay: the comparison's cases. One in front of all nodes (`lab up --central`), or
 * one on every node behind a layer-4 front (`--relay`), which asks the node that the content
 * belongs to and passes the answer on. */
#ifndef BATON_LAB_RELAYS_H
#define BATON_LAB_RELAYS_H

#include <jansson.h>
#include <stdbool.h>

/* PROGRAM:HOW. rr takes nodes in turn; hash is the URI's hash modulo the nodes, ring the same on a
 * ring of virtual nodes (HAProxy's consistent, nginx's ketama); carp and sourcehash are Squid's
 * ways to choose a parent, the latter by the client's address. */
#define LAB_RELAYS                                                                                 \
	"haproxy:rr|haproxy:hash|haproxy:ring|nginx:rr|nginx:hash|nginx:ring|squid:carp|"          \
	"squid:sourcehash"

/* Adds a relay on `host` that listens on port 80 and has `nodes` nodes behind it, on `port` of
 * each. Returns 0 or -1 with a line on stderr. */
int relay_add(const char *lab, const char *host, const char *how, unsigned int nodes,
	      unsigned int port, json_t *list);

#endif

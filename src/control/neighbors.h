/* Where on the link the cluster's hosts are: the device and MAC of the next hop to each, asked of
 * the kernel by rtnetlink and followed when they change. The kernel does the resolving (ARP, ND); a
 * host is asked for again every few seconds, so that a card that was replaced is noticed although
 * XDP's packets don't pass through the kernel's neighbour table. */
#ifndef BATON_CONTROL_NEIGHBORS_H
#define BATON_CONTROL_NEIGHBORS_H

#include "wire/address.h"

#include <uv.h>

struct neighbors;

/* The next hop to `host` is known, or another than before. What was known stays valid when a host
 * no longer answers: whether it lives is the health checks' to say. */
typedef void (*neighbor_found)(const struct address *host, const unsigned char mac[6], int ifindex,
			       void *owner);

/* NULL with errno set if the kernel can't be asked. */
struct neighbors *neighbors_new(uv_loop_t *loop, neighbor_found found, void *owner);

/* Begins to watch a host; nothing if it is watched. As many as a cluster can have; -ENOSPC beyond.
 */
int neighbors_watch(struct neighbors *neighbors, const struct address *host);
void neighbors_forget(struct neighbors *neighbors, const struct address *host);

/* Ends all; the memory goes once the loop has run. */
void neighbors_end(struct neighbors *neighbors);

#endif

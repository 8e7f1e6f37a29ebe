/* What the node's device carries, by class, and how much of it comes from the origin; counted only
 * between start and end, in the kernel, without copying a packet. */
#ifndef BATON_NODE_TRAFFIC_H
#define BATON_NODE_TRAFFIC_H

#include "node/node.h"

struct traffic_watch;

/* NULL with errno set if the kernel refuses. */
struct traffic_watch *traffic_start(const struct node *node);
void traffic_end(struct traffic_watch *watch);

/* {"total": {"packets", "bytes"}, "tcp": ..., "origin": ...} since the start; a new reference. The
 * bytes of "origin" are payload. */
json_t *traffic_json(const struct traffic_watch *watch);

#endif

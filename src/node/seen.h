/* What somebody who looks at the page wants to know of a node besides its counters: the latest
 * requests, the hottest targets, the mix of protocols on its device. Kept only while somebody
 * looks. */
#ifndef BATON_NODE_SEEN_H
#define BATON_NODE_SEEN_H

#include "node/accesses.h"
#include "node/node.h"

struct seen;

/* Begins with nothing. What can't be had is logged and left out. */
struct seen *seen_start(const struct node *node);
void seen_end(struct seen *seen);

void seen_add(struct seen *seen, const struct access *access);

/* {"at": s, "latest": [the access log's JSON lines], "requests_per_second", "error_per_second",
 * "hottest": [{"target", "requests_per_second"}], "traffic": see traffic_json}; a new reference.
 * Rates are means over the past, weighted so that what was half a minute ago counts for 1/e; that
 * of a target is at most "error_per_second" too large, and never too small. */
json_t *seen_report(struct seen *seen);

#endif

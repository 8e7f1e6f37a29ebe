/* What the cluster did in the last hour, one sample a second, so that a page that is opened shows
 * more than the moment. */
#ifndef BATON_CONTROL_HISTORY_H
#define BATON_CONTROL_HISTORY_H

#include <jansson.h>
#include <stdint.h>

enum { HISTORY_SECONDS = 3600, HISTORY_NODES = 64 };

struct history;

/* Begins to ask the cluster's front once a second, in a thread of its own. NULL when memory or
 * threads are out. */
struct history *history_start(const char *cluster);
void history_stop(struct history *history);

/* The newest answer to "status" (a new reference), or NULL while there is none. */
json_t *history_status(struct history *history);

/* {"seconds": [age...], "nodes": {NAME: {"requests": [...], "bytes": [...], "first_us": [...],
 * "whole_us": [...], "slow_us": [...]}}, "handoffs": [...], "moved": [...]} of the last `seconds`,
 * oldest first, thinned to at most `points`; a new reference. */
json_t *history_range(struct history *history, unsigned int seconds, unsigned int points);

#endif

/* How long requests took: what a node's program counted in buckets (wire/times.h), as it travels in
 * reports and as it is shown. In JSON a histogram is a list of [bucket, count], empty ones left
 * out. */
#ifndef BATON_CONTROL_LATENCY_H
#define BATON_CONTROL_LATENCY_H

#include "wire/times.h"

#include <jansson.h>
#include <stdint.h>

struct latency {
	uint64_t buckets[TIMES_BUCKETS], count;
};

/* A new reference. */
json_t *latency_json(const struct latency *latency);

/* Adds what such a list says; anything else (NULL) is nothing. Its numbers are checked. */
void latency_add(struct latency *latency, const json_t *list);

/* What has come since `before`; if anything became less, counting began anew, and `now` is it. */
void latency_since(struct latency *grown, const struct latency *before, const struct latency *now);

/* The duration in ns that a share (0..1) of the requests didn't reach, at most 1/8 off, taken as
 * evenly spread over its bucket; 0 when nothing was counted. */
double latency_at(const struct latency *latency, double share);

/* latency_at() in us, of what a node's services counted between two answers to "status": `before`
 * and `now` are its sections there, `key` is "first_byte" or "whole". NAN if that is nothing, or
 * `before` is NULL. */
double latency_between(const json_t *before, const json_t *now, const char *key, double share);

/* {"p50": us, "p90": .., "p99": .., "p999": ..}, or null when nothing was counted. A new reference.
 */
json_t *latency_shares(const struct latency *latency);

#endif

/* What a run counted, for people, for programs and as a page. */
#ifndef BATON_LOAD_OUTPUT_H
#define BATON_LOAD_OUTPUT_H

#include "load/tally.h"

#include <jansson.h>
#include <stdio.h>

/* The generator used this share of one core or more: it may be what was measured. */
#define SATURATED 0.95

/* Prints the tables. */
void output_text(const struct tally *tally, const char *title, FILE *out);

/* The run as a JSON object, the caller's to extend and to give back. */
json_t *output_json(const struct tally *tally);

/* mean, p50, p90, p99, p999 and max of a histogram of ns, in us; a new object. */
json_t *output_latency(const struct histogram *histogram);

/* The time series as CSV, one line an interval. Returns 0 or -errno. */
int output_csv(const struct tally *tally, const char *path);

/* A page with charts. Returns 0 or -errno. */
int output_html(const struct tally *tally, const char *title, const char *path);

#endif

/* Which of a lab's cables have a line in them (line.h), and how long it holds frames up. */
#ifndef BATON_LAB_LINES_H
#define BATON_LAB_LINES_H

#include "lab/values.h"

#include <jansson.h>
#include <stdbool.h>

/* Whether a host's cable has one. `context` is the lab's struct values. */
bool lines_has(const void *context, const char *host);

/* Adds the processes that are the lines. */
void lines_add(const struct values *values, json_t *list);

#endif

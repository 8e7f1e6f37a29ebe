/* The cluster's numbers as Prometheus reads them (text format 0.0.4). */
#ifndef BATON_CONTROL_METRICS_H
#define BATON_CONTROL_METRICS_H

#include "base/buffer.h"

#include <jansson.h>

/* Adds every metric of an answer to "status" to `text`; without one (NULL) only baton_up 0. */
void metrics_write(const json_t *status, struct buffer *text);

#endif

/* The Center: a web server outside of the host that has one package. */
#ifndef BATON_MEASURE_CENTER_H
#define BATON_MEASURE_CENTER_H

#include "base/buffer.h"

#include <sys/types.h>

enum { CENTER_PORT = 8080 };

/* Serves a file at /package in the run's namespace "external" until it is stopped. Returns the pid
 * of what serves, or -1 with the reason. */
pid_t center_start(const char *run, const char *file, struct buffer *why);
void center_stop(pid_t pid);

#endif

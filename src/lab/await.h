/* Waiting until a lab that was started serves. */
#ifndef BATON_LAB_AWAIT_H
#define BATON_LAB_AWAIT_H

#include "lab/servers.h"
#include "lab/values.h"

/* Waits until every server answers and, unless the lab is bare, every front says that every node is
 * up. Returns 0, or -1 with a line on stderr and the end of the log that may say why. */
int await_all(const struct values *values, const struct cache_options *cache);

#endif

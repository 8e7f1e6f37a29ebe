/* The daemon's part of the slow path: connections whose first request is not whole in one segment,
 * and those for which no node is up. */
#ifndef BATON_FRONT_SLOW_H
#define BATON_FRONT_SLOW_H

#include "front/front.h"

/* From now on the program gives such connections to the daemon. NULL with errno set if it can't.
 */
struct slow_path *slow_path_start(struct front *front);

/* What is kept is forgotten: the program goes on without it. */
void slow_path_end(struct slow_path *slow);

/* Connections kept now. */
unsigned int slow_path_kept(const struct slow_path *slow);

#endif

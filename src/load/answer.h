/* Answers: how they are read from a connection, and what is counted of each. */
#ifndef BATON_LOAD_ANSWER_H
#define BATON_LOAD_ANSWER_H

#include "load/slot.h"

/* Sets up the parser's callbacks, which all slots share. */
void answer_prepare(struct engine *engine);

/* Counts a request of the slot's that came to nothing, and tells its source. */
void answer_failed(struct slot *slot, const struct pending *pending, enum load_error error);

#endif

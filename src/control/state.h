/* What a daemon keeps over its restart, as JSON in a file of the run directory. */
#ifndef BATON_CONTROL_STATE_H
#define BATON_CONTROL_STATE_H

#include <jansson.h>

/* Writes `state` (not taken over) whole or not at all. Returns 0 or -errno. */
int state_save(const char *path, const json_t *state);

/* A new reference, NULL if there is no such file or it isn't JSON. */
json_t *state_load(const char *path);

#endif

/* How commands talk to a daemon of this host. */
#ifndef BATON_CONTROL_CLIENT_H
#define BATON_CONTROL_CLIENT_H

#include <jansson.h>

/* Sends `request` (taken over) to the daemon of `host` ("front": whichever front is here;
 * "front-NAME", "node-NAME") of the cluster and
 * waits up to a minute for the answer. Returns 0 with *answer, a new reference, or: -ENOENT,
 * -ECONNREFUSED (no daemon there), -ETIMEDOUT, -EPROTO (the daemon went away or spoke nonsense) or
 * another -errno. */
int client_call(const char *cluster, const char *host, json_t *request, json_t **answer);

/* The same for commands: whatever goes wrong, the daemon's "error" included, becomes one line on
 * stderr. Returns the answer, or NULL after a failure. */
json_t *client_ask(const char *cluster, const char *host, json_t *request);

#endif

/* Active health checks: one for each node of each service, from the front to the node's own address
 * and the service's port. `rise` good answers in a row make a node up, `fall` bad ones down. */
#ifndef BATON_FRONT_HEALTH_H
#define BATON_FRONT_HEALTH_H

#include "control/config.h"

#include <uv.h>

struct health;

/* A node that is up and fails a check is in doubt until the next good one, or until it is down. */
enum health_state { HEALTH_DOWN, HEALTH_DOUBT, HEALTH_UP };

/* The node's state is another one; `why` tells of a failure. */
typedef void (*health_changed)(enum health_state state, const char *why, void *owner,
			       uint32_t service, uint32_t node);

/* Whether a bad result that took up to `timeout` ns says anything about the node: not if this host
 * itself was cut off. */
typedef bool (*health_heard)(uint64_t timeout, void *owner);

/* Begins; the node counts as `up` until shown otherwise. `host` is what HTTP checks ask for. The
 * check keeps copies of what it is given. */
struct health *health_start(uv_loop_t *loop, const struct endpoint *endpoint, const char *host,
			    const struct config_health *settings, bool up, health_changed changed,
			    health_heard heard, void *owner, uint32_t service, uint32_t node);

/* What the node's own daemon says against the server ("" if nothing): every check fails while it
 * says so. */
void health_object(struct health *health, const char *problem);

/* Why the last check failed; "" if it was good or there was none. */
const char *health_why(const struct health *health);

/* Ends; memory goes once the loop has run. */
void health_stop(struct health *health);

#endif

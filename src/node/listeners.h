/* Whether the host's server can be handed connections of a service: asked of the kernel by
 * sock_diag, without connecting. */
#ifndef BATON_NODE_LISTENERS_H
#define BATON_NODE_LISTENERS_H

#include "control/config.h"
#include "wire/cluster.h"

enum { LISTENER_WORDS = 256 };

/* Fills `problem` with one sentence that says what stands against it and what to do, "" if nothing
 * does: nobody listens on the service's port, or only at another address, or by Multipath TCP.
 * Returns 0, or -errno if the kernel can't be asked (`problem` is "" then). */
int listeners_check(const struct config_service *service, char problem[LISTENER_WORDS]);

#endif

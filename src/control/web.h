/* The web server of the page, the API and the metrics. It asks the front's daemon over its control
 *socket like any other command, so it may run inside the daemon or beside it, in any network
 *namespace.
 *
 *	GET  /                        the page
 *	GET  /api/status              what `baton status --json` prints
 *	GET  /api/flows               what `baton flows --json` prints
 *	GET  /api/history?seconds=N   rates of the last N seconds
 *	GET  /metrics                 Prometheus
 *	GET  /api/seen                what nodes see: latest requests, hottest targets, protocols
 *	POST /api/nodes/NAME/drain, /api/nodes/NAME/ready        with the token
 *	POST /api/flows/kill?client=ADDRESS[:PORT]&node=NAME     with the token
 *
 * Whoever reads needs nothing but to reach the socket. Changes need "Authorization: Bearer TOKEN".
 *Requests whose Host is not this server's, and changes that another site's page asks for (Origin),
 *are refused: a browser must not be made a bridge. */
#ifndef BATON_CONTROL_WEB_H
#define BATON_CONTROL_WEB_H

#include "control/endpoint.h"

struct web_server;

/* Listens and serves in threads of its own. Makes the token file (0600) in the cluster's folder if
 * there is none. Returns 0 with *server, or -errno. */
int web_start(const char *cluster, const struct endpoint *listen, struct web_server **server);
void web_stop(struct web_server *server);

#endif

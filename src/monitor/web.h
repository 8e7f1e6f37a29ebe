/* The monitor's graph as a page: a web server that hands out the lines of `baton monitor --json` as
 * they come. */
#ifndef BATON_MONITOR_WEB_H
#define BATON_MONITOR_WEB_H

#include "control/endpoint.h"

struct monitor_web;

/* Serves in threads of its own, and makes standard output what it reads its lines from; the last
 * hours of them are kept. Returns 0 with *web, or -errno. */
int monitor_web_start(const struct endpoint *listen, struct monitor_web **web);

/* Closes standard output and ends the server. */
void monitor_web_end(struct monitor_web *web);

#endif

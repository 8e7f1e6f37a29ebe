/* What the configurations of all of the lab's nginx have in common: servers, caches, relays. */
#ifndef BATON_LAB_NGINX_H
#define BATON_LAB_NGINX_H

#include "base/buffer.h"
#include "lab/servers.h"

/* Begins a configuration: one worker that may have as many files as this process may, and what it
 * writes under `base` (/run/baton/LAB), called `name`. "http {" is left open. */
void nginx_begin(struct buffer *text, const char *base, const char *name);

/* The command line, as `struct server_kind` wants it. */
void nginx_command(const struct server *server, const char *conf, const char *argv[]);

#endif

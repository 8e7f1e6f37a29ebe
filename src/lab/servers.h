/* The lab's stock servers: one per node, and one on the origin that cache nodes fetch from. Each
 * has a configuration written for it, an access log and an error log of its own under
 * /run/baton/LAB/log, and adds "X-Node: NAME" to its responses. Everything else is as the server's
 * makers set it. */
#ifndef BATON_LAB_SERVERS_H
#define BATON_LAB_SERVERS_H

#include <jansson.h>
#include <stdbool.h>

#define LAB_SERVERS "nginx|apache|squid|node"

enum { SERVER_KIND = 16 };

/* The kind of node `number` (from 1) by a list as "nginx,squid", which nodes go through in turn, in
 * `kind` of SERVER_KIND bytes. Returns whether it is known. */
bool server_kind(const char *list, unsigned int number, char *kind);

/* Makes the certificate that servers with TLS share. Returns 0 or -1 with a line on stderr. */
int server_certificate(const char *lab);

/* Writes the configuration of a `kind` of server on `host` that serves `root`, and adds its process
 * to the keeper's list. Returns 0 or -1 with a line on stderr. */
int server_add(const char *lab, const char *kind, const char *host, const char *root, json_t *list);

/* Makes the files a lab serves when no --root is given. Returns 0 or -errno. */
int server_sample_root(const char *lab);

/* Waits until something accepts connections on port 80 of the host, at most `seconds`. Returns 0 or
 * -ETIMEDOUT. */
int server_await(const char *lab, const char *host, unsigned int seconds);

#endif

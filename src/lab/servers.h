/* The stock servers on a lab's nodes: their configuration and command line. Nothing in them knows
 * of Baton; all that is added is a response header X-Node that tells who answered. */
#ifndef BATON_LAB_SERVERS_H
#define BATON_LAB_SERVERS_H

#include <jansson.h>

/* "nginx|apache|node": what --server takes. */
#define LAB_SERVERS "nginx|apache|node"

/* Writes the configuration of `server` on `host` that serves `root`, and adds its process to the
 * keeper's list. Returns 0 or -errno, with a line on stderr. */
int server_add(const char *lab, const char *server, const char *host, const char *root,
	       json_t *list);

/* Makes the files a lab serves when no --root is given. Returns 0 or -errno. */
int server_sample_root(const char *lab);

/* Waits until something accepts connections on port 80 of the host, at most `seconds`. Returns 0 or
 * -ETIMEDOUT. */
int server_await(const char *lab, const char *host, unsigned int seconds);

#endif

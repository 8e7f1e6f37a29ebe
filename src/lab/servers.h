/* The lab's stock servers: one per node, and one on the origin that cache nodes fetch from. Each
 * has a configuration written for it, an access log and an error log of its own under
 * /run/baton/LAB/log, and adds "X-Node: NAME" to its responses. Everything else is as the server's
 * makers set it. */
#ifndef BATON_LAB_SERVERS_H
#define BATON_LAB_SERVERS_H

#include "base/buffer.h"
#include "lab/state.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define LAB_SERVERS "nginx|apache|squid|nginx-cache|varnish|node"

/* What the lab's cache nodes have in common. */
struct cache_options {
	uint64_t memory, disk;	/* bytes of a node's cache; disk 0: none */
	const char *origin;	/* "ADDRESS:PORT" of what they fetch from */
	const char *distill;	/* profile of the distiller between cache and origin, NULL: none */
	unsigned int distiller; /* its port on each node's loopback, with `distill` */
	unsigned int port;	/* where caches listen; 80, or another behind a relay */
	bool proxy;		/* forward proxies: clients name whole URLs */
	bool dynamic;		/* nginx on nodes has pages that take time, under /dynamic/ */
};

/* One server to be: where its things are. */
struct server {
	const char *lab, *host;
	char base[STATE_ROOM]; /* /run/baton/LAB */
	const char *root;
	const struct cache_options *cache;
};

struct server_kind {
	const char *name, *program, *suffix;
	/* Writes the configuration to `text`, kept as conf/HOST.conf. */
	void (*configure)(const struct server *server, struct buffer *text);
	/* The command line; `conf` is that file. argv holds SERVER_WORDS. */
	void (*command)(const struct server *server, const char *conf, const char *argv[]);
	/* Makes what must be there before it starts; NULL: nothing. Returns 0 or -errno. */
	int (*prepare)(const struct server *server);
};

enum { SERVER_WORDS = 24 };

/* The caches among the kinds, ended by one without a name (caches.c). */
extern const struct server_kind cache_kinds[];

enum { SERVER_KIND = 16, SQUID_SERVICE = 32 };

/* The name under which one Squid of this machine keeps its shared memory, of the parts' letters and
 * digits; `parts` is ended by NULL (caches.c). */
void squid_service(const char *const parts[], char name[SQUID_SERVICE]);

/* The kind of node `number` (from 1) by a list as "nginx,squid", which nodes go through in turn, in
 * `kind` of SERVER_KIND bytes. Returns whether it is known. */
bool server_kind(const char *list, unsigned int number, char *kind);

/* Makes the certificate that servers with TLS share. Returns 0 or -1 with a line on stderr. */
int server_certificate(const char *lab);

/* Writes the configuration of a `kind` of server on `host` that serves `root`, or, if it is a
 * cache, what `cache` says, and adds its process to the keeper's list. Returns 0 or -1 with a line
 * on stderr. */
int server_add(const char *lab, const char *kind, const char *host, const char *root,
	       const struct cache_options *cache, json_t *list);

/* Whether a kind of server is a cache, which has no files of its own. */
bool server_is_cache(const char *kind);

enum { SERVER_PAGE_PORT = 8081 }; /* of the application behind nginx, on the node's loopback */

/* Adds the application behind a node's nginx to the list. Returns 0 or -1 with a line on stderr. */
int server_add_page(const char *lab, const char *host, json_t *list);

/* Adds the distiller of a cache node to the list. */
void server_add_distiller(const char *host, const struct cache_options *cache, json_t *list);

/* Makes the files a lab serves when no --root is given. Returns 0 or -errno. */
int server_sample_root(const char *lab);

/* Waits until something answers HTTP on the port of `address`, as seen from the host (its loopback:
 * SERVER_HERE), at most `seconds`. Returns 0 or -ETIMEDOUT. */
#define SERVER_HERE "127.0.0.1"
int server_await(const char *lab, const char *host, const char *address, unsigned int port,
		 unsigned int seconds);

#endif

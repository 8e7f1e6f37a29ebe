/* The lab's name server, for `--place dns`: dnsmasq on a host of its own, which gives the nodes'
 * service addresses for one name, each question beginning with another one (RFC 1794). */
#ifndef BATON_LAB_NAMES_H
#define BATON_LAB_NAMES_H

#include <jansson.h>

#define LAB_RESOLVER	     "resolver" /* the host */
#define LAB_RESOLVER_ADDRESS "10.77.0.2"
#define LAB_WWW		     "www.lab"

/* Writes what the server reads and what clients are to have for /etc/resolv.conf, and adds its
 * process to the keeper's list. Returns 0 or -errno. */
int names_add(const char *lab, unsigned int nodes, json_t *list);

/* Gives this process the lab's resolv.conf instead of the machine's, if the lab has one: a mount in
 * a mount namespace of its own. Returns 0 or -errno. */
int names_enter(const char *lab);

#endif

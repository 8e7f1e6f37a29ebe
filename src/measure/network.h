/* The network around a guest, in namespaces of this run:
 *
 *	external 10.78.0.2 --- rate --- br0 10.78.0.1 (namespace "host") --- guest
 *
 * With TAP the guest is 10.78.0.3 on the bridge. With NAT it is 10.0.2.15 behind a user-mode
 * network whose ports are forwarded from 10.78.0.1. Internal clients run in "host", external ones
 * in "external". Namespaces are called baton-RUN-host and so on. */
#ifndef BATON_MEASURE_NETWORK_H
#define BATON_MEASURE_NETWORK_H

#include "base/buffer.h"
#include "measure/plan.h"

#define HOST_ADDRESS	 "10.78.0.1"
#define EXTERNAL_ADDRESS "10.78.0.2"
#define BRIDGED_ADDRESS	 "10.78.0.3"
/* Every bridged guest has the same, so that nobody remembers the last guest's. */
#define BRIDGED_MAC "52:54:00:78:00:03"
#define NAT_ADDRESS "10.0.2.15"
#define NAT_GATEWAY "10.0.2.2"

/* Ports that clients reach a guest at; a NAT forwards them. SMB, HTTP, baton-guest, iperf3,
 * sockperf. 0 ends. */
extern const int network_ports[];

/* "baton-RUN-HOST" in `text` of 64 bytes. Returns text. */
char *network_netns(const char *run, const char *host, char *text);

/* Makes both namespaces and the link between them. Returns 0, or -1 with the reason in `why`. */
int network_up(const char *run, uint64_t rate, struct buffer *why);

/* Runs `ip -batch` in the namespace `host` of the run. Returns 0, or -1 with the reason in `why`.
 */
int network_ip(const char *run, const char *host, const char *lines, struct buffer *why);

/* Ends what runs in the run's namespaces and takes them away. */
void network_down(const char *run);

/* Kills what is in the run's namespace `host` and waits until it is gone, at most 10 s. */
void network_empty(const char *run, const char *host);

/* Takes one namespace away ("guest"), if it is there. */
void network_remove(const char *run, const char *host);

#endif

#include "lab/topology.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/names.h"
#include "pass.skel.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUTER	"10.77.0.9"
#define ROUTER6 "fd77::9"

enum { NETNS_ROOM = 80 };

char *topology_netns(const struct topology *topology, const char *host, char *text, size_t room)
{
	snprintf(text, room, "baton-%s-%s", topology->lab, host);
	return text;
}

char *topology_front(unsigned int number, char *text)
{
	if (number > 1)
		snprintf(text, 32, "front%u", number);
	else
		strcpy(text, "front");
	return text;
}

/* The origin lies between the first and the second. */
char *topology_front_address(unsigned int number, char *text)
{
	snprintf(text, 32, "10.77.0.%u", number > 1 ? 2 + number : 2);
	return text;
}

char *topology_front_address6(unsigned int number, char *text)
{
	snprintf(text, 32, "fd77::%u", number > 1 ? 2 + number : 2);
	return text;
}

char *topology_node_address(unsigned int number, char *text)
{
	snprintf(text, 32, "10.77.0.%u", 10 + number);
	return text;
}

/* The same digits as in IPv4, so that people see which is which. */
char *topology_node_address6(unsigned int number, char *text)
{
	snprintf(text, 32, "fd77::%u", 10 + number);
	return text;
}

char *topology_vip(unsigned int number, char *text)
{
	snprintf(text, 32, "10.78.0.%u", number);
	return text;
}

char *topology_vip6(unsigned int number, char *text)
{
	snprintf(text, 32, "fd78::%u", number);
	return text;
}

char *topology_dispatcher(unsigned int number, char *text)
{
	snprintf(text, 32, "dispatcher%u", number);
	return text;
}

char *topology_dispatcher_address(unsigned int number, char *text)
{
	snprintf(text, 32, "10.77.0.%u", 150 + number);
	return text;
}

char *topology_dispatcher_address6(unsigned int number, char *text)
{
	snprintf(text, 32, "fd77::%u", 150 + number);
	return text;
}

/* Runs `ip -batch` in a namespace (NULL: here). */
static int ip_batch(const char *netns, const struct buffer *lines)
{
	const char *here[] = {"ip", "-batch", "-", NULL},
		   *there[] = {"ip", "-n", netns, "-batch", "-", NULL};
	struct buffer said = BUFFER_EMPTY;
	int code = process_run(netns ? there : here, lines->data, &said);

	if (code < 0)
		failed_errno(code, "lab: can't run ip; install iproute2");
	else if (code)
		failed("lab: ip%s%s: %.*s", netns ? " -n " : "", netns ? netns : "",
		       (int)(said.length ? strcspn(said.data, "\n") : 0),
		       said.length ? said.data : "");
	buffer_release(&said);
	return code ? -1 : 0;
}

static int set(const char *key, const char *value)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		failed_errno(errno, "lab: can't set %s", path);
		return 1;
	}
	close(fd);
	return 0;
}

/* Frames leave with their checksums filled in: what crosses a real wire does, and XDP sees what is
 * in the frame, not what the kernel means to add. */
static int fill_checksums(void)
{
	struct ethtool_value off = {.cmd = ETHTOOL_STXCSUM, .data = 0};
	struct ifreq request = {.ifr_name = "eth0", .ifr_data = (void *)&off};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request)) {
		failed_errno(errno, "lab: can't turn checksum offload off");
		error = 1;
	}
	if (fd >= 0)
		close(fd);
	return error;
}

/* In a host's namespace: what a host of the cluster needs of the kernel. `context` says whether it
 * has the VIP but does not answer ARP for it. */
static int settle(void *context)
{
	const bool *silent = context;

	return fill_checksums() || set("ipv4/conf/all/rp_filter", "0") ||
	       (*silent &&
		(set("ipv4/conf/all/arp_ignore", "1") || set("ipv4/conf/all/arp_announce", "2")));
}

/* Addresses are known to be unique here, so that a host need not wait a second or two for its own
 * link-local one before it can ask for a neighbour. Before the cable is plugged in. */
static int trust_addresses(void *context)
{
	(void)context;
	return set("ipv6/conf/default/accept_dad", "0") ||
	       set("ipv6/conf/default/dad_transmits", "0");
}

/* In the switch's namespace: a switch passes frames and asks no firewall. Where br_netfilter is not
 * loaded there is nothing to say. */
static int pass_no_firewall(void *context)
{
	static const char *const keys[] = {"bridge/bridge-nf-call-iptables",
					   "bridge/bridge-nf-call-ip6tables",
					   "bridge/bridge-nf-call-arptables"};

	(void)context;
	if (access("/proc/sys/net/bridge", F_OK))
		return 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (set(keys[i], "0"))
			return 1;
	return 0;
}

static int attach_pass(void *context)
{
	struct pass_bpf *skeleton = pass_bpf__open_and_load();
	const struct topology *topology = context;
	int error = 0;

	if (!skeleton)
		return failed_errno(errno, "lab: can't load the pass program");
	for (unsigned int i = 1; i <= topology->fronts + topology->dispatchers && !error; i++) {
		char host[32], port[40];

		if (i <= topology->fronts)
			topology_front(i, host);
		else
			topology_dispatcher(i - topology->fronts, host);
		snprintf(port, sizeof(port), "p-%s", host);
		error = bpf_xdp_attach((int)if_nametoindex(port),
				       bpf_program__fd(skeleton->progs.pass), XDP_FLAGS_DRV_MODE,
				       NULL);
	}
	pass_bpf__destroy(skeleton);
	return error ? failed_errno(error,
				    "lab: can't attach the pass program to the bridge's port")
		     : 0;
}

/* A node's own VIP is on its cable, those of others on its lo. */
static void add_vips(const struct topology *topology, const char *host, struct buffer *lines)
{
	unsigned int own = (unsigned int)atoi(host + strlen("node"));
	char vip[32];

	for (unsigned int i = 1; i <= topology->nodes; i++) {
		const char *device = i == own ? "eth0" : "lo";

		buffer_format(lines, "addr add %s/32 dev %s\n", topology_vip(i, vip), device);
		buffer_format(lines, "addr add %s/128 dev %s nodad\n", topology_vip6(i, vip),
			      device);
	}
}

/* One host: its namespace, its cable to the switch, its addresses. */
static int add_host(const struct topology *topology, const char *host, const char *address,
		    const char *address6)
{
	bool node = !strncmp(host, "node", 4), front = !strncmp(host, "front", 5);
	bool guest = node && topology->guests;
	bool silent = node || (front && topology->fronts > 1);
	bool lined = topology->lined && topology->lined(topology->context, host);
	char netns[NETNS_ROOM], bridge[NETNS_ROOM];
	struct buffer lines = BUFFER_EMPTY;
	int error;

	topology_netns(topology, host, netns, sizeof(netns));
	topology_netns(topology, "switch", bridge, sizeof(bridge));
	buffer_format(&lines, "netns add %s\n", netns);
	error = ip_batch(NULL, &lines);
	if (!error)
		error = process_within(netns, trust_addresses, NULL);
	buffer_clear(&lines);
	buffer_format(&lines, "link add p-%s type veth peer name eth0 netns %s\n", host, netns);
	if (!lined)
		buffer_format(&lines, "link set p-%s master br0\n", host);
	else
		buffer_format(&lines,
			      "link add d-%s type veth peer name b-%s\nlink set b-%s master br0\n"
			      "link set d-%s up\nlink set b-%s up\n",
			      host, host, host, host, host);
	buffer_format(&lines, "link set p-%s up\n", host);
	if (!error)
		error = ip_batch(bridge, &lines);
	buffer_clear(&lines);
	buffer_text(&lines, "link set lo up\n");
	if (guest)
		buffer_text(&lines, "link add br0 type bridge mcast_snooping 0\n"
				    "link set eth0 master br0\ntuntap add dev tap0 mode tap\n"
				    "link set tap0 master br0\nlink set tap0 up\n"
				    "link set br0 up\n");
	else
		buffer_format(&lines, "addr add %s/16 dev eth0\naddr add %s/64 dev eth0 nodad\n",
			      address, address6);
	if (node && topology->dns)
		add_vips(topology, host, &lines);
	else if (silent && !guest && !topology->nat)
		buffer_text(&lines, "addr add " LAB_VIP "/32 dev lo\naddr add " LAB_VIP6
				    "/128 dev lo nodad\n");
	else if (front)
		buffer_text(&lines, "addr add " LAB_VIP "/32 dev eth0\naddr add " LAB_VIP6
				    "/128 dev eth0 nodad\n");
	for (int i = 1; !strcmp(host, "client") && i <= LAB_CLIENT_ADDRESSES; i++)
		buffer_format(&lines, "addr add 10.77.1.%d/32 dev eth0\n", i);
	buffer_text(&lines, "link set eth0 up\n");
	if (!node && topology->dns)
		buffer_text(&lines, "route add 10.78.0.0/24 dev eth0\n"
				    "route add fd78::/64 dev eth0\n");
	if (node && topology->nat) {
		buffer_text(&lines, "route add 10.77.0.1/32 via 10.77.0.2\n"
				    "route add fd77::1/128 via fd77::2\n");
		for (int i = 1; i <= LAB_CLIENT_ADDRESSES; i++)
			buffer_format(&lines, "route add 10.77.1.%d/32 via 10.77.0.2\n", i);
	}
	if (!error)
		error = ip_batch(netns, &lines);
	buffer_release(&lines);
	if (!error)
		error = process_within(netns, settle, &silent);
	if (!error && guest)
		error = process_within(netns, pass_no_firewall, NULL);
	return error ? -1 : 0;
}

/* In the router's namespace: it passes on, by addresses and ports. (It does not tell clients that
 * the fronts are on their own link.) */
static int pass_on(void *context)
{
	(void)context;
	return set("ipv4/ip_forward", "1") || set("ipv6/conf/all/forwarding", "1") ||
	       set("ipv4/conf/all/send_redirects", "0") ||
	       set("ipv4/conf/eth0/send_redirects", "0") ||
	       set("ipv4/fib_multipath_hash_policy", "1") ||
	       set("ipv6/fib_multipath_hash_policy", "1");
}

/* IPv6 has no setting against sending them. */
static int ignore_redirects(void *context)
{
	(void)context;
	return set("ipv6/conf/eth0/accept_redirects", "0");
}

/* The router's ways to the VIP, one by each front, and the client's by the router. */
static int share_out(const struct topology *topology)
{
	struct buffer lines = BUFFER_EMPTY;
	char netns[NETNS_ROOM], address[32];
	int error;

	buffer_text(&lines, "route add " LAB_VIP "/32");
	for (unsigned int i = 1; i <= topology->fronts; i++)
		buffer_format(&lines, " nexthop via %s", topology_front_address(i, address));
	buffer_text(&lines, "\nroute add " LAB_VIP6 "/128");
	for (unsigned int i = 1; i <= topology->fronts; i++)
		buffer_format(&lines, " nexthop via %s", topology_front_address6(i, address));
	buffer_text(&lines, "\n");
	topology_netns(topology, "router", netns, sizeof(netns));
	error = ip_batch(netns, &lines);
	if (!error)
		error = process_within(netns, pass_on, NULL);
	buffer_clear(&lines);
	buffer_text(&lines, "route add " LAB_VIP "/32 via " ROUTER "\nroute add " LAB_VIP6
			    "/128 via " ROUTER6 "\n");
	topology_netns(topology, "client", netns, sizeof(netns));
	if (!error)
		error = ip_batch(netns, &lines);
	buffer_release(&lines);
	return error ? error : process_within(netns, ignore_redirects, NULL);
}

int topology_up(const struct topology *topology)
{
	struct buffer lines = BUFFER_EMPTY;
	char bridge[NETNS_ROOM];
	int error;

	topology_netns(topology, "switch", bridge, sizeof(bridge));
	buffer_format(&lines, "netns add %s\n", bridge);
	error = ip_batch(NULL, &lines);
	buffer_clear(&lines);
	buffer_text(&lines,
		    "link set lo up\nlink add br0 type bridge mcast_snooping 0\nlink set br0 up\n");
	if (!error)
		error = ip_batch(bridge, &lines);
	buffer_release(&lines);
	if (!error)
		error = process_within(bridge, pass_no_firewall, NULL);
	if (error || add_host(topology, "client", "10.77.0.1", "fd77::1") ||
	    add_host(topology, "origin", "10.77.0.3", "fd77::3"))
		return -1;
	if (topology->dns && add_host(topology, LAB_RESOLVER, LAB_RESOLVER_ADDRESS, "fd77::2"))
		return -1;
	for (unsigned int i = 1; i <= topology->fronts; i++) {
		char host[32], address[32], address6[32];

		if (add_host(topology, topology_front(i, host), topology_front_address(i, address),
			     topology_front_address6(i, address6)))
			return -1;
	}
	for (unsigned int i = 1; i <= topology->nodes; i++) {
		char host[16], address[32], address6[32];

		snprintf(host, sizeof(host), "node%u", i);
		if (add_host(topology, host, topology_node_address(i, address),
			     topology_node_address6(i, address6)))
			return -1;
	}
	for (unsigned int i = 1; i <= topology->dispatchers; i++) {
		char host[32], address[32], address6[32];

		if (add_host(topology, topology_dispatcher(i, host),
			     topology_dispatcher_address(i, address),
			     topology_dispatcher_address6(i, address6)))
			return -1;
	}
	for (unsigned int i = 0; topology->extra && i < topology->extra->count; i++) {
		char address[32], address6[32];

		snprintf(address, sizeof(address), "10.77.0.%u", 201 + i);
		snprintf(address6, sizeof(address6), "fd77::%u", 201 + i);
		if (add_host(topology, topology->extra->items[i], address, address6))
			return -1;
	}
	if (topology->fronts > 1 &&
	    (add_host(topology, "router", ROUTER, ROUTER6) || share_out(topology)))
		return -1;
	return process_within(bridge, attach_pass, (void *)topology) ? -1 : 0;
}

bool topology_has(const char *lab, const char *host)
{
	char path[160];

	snprintf(path, sizeof(path), "/run/netns/baton-%s-%s", lab, host);
	return !access(path, F_OK);
}

/* Ends what still runs in a namespace that goes away; only the lab's own processes are in it. */
static void empty(const char *netns)
{
	const char *argv[] = {"ip", "netns", "pids", netns, NULL};
	struct buffer pids = BUFFER_EMPTY;

	if (!process_run(argv, NULL, &pids))
		for (char *at = pids.data; at && *at;) {
			long pid = strtol(at, &at, 10);

			if (pid > 1)
				kill((pid_t)pid, SIGKILL);
			at += strspn(at, " \n");
		}
	buffer_release(&pids);
}

unsigned int topology_down(const char *lab)
{
	struct buffer lines = BUFFER_EMPTY;
	char prefix[NETNS_ROOM];
	unsigned int found = 0;
	struct dirent *entry;
	DIR *folder = opendir("/run/netns");
	int length = snprintf(prefix, sizeof(prefix), "baton-%s-", lab);

	while (folder && (entry = readdir(folder))) {
		const char *host = entry->d_name + length;

		/* "lab-two" is not a host of lab "lab". */
		if (strncmp(entry->d_name, prefix, (size_t)length) || strchr(host, '-'))
			continue;
		empty(entry->d_name);
		buffer_format(&lines, "netns del %s\n", entry->d_name);
		found++;
	}
	if (folder)
		closedir(folder);
	if (found)
		ip_batch(NULL, &lines);
	buffer_release(&lines);
	return found;
}

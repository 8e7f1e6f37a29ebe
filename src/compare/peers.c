#include "compare/peers.h"
#include "base/buffer.h"
#include "base/process.h"
#include "compare/floor.h"
#include "control/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 200, NODES_MOST = 16, RELAY_PORT = 8080 };

static char *netns(const char *lab, const char *host, char text[ROOM])
{
	snprintf(text, ROOM, "baton-%s-%s", lab, host);
	return text;
}

/* Writes a configuration into the lab's folder and starts `argv`, in which NULL stands for its
 * path. */
static pid_t start_with(const struct peer *peer, const char *lab, struct buffer *text,
			const char **argv)
{
	char path[ROOM], log[ROOM], host[ROOM];
	int error;

	snprintf(path, sizeof(path), RUN_ROOT "/%s/conf/peer-%s", lab, peer->name);
	snprintf(log, sizeof(log), RUN_ROOT "/%s/log/peer-%s.log", lab, peer->name);
	error = file_write_whole(path, text->data, text->length, 0644);
	buffer_release(text);
	if (error)
		return error;
	for (int i = 0; i < 8; i++)
		if (argv[i] && !strcmp(argv[i], "@"))
			argv[i] = path;
	return process_start(netns(lab, peer->host, host), argv, log);
}

/* One thread, http mode, the URI hashed consistently, connections to the servers kept; responses
 * spliced and buffers of 64 KB, as haproxy's manual advises for large objects. */
static pid_t start_haproxy(const struct peer *peer, const char *lab, unsigned int nodes)
{
	struct buffer text = BUFFER_EMPTY;

	buffer_text(&text,
		    "global\n\tnbthread 1\n\tmaxconn 4000\n\ttune.bufsize 65536\n"
		    "defaults\n\tmode http\n\toption splice-response\n\ttimeout connect 5s\n"
		    "\ttimeout client 60s\n\ttimeout server 60s\n\thttp-reuse always\n"
		    "frontend front\n\tbind :80 backlog 4096\n\tbind :::80 v6only backlog 4096\n"
		    "\tdefault_backend nodes\n"
		    "backend nodes\n\tbalance uri\n\thash-type consistent\n");
	for (unsigned int i = 1; i <= nodes; i++)
		buffer_format(&text, "\tserver node%u 10.77.0.%u:80\n", i, 10 + i);
	return start_with(peer, lab, &text, (const char *[8]){"haproxy", "-db", "-f", "@", NULL});
}

/* One worker, the URI hashed consistently (ketama), connections to the servers kept; its files are
 * called after `name`. */
static void nginx_text(const char *lab, const char *name, unsigned int port, unsigned int nodes,
		       struct buffer *text)
{
	buffer_format(
		text,
		"user root;\nworker_processes 1;\nworker_rlimit_nofile 16000;\npid " RUN_ROOT
		"/%s/log/peer-%s.pid;\n"
		"error_log " RUN_ROOT
		"/%s/log/peer-%s.error;\nevents { worker_connections 16000; }\n"
		"http {\n\taccess_log off;\n\tkeepalive_requests 1000000;\n\tupstream nodes {\n"
		"\t\thash $request_uri consistent;\n",
		lab, name, lab, name);
	for (unsigned int i = 1; i <= nodes; i++)
		buffer_format(text, "\t\tserver 10.77.0.%u:80;\n", 10 + i);
	buffer_format(
		text,
		"\t\tkeepalive 256;\n\t\tkeepalive_requests 1000000;\n\t}\n"
		"\tserver {\n\t\tlisten %u backlog=4096;\n\t\tlisten [::]:%u backlog=4096;\n"
		"\t\tlocation / {\n\t\t\tproxy_pass http://nodes;\n\t\t\tproxy_http_version 1.1;\n"
		"\t\t\tproxy_set_header Connection \"\";\n\t\t\tproxy_set_header Host $host;\n"
		"\t\t\tproxy_buffers 16 64k;\n\t\t\tproxy_buffer_size 64k;\n\t\t}\n\t}\n}\n",
		port, port);
}

#define NGINX_WORDS                                                                                \
	(const char *[8])                                                                          \
	{                                                                                          \
		"nginx", "-e", "stderr", "-c", "@", "-g", "daemon off;", NULL                      \
	}

static pid_t start_nginx(const struct peer *peer, const char *lab, unsigned int nodes)
{
	struct buffer text = BUFFER_EMPTY;

	nginx_text(lab, peer->name, 80, nodes, &text);
	return start_with(peer, lab, &text, NGINX_WORDS);
}

/* Both directions through the front: destinations rewritten round robin, sources masked so that
 * answers come back. Forwarding is on in that namespace only. */
static pid_t start_dnat(const struct peer *peer, const char *lab, unsigned int nodes)
{
	const char *const sysctl[] = {"sysctl", "-qw", "net.ipv4.ip_forward=1", NULL};
	struct buffer text = BUFFER_EMPTY;
	char host[ROOM];
	pid_t pid;

	buffer_text(&text, "table ip baton {\n\tchain before {\n"
			   "\t\ttype nat hook prerouting priority dstnat;\n"
			   "\t\tip daddr 10.77.0.203 tcp dport 80 dnat to numgen inc mod ");
	buffer_format(&text, "%u map {", nodes);
	for (unsigned int i = 0; i < nodes; i++)
		buffer_format(&text, "%s %u : 10.77.0.%u", i ? "," : "", i, 11 + i);
	buffer_text(&text,
		    " }\n\t}\n\tchain after {\n\t\ttype nat hook postrouting priority srcnat;\n"
		    "\t\tip saddr 10.77.0.0/16 ct status dnat masquerade\n\t}\n}\n");
	pid = process_start(netns(lab, peer->host, host), sysctl, "/dev/null");
	if (pid < 0)
		return pid;
	return start_with(peer, lab, &text, (const char *[8]){"nft", "-f", "@", NULL});
}

int peer_mac(const char *lab, const char *host, char mac[18])
{
	char text[ROOM];
	const char *const argv[] = {"ip",   "-n", netns(lab, host, text), "-o", "link", "show",
				    "eth0", NULL};
	struct buffer said = BUFFER_EMPTY;
	const char *at;
	int error = process_run(argv, NULL, &said);

	at = error || !said.length ? NULL : strstr(said.data, "link/ether ");
	if (!at || sscanf(at, "link/ether %17s", mac) != 1)
		error = error < 0 ? error : -ENODEV;
	buffer_release(&said);
	return error;
}

/* What layer-4 direct server return needs of the lab: the address on the nodes' loopback, and all
 * MAC addresses. Returns 0 or -errno. */
static int prepare_dsr(const struct peer *peer, const char *lab, unsigned int nodes, char mac[18],
		       char macs[][18])
{
	int error = peer_mac(lab, peer->host, mac);

	for (unsigned int i = 0; i < nodes && !error; i++) {
		char node[16], host[ROOM], address[40];
		const char *const add[] = {"ip",    "-n",  host, "addr", "add",
					   address, "dev", "lo", NULL};

		snprintf(node, sizeof(node), "node%u", i + 1);
		snprintf(address, sizeof(address), "%s/32", peer->address);
		netns(lab, node, host);
		error = peer_mac(lab, node, macs[i]);
		if (!error && process_run(add, NULL, NULL))
			error = -EADDRNOTAVAIL;
	}
	return error;
}

/* In a netdev ingress chain, as nft's documentation has it: MAC addresses rewritten, node by a hash
 * of the client's address and port. */
static pid_t start_dsr(const struct peer *peer, const char *lab, unsigned int nodes)
{
	struct buffer text = BUFFER_EMPTY;
	char mac[18], macs[NODES_MOST][18];
	int error = nodes > NODES_MOST ? -E2BIG : prepare_dsr(peer, lab, nodes, mac, macs);

	if (error)
		return error;
	buffer_format(&text,
		      "table netdev baton {\n\tchain in {\n"
		      "\t\ttype filter hook ingress device \"eth0\" priority 0;\n"
		      "\t\tip daddr %s tcp dport 80 ether saddr set %s ether daddr set "
		      "jhash ip saddr . tcp sport mod %u map {",
		      peer->address, mac, nodes);
	for (unsigned int i = 0; i < nodes; i++)
		buffer_format(&text, "%s %u : %s", i ? "," : "", i, macs[i]);
	buffer_text(&text, " } fwd to \"eth0\"\n\t}\n}\n");
	return start_with(peer, lab, &text, (const char *[8]){"nft", "-f", "@", NULL});
}

/* The same by an XDP program. */
static pid_t start_xdp(const struct peer *peer, const char *lab, unsigned int nodes)
{
	char mac[18], macs[NODES_MOST][18];
	int error = nodes > NODES_MOST ? -E2BIG : prepare_dsr(peer, lab, nodes, mac, macs);

	return error ? error
		     : floor_attach(lab, peer->host, peer->address, mac, (const char(*)[18])macs,
				    nodes);
}

/* The papers' other case: a layer-4 front (the XDP one), and on every node a relay that hashes the
 * URI, asks the node that has it, and answers the client directly. The relays listen beside the
 * nodes' own servers, at another port. Those on the nodes end with the lab. */
static pid_t start_relay(const struct peer *peer, const char *lab, unsigned int nodes)
{
	struct peer front = *peer;
	char address[32], name[32], host[16];
	pid_t pid;

	snprintf(address, sizeof(address), "%.*s", (int)strcspn(peer->address, ":"), peer->address);
	front.address = address;
	pid = start_xdp(&front, lab, nodes);
	for (unsigned int i = 1; i <= nodes && pid >= 0; i++) {
		struct peer node = {.name = name, .host = host};
		struct buffer text = BUFFER_EMPTY;

		snprintf(host, sizeof(host), "node%u", i);
		snprintf(name, sizeof(name), "%s-%s", peer->name, host);
		nginx_text(lab, name, RELAY_PORT, nodes, &text);
		pid = start_with(&node, lab, &text, NGINX_WORDS);
	}
	return pid < 0 ? pid : 0;
}

/* The papers' comparison case, by today's means: `baton experiment splice`. */
static pid_t start_splice(const struct peer *peer, const char *lab, unsigned int nodes)
{
	char program[PATH_MAX], log[ROOM], host[ROOM], at[NODES_MOST][32];
	const char *argv[5 + 2 * NODES_MOST] = {program, "experiment", "splice"};
	int error = nodes > NODES_MOST ? -E2BIG : process_self(program);

	for (unsigned int i = 0; i < nodes && !error; i++) {
		snprintf(at[i], sizeof(at[i]), "10.77.0.%u:80", 11 + i);
		argv[3 + 2 * i] = "--node";
		argv[4 + 2 * i] = at[i];
	}
	snprintf(log, sizeof(log), RUN_ROOT "/%s/log/peer-%s.log", lab, peer->name);
	return error ? error : process_start(netns(lab, peer->host, host), argv, log);
}

const char *const peer_hosts[] = {"haproxy", "nginx",  "dnat",	"dsr", "haproxy2",
				  "xdp",     "splice", "relay", NULL};

const struct peer peers[] = {
	{"direct", NULL, "10.77.0.11", "no balancer: the client asks one node, without Baton", NULL,
	 .lab = LAB_BARE},
	{"haproxy", "haproxy", "10.77.0.201", "HAProxy, one thread, balance uri, spliced responses",
	 start_haproxy},
	{"nginx", "nginx", "10.77.0.202", "nginx, one worker, hash $request_uri, kept connections",
	 start_nginx},
	{"dnat", "dnat", "10.77.0.203", "nftables, destinations rewritten round robin", start_dnat},
	{"dsr", "dsr", "10.77.0.204",
	 "nftables, MAC addresses rewritten by the flow's hash, direct return", start_dsr,
	 .floor = true},
	{"xdp", "xdp", "10.77.0.206", "the same as dsr, by an XDP program that does nothing else",
	 start_xdp, .floor = true},
	{"splice", "splice", "10.77.0.207",
	 "a front that splices connections (BPF sockmap), by the first request's path",
	 start_splice},
	{"relay", "relay", "10.77.0.208:8080",
	 "the same front as xdp, and nginx on every node that relays by the URI's hash",
	 start_relay},
	{"baton", "front", "10.77.0.100", "Baton, hrw, direct return", NULL},
	{"haproxy2", "haproxy2", "10.77.0.205", "A/A control: a second HAProxy, same nodes",
	 start_haproxy, .twin = "haproxy"},
	{"baton2", "front", "10.77.0.100", "A/A control: a second Baton, nodes of its own", NULL,
	 .twin = "baton", .lab = LAB_SECOND},
	{"moved", "front", "10.77.0.100",
	 "Baton, each connection's requests in turn for two nodes: all move", NULL,
	 .lab = LAB_MOVING, .moves = true},
	{"dropped", "front", "10.77.0.100",
	 "Baton behind an XDP program that drops the flood before it looks at anything", NULL,
	 .shielded = true},
	{0},
};

const struct peer *peer_by_name(const char *name)
{
	for (const struct peer *peer = peers; peer->name; peer++)
		if (!strcmp(peer->name, name))
			return peer;
	return NULL;
}

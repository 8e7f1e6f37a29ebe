#include "lab/cluster_file.h"
#include "base/buffer.h"
#include "lab/servers.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool values_through_front(const struct values *values)
{
	return !strcmp(values->forward, "nat");
}

bool values_by_dns(const struct values *values)
{
	return !strcmp(values->place, "dns");
}

int cluster_key_write(const char *lab)
{
	unsigned char key[32];
	char path[STATE_ROOM], text[2 * sizeof(key) + 2];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -errno;
	for (size_t i = 0; i < sizeof(key); i++)
		sprintf(text + 2 * i, "%02x", key[i]);
	strcat(text, "\n");
	return file_write_whole(state_path(lab, "key", path), text, strlen(text), 0600);
}

/* The services' addresses: of the front, or one for each node. */
static void add_addresses(const struct values *values, struct buffer *text)
{
	char vip[32];

	if (!values_by_dns(values)) {
		buffer_text(text, "    addresses: [" LAB_VIP ", \"" LAB_VIP6 "\"]\n");
		return;
	}
	buffer_text(text, "    addresses: [");
	for (unsigned int i = 1; i <= values->nodes; i++)
		buffer_format(text, "%s, ", topology_vip(i, vip));
	for (unsigned int i = 1; i <= values->nodes; i++)
		buffer_format(text, "\"%s\"%s", topology_vip6(i, vip),
			      i < values->nodes ? ", " : "]\n");
}

/* TLS on the nodes that have it: those with nginx. Its connections are pinned, so the server's name
 * decides, and the client's address where there is none. */
static void add_tls(const struct values *values, struct buffer *text)
{
	unsigned int count = 0;
	char kind[SERVER_KIND];

	for (unsigned int i = 1; i <= values->nodes; i++) {
		if (!server_kind(values->server, i, kind) || strcmp(kind, "nginx"))
			continue;
		if (!count++) {
			buffer_text(text, "  - name: secure\n");
			add_addresses(values, text);
			buffer_format(text,
				      "    port: 443\n    protocol: %s\n    forward: %s\n"
				      "    policy: %s\n    place: %s\n"
				      "    health: {type: tcp, interval: 1s, timeout: 5s, "
				      "slow_start: 2s}\n"
				      "    nodes: [",
				      values_through_front(values) ? "tcp" : "tls",
				      values_through_front(values) ? "nat" : "direct",
				      values->policy, values_by_dns(values) ? "dns" : "inline");
		}
		buffer_format(text, "%snode%u", count > 1 ? ", " : "", i);
	}
	if (count)
		buffer_text(text, "]\n");
}

char *values_front_host(const struct values *values, unsigned int number, char *text)
{
	if (!values_by_dns(values))
		return topology_front(number, text);
	snprintf(text, 32, "node%u", number);
	return text;
}

char *values_front_daemon(const struct values *values, unsigned int number, char *text)
{
	if (!values_by_dns(values))
		return topology_front(number, text);
	snprintf(text, 32, "front-node%u", number);
	return text;
}

static void add_front(const struct values *values, unsigned int number, struct buffer *text)
{
	bool dns = values_by_dns(values);
	char address[32];

	buffer_format(text, "  - name: %s\n", values_front_host(values, number, address));
	buffer_format(text, "    address: %s\n",
		      dns ? topology_node_address(number, address)
			  : topology_front_address(number, address));
	buffer_format(text, "    address6: \"%s\"\n    interface: eth0\n    http: 127.0.0.1:7780\n",
		      dns ? topology_node_address6(number, address)
			  : topology_front_address6(number, address));
	if (values->xdp)
		buffer_format(text, "    xdp: %s\n", values->xdp);
	if (values->flows)
		buffer_format(text, "    flows: %lu\n", values->flows);
}

int cluster_file_write(const struct values *values)
{
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM], key[STATE_ROOM], address[32];
	int error;

	buffer_format(&text,
		      "# Written by `baton lab up`.\n"
		      "cluster:\n  name: %s\n  key_file: %s\n  origin: 10.77.0.3\nfronts:\n",
		      values->name, state_path(values->name, "key", key));
	for (unsigned int i = 1; i <= values->fronts; i++)
		add_front(values, i, &text);
	buffer_text(&text, "nodes:\n");
	for (unsigned int i = 1; i <= values->nodes; i++) {
		buffer_format(&text, "  - {name: node%u, address: %s, ", i,
			      topology_node_address(i, address));
		buffer_format(&text, "address6: \"%s\", interface: eth0}\n",
			      topology_node_address6(i, address));
	}
	if (values->dispatchers)
		buffer_text(&text, "dispatchers:\n");
	for (unsigned int i = 1; i <= values->dispatchers; i++) {
		buffer_format(&text, "  - {name: dispatcher%u, address: %s, ", i,
			      topology_dispatcher_address(i, address));
		buffer_format(&text, "address6: \"%s\", interface: eth0}\n",
			      topology_dispatcher_address6(i, address));
	}
	buffer_text(&text, "services:\n  - name: web\n");
	add_addresses(values, &text);
	buffer_format(&text,
		      "    port: 80\n    protocol: %s\n    policy: %s\n    target: %s\n    place: "
		      "%s\n    "
		      "forward: %s\n"
		      "    release: %s\n    health: {type: %s, interval: 1s, timeout: 5s, "
		      "slow_start: 2s}\n",
		      values_through_front(values) || values->relay ? "tcp" : "http",
		      values->policy, values->query ? "url" : "path", values->place,
		      values->forward, values->release,
		      /* A forward proxy has no page of its own; a relay's is somebody else's. */
		      values->proxy || values->relay ? "tcp" : "http, path: /health");
	buffer_format(&text, "    path_segments: %lu\n", values->path_segments);
	add_tls(values, &text);
	if (values->log)
		buffer_format(&text, "log:\n  format: %s\n  to: %s\n", values->log,
			      state_path(values->name, "log/{node}.requests", key));
	error = file_write_whole(state_path(values->name, "baton.yaml", path), text.data,
				 text.length, 0644);
	buffer_release(&text);
	return error;
}

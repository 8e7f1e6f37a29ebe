#include "lab/relays.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "lab/keeper.h"
#include "lab/nginx.h"
#include "lab/servers.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct relay {
	const char *lab, *host, *way;
	char base[STATE_ROOM];
	unsigned int nodes, port;
};

/* One thread; responses spliced and buffers of 64 KB, as its manual advises for large objects. */
static void haproxy_configure(const struct relay *relay, struct buffer *text)
{
	char address[32];

	buffer_text(text, "global\n\tnbthread 1\n\tmaxconn 4000\n\ttune.bufsize 65536\n"
			  "defaults\n\tmode http\n\toption splice-response\n\ttimeout connect 30s\n"
			  "\ttimeout client 60s\n\ttimeout server 60s\n\thttp-reuse always\n"
			  "frontend front\n\tbind :80 backlog 4096\n\tdefault_backend nodes\n"
			  "backend nodes\n");
	if (!strcmp(relay->way, "rr"))
		buffer_text(text, "\tbalance roundrobin\n");
	else
		buffer_format(text, "\tbalance uri\n\thash-type %s\n",
			      strcmp(relay->way, "hash") ? "consistent" : "map-based");
	for (unsigned int i = 1; i <= relay->nodes; i++)
		buffer_format(text, "\tserver node%u %s:%u\n", i, topology_node_address(i, address),
			      relay->port);
}

/* One worker, connections to the caches kept. */
static void nginx_configure(const struct relay *relay, struct buffer *text)
{
	char address[32], name[80];

	snprintf(name, sizeof(name), "%s-relay", relay->host);
	nginx_begin(text, relay->base, name);
	buffer_format(text,
		      "  access_log off;\n  keepalive_requests 1000000;\n  upstream nodes {\n%s",
		      !strcmp(relay->way, "rr")	    ? ""
		      : !strcmp(relay->way, "hash") ? "    hash $request_uri;\n"
						    : "    hash $request_uri consistent;\n");
	for (unsigned int i = 1; i <= relay->nodes; i++)
		buffer_format(text, "    server %s:%u;\n", topology_node_address(i, address),
			      relay->port);
	buffer_text(text,
		    "    keepalive 256;\n    keepalive_requests 1000000;\n  }\n"
		    "  server {\n    listen 80 backlog=4096;\n    listen [::]:80 backlog=4096;\n"
		    "    location / {\n      proxy_pass http://nodes;\n"
		    "      proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n"
		    "      proxy_set_header Host $host;\n      proxy_buffers 16 64k;\n"
		    "      proxy_buffer_size 64k;\n    }\n  }\n}\n");
}

/* A Squid that stores nothing and has the caches as parents. */
static void squid_configure(const struct relay *relay, struct buffer *text)
{
	char address[32];

	buffer_text(text, "http_port 80 accel vhost\nhttp_access allow all\ncache deny all\n"
			  "cache_mem 1 MB\nnever_direct allow all\n");
	for (unsigned int i = 1; i <= relay->nodes; i++)
		buffer_format(text,
			      "cache_peer %s parent %u 0 no-query no-digest originserver %s "
			      "name=node%u\n",
			      topology_node_address(i, address), relay->port, relay->way, i);
	buffer_format(text,
		      "access_log none\ncache_log %s/log/%s-relay.error\n"
		      "pid_filename %s/cache/%s-relay.pid\ncoredump_dir %s/cache\n"
		      "visible_hostname %s-relay\npinger_enable off\nnetdb_filename none\n"
		      "shutdown_lifetime 0 seconds\n",
		      relay->base, relay->host, relay->base, relay->host, relay->base, relay->host);
}

int relay_add(const char *lab, const char *host, const char *how, unsigned int nodes,
	      unsigned int port, json_t *list)
{
	struct relay relay = {lab, host, strchr(how, ':') + 1, "", nodes, port};
	char path[STATE_ROOM], name[80], service[SQUID_SERVICE];
	struct buffer text = BUFFER_EMPTY;
	const char *const haproxy[] = {"haproxy", "-db", "-f", path, NULL},
			  *const nginx[] = {"nginx", "-e", "stderr",	  "-c",
					    path,    "-g", "daemon off;", NULL},
			  *const squid[] = {"squid", "-N", "-n", service, "-f", path, NULL};
	const char *const *argv = *how == 'h' ? haproxy : *how == 'n' ? nginx : squid;
	int error;

	state_path(lab, "", relay.base);
	relay.base[strlen(relay.base) - 1] = 0;
	if (argv == haproxy)
		haproxy_configure(&relay, &text);
	else if (argv == nginx)
		nginx_configure(&relay, &text);
	else
		squid_configure(&relay, &text);
	snprintf(name, sizeof(name), "conf/%.40s-relay.conf", host);
	error = file_write_whole(state_path(lab, name, path), text.data, text.length, 0644);
	buffer_release(&text);
	if (error) {
		failed_errno(error, "lab: can't write %s", path);
		return -1;
	}
	squid_service((const char *const[]){lab, host, "relay", NULL}, service);
	snprintf(name, sizeof(name), "%.40s-relay", host);
	keeper_add(list, name, host, true, argv);
	keeper_behind(list);
	keeper_port(list, 80);
	return 0;
}

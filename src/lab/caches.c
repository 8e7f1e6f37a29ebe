/* The caches: Squid, nginx's proxy_cache and Varnish, in front of the origin or of the distiller
 * that stands between. All cache by what the origin says (RFC 9111); the key is host and URL. */
#include "base/buffer.h"
#include "base/process.h"
#include "lab/keeper.h"
#include "lab/nginx.h"
#include "lab/servers.h"
#include "lab/topology.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OBJECT_PART = 4, SQUID_FOLDERS = 16, MIB = 1 << 20 };

/* Where misses go: the distiller of the same host, or the origin. `address` holds 64 bytes. */
static const char *upstream(const struct cache_options *cache, char address[64])
{
	if (cache->distill)
		snprintf(address, 64, "127.0.0.1:%u", cache->distiller);
	else
		snprintf(address, 64, "%s", cache->origin);
	return address;
}

/* Headers that many an application believes about which host or path was asked for. A cache doesn't
 * key its objects by them, so one client's would be in the page that all get: they stay
 * behind. */
static const char *const unkeyed[] = {
	"X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Host",
	"X-Original-URL",   "X-Rewrite-URL",	  "Forwarded",		NULL};

/* A line for each of them; `format` has their name as its one argument. */
__attribute__((format(printf, 2, 0))) static void without_unkeyed(struct buffer *text,
								  const char *format)
{
	for (const char *const *name = unkeyed; *name; name++)
		buffer_format(text, format, *name);
}

/* No object takes more than a fourth of a cache. */
static unsigned long largest_object(uint64_t size)
{
	return (unsigned long)(size / OBJECT_PART);
}

/* ---- Squid ---- */

/* Squid makes the folders of a disk cache itself only when it is told to and ends then. */
static int squid_prepare(const struct server *server)
{
	char path[STATE_ROOM + 96];

	if (!server->cache->disk)
		return 0;
	for (int first = -1; first < SQUID_FOLDERS; first++)
		for (int second = -1; second < SQUID_FOLDERS; second++) {
			int length = snprintf(path, sizeof(path), "%s/cache/%s.objects",
					      server->base, server->host);

			if (first < 0 && second >= 0)
				continue;
			if (first >= 0)
				length += snprintf(path + length, 8, "/%02X", first);
			if (second >= 0)
				snprintf(path + length, 8, "/%02X", second);
			if (mkdir(path, 0777) || chmod(path, 0777))
				return -errno;
		}
	return 0;
}

/* `server`: asked as an origin is, for a path; else as a proxy, for a URL. */
static void squid_peer(struct buffer *text, const char *name, const char *address, bool server)
{
	int host = (int)strcspn(address, ":");

	buffer_format(text,
		      "cache_peer %.*s parent %s 0 no-query no-digest login=PASSTHRU%s name=%s\n",
		      host, address, address + host + 1, server ? " originserver" : "", name);
}

static void squid_configure(const struct server *server, struct buffer *text)
{
	const struct cache_options *cache = server->cache;
	const char *base = server->base, *host = server->host;
	if (cache->proxy)
		/* The lab has no name server: whatever host is asked for is the origin. Tunnels go
		 * where they are asked for, by address or by a name of the lab's own. */
		buffer_format(text,
			      "http_port %u\n"
			      "acl tunnel method CONNECT\n"
			      "never_direct deny tunnel\n"
			      "never_direct allow all\n"
			      "always_direct allow tunnel\n"
			      "hosts_file %s/conf/hosts\n",
			      cache->port, base);
	else
		/* Else a parent that was away once would be gone round, to the host that the client
		 * named: this one. */
		buffer_format(text,
			      "http_port %u accel vhost\n"
			      "never_direct allow all\n",
			      cache->port);
	squid_peer(text, "origin", cache->origin, true);
	if (cache->distill) {
		char address[64];

		/* The distiller reads only. */
		squid_peer(text, "distiller", upstream(cache, address), !cache->proxy);
		buffer_text(text, "acl read method GET HEAD\n"
				  "cache_peer_access distiller allow read\n"
				  "cache_peer_access distiller deny all\n"
				  "cache_peer_access origin deny read\n"
				  "cache_peer_access origin allow all\n");
	}
	buffer_format(text,
		      "http_access allow manager localhost\n"
		      "http_access deny manager\n"
		      "http_access allow all\n"
		      "cache_mem %lu bytes\n"
		      "maximum_object_size_in_memory %lu bytes\n"
		      "maximum_object_size %lu bytes\n",
		      (unsigned long)cache->memory, largest_object(cache->memory),
		      largest_object(cache->memory > cache->disk ? cache->memory : cache->disk));
	if (cache->disk)
		buffer_format(text, "cache_dir ufs %s/cache/%s.objects %lu %d %d\n", base, host,
			      (unsigned long)((cache->disk + MIB - 1) / MIB), SQUID_FOLDERS,
			      SQUID_FOLDERS);
	without_unkeyed(text, "request_header_access %s deny all\n");
	/* A page that sets a cookie is mostly one user's (RFC 6265, 5.3 lets it be shared). */
	buffer_text(text, "acl personal rep_header Set-Cookie .\n"
			  "store_miss deny personal\n");
	/* The gap: the list of its objects, which `lab storage` asks for, never ends when it is
	 * longer than what Squid reads ahead (16 KB by default). */
	buffer_format(text,
		      "access_log stdio:%s/log/%s.access\n"
		      "cache_log %s/log/%s.error\n"
		      "pid_filename %s/cache/%s.pid\n"
		      "coredump_dir %s/cache\n"
		      "visible_hostname %s\n"
		      "reply_header_access X-Node deny all\n"
		      "reply_header_add X-Node %s all\n"
		      "read_ahead_gap 16 MB\n"
		      "pinger_enable off\n"
		      "netdb_filename none\n"
		      "shutdown_lifetime 0 seconds\n",
		      base, host, base, host, base, host, base, host, host);
}

void squid_service(const char *const parts[], char name[SQUID_SERVICE])
{
	size_t at = 0;

	for (; *parts; parts++)
		for (const char *c = *parts; *c && at < SQUID_SERVICE - 1; c++)
			if (*c != '.' && *c != '_')
				name[at++] = *c;
	name[at] = 0;
}

static void squid_command(const struct server *server, const char *conf, const char *argv[])
{
	static char service[SQUID_SERVICE];

	squid_service((const char *const[]){server->lab, server->host, NULL}, service);
	memcpy(argv, (const char *[]){"squid", "-N", "-n", service, "-f", conf, NULL},
	       7 * sizeof(*argv));
}

/* ---- nginx ---- */

/* nginx keeps what it caches in files only, so memory and disk add up to what they may take; its
 * manager looks after the bound every few seconds, not at every object. */
static void nginx_cache_configure(const struct server *server, struct buffer *text)
{
	const struct cache_options *cache = server->cache;
	const char *base = server->base, *host = server->host;
	char address[64];

	nginx_begin(text, base, host);
	buffer_format(text,
		      "  sendfile on;\n"
		      "  tcp_nopush on;\n"
		      "  log_format cache '$remote_addr - - [$time_local] \"$request\" $status "
		      "$body_bytes_sent $upstream_cache_status';\n"
		      "  access_log %s/log/%s.access cache;\n"
		      "  proxy_cache_path %s/cache/%s.objects levels=1:2 keys_zone=objects:16m "
		      "max_size=%lu inactive=1d use_temp_path=off manager_sleep=50ms;\n"
		      "  upstream origin { server %s; keepalive 64; }\n"
		      "  upstream reader { server %s; keepalive 64; }\n"
		      "  # A distiller reads only.\n"
		      "  map $request_method $where { default origin; GET reader; HEAD reader; }\n"
		      "  server {\n"
		      "    listen %u backlog=4096;\n"
		      "    listen [::]:%u backlog=4096;\n"
		      "    add_header X-Node %s always;\n"
		      "    add_header X-Cache-Status $upstream_cache_status always;\n"
		      "    location = /health { return 200 \"well\\n\"; }\n"
		      "    location / {\n"
		      "      proxy_pass http://$where;\n"
		      "      proxy_http_version 1.1;\n"
		      "      proxy_set_header Connection \"\";\n"
		      "      proxy_set_header Host $host;\n",
		      base, host, base, host, (unsigned long)(cache->memory + cache->disk),
		      cache->origin, upstream(cache, address), cache->port, cache->port, host);
	without_unkeyed(text, "      proxy_set_header %s \"\";\n");
	/* nginx by itself shares what one user's Authorization got (RFC 9111, 3.5 forbids). */
	buffer_text(text, "      proxy_hide_header X-Node;\n"
			  "      proxy_cache objects;\n"
			  "      proxy_cache_key $host$request_uri;\n"
			  "      proxy_cache_lock on;\n"
			  "      proxy_cache_revalidate on;\n"
			  "      proxy_cache_bypass $http_authorization;\n"
			  "      proxy_no_cache $http_authorization;\n"
			  "    }\n"
			  "  }\n"
			  "}\n");
}

/* ---- Varnish ---- */

static void varnish_backend(struct buffer *text, const char *name, const char *address)
{
	int host = (int)strcspn(address, ":");

	buffer_format(text, "backend %s { .host = \"%.*s\"; .port = \"%s\"; }\n", name, host,
		      address, address + host + 1);
}

static void varnish_configure(const struct server *server, struct buffer *text)
{
	char address[64];

	buffer_text(text, "vcl 4.1;\n");
	varnish_backend(text, "origin", server->cache->origin);
	varnish_backend(text, "reader", upstream(server->cache, address));
	buffer_text(text, "sub vcl_recv {\n"
			  "  if (req.url == \"/health\") { return (synth(200)); }\n"
			  "  # A distiller reads only.\n"
			  "  if (req.method == \"GET\" || req.method == \"HEAD\") {\n"
			  "    set req.backend_hint = reader;\n"
			  "  } else {\n"
			  "    set req.backend_hint = origin;\n"
			  "  }\n");
	without_unkeyed(text, "  unset req.http.%s;\n");
	buffer_format(text,
		      "}\n"
		      "sub vcl_deliver { set resp.http.X-Node = \"%s\"; }\n"
		      "sub vcl_synth { set resp.http.X-Node = \"%s\"; }\n",
		      server->host, server->host);
}

static void varnish_command(const struct server *server, const char *conf, const char *argv[])
{
	static char listen[32], memory[48], folder[STATE_ROOM + 96], disk[STATE_ROOM + 160];
	const struct cache_options *cache = server->cache;
	int count = 0;

	snprintf(listen, sizeof(listen), ":%u", cache->port);
	snprintf(memory, sizeof(memory), "memory=malloc,%lu", (unsigned long)cache->memory);
	snprintf(folder, sizeof(folder), "%s/cache/%s.varnish", server->base, server->host);
	snprintf(disk, sizeof(disk), "disk=file,%s/cache/%s.objects,%lu", server->base,
		 server->host, (unsigned long)cache->disk);
	for (const char *const *word =
		     (const char *const[]){"varnishd", "-F", "-j", "none", "-a", listen, "-f", conf,
					   "-n", folder, "-s", memory, NULL};
	     *word; word++)
		argv[count++] = *word;
	if (cache->disk) {
		argv[count++] = "-s";
		argv[count++] = disk;
	}
	argv[count] = NULL;
}

/* ---- the distiller ---- */

void server_add_distiller(const char *host, const struct cache_options *cache, json_t *list)
{
	char program[PATH_MAX], listen[32], origin[96], name[64];

	if (process_self(program))
		strcpy(program, "baton");
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", cache->distiller);
	snprintf(origin, sizeof(origin), cache->proxy ? "%s" : "http://%s", cache->origin);
	snprintf(name, sizeof(name), "%.40s-distiller", host);
	keeper_add(list, name, host, true,
		   (const char *const[]){program, "distill", "serve", "--listen", listen,
					 cache->proxy ? "--connect-to" : "--parent", origin,
					 "--profile", cache->distill, NULL});
	keeper_port(list, cache->distiller);
}

const struct server_kind cache_kinds[] = {
	{"squid", "/usr/sbin/squid", "conf", squid_configure, squid_command, squid_prepare},
	{"nginx-cache", "/usr/sbin/nginx", "conf", nginx_cache_configure, nginx_command, NULL},
	{"varnish", "/usr/sbin/varnishd", "vcl", varnish_configure, varnish_command, NULL},
	{0},
};

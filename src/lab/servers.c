#include "lab/servers.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/keeper.h"
#include "lab/nginx.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char server_script[] =
#include "server.js.h"
	;

static const char page_script[] =
#include "page.js.h"
	;

/* ---- nginx ---- */

static void nginx_configure(const struct server *server, struct buffer *text)
{
	const char *base = server->base, *host = server->host;

	nginx_begin(text, base, host);
	buffer_format(
		text,
		"  include /etc/nginx/mime.types;\n"
		"  default_type application/octet-stream;\n"
		"  sendfile on;\n"
		"  tcp_nopush on;\n"
		"  log_format timed '$remote_addr - - [$time_local] \"$request\" $status "
		"$body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time';\n"
		"  access_log %s/log/%s.access timed;\n"
		"  server {\n"
		"    listen 80 backlog=4096;\n"
		"    listen [::]:80 backlog=4096;\n"
		"    listen 443 ssl;\n"
		"    listen [::]:443 ssl;\n"
		"    ssl_certificate %s/conf/cert.pem;\n"
		"    ssl_certificate_key %s/conf/cert.key;\n"
		"    root %s;\n"
		"    add_header X-Node %s always;\n"
		"%s%s"
		"    # Any number of targets without a file each.\n"
		"    location = /health {\n"
		"      expires off;\n"
		"      add_header X-Node %s always;\n"
		"      add_header Cache-Control no-store;\n"
		"      return 200 \"well\\n\";\n"
		"    }\n"
		"    location /t/ { default_type text/plain; return 200 \"$uri\\n\"; }\n"
		"    # A static file answers POST as it does GET, so that bodies can be sent.\n"
		"    error_page 405 =200 $uri;\n"
		"  }\n"
		"}\n",
		base, host, base, base, server->root, host,
		strcmp(host, "origin")
			? ""
			: "    # Caches need not guess how long it is good.\n    expires 1h;\n",
		server->cache && server->cache->dynamic && strcmp(host, "origin")
			? "    location /dynamic/ { proxy_pass http://127.0.0.1:8081; }\n"
			: "",
		host);
}

/* ---- Apache ---- */

static void apache_configure(const struct server *server, struct buffer *text)
{
	static const char *const modules[] = {"mpm_event", "authz_core", "mime",
					      "dir",	   "headers",	 "alias"};
	const char *base = server->base, *host = server->host;

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		buffer_format(text, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n",
			      modules[i], modules[i]);
	buffer_format(text,
		      "ServerName %s\n"
		      "ServerRoot %s/conf\n"
		      "Mutex file:%s/cache default\n"
		      "DefaultRuntimeDir %s/cache\n"
		      "PidFile %s/log/%s.pid\n"
		      "User www-data\n"
		      "Group www-data\n"
		      "Listen 80\n"
		      "ErrorLog %s/log/%s.error\n"
		      "LogFormat \"%%h %%l %%u %%t \\\"%%r\\\" %%>s %%O\" common\n"
		      "CustomLog %s/log/%s.access common\n"
		      "TypesConfig /etc/mime.types\n"
		      "DirectoryIndex index.html\n"
		      "Header always set X-Node %s\n"
		      "DocumentRoot %s\n"
		      "Redirect 204 /health\n"
		      "<Directory />\n  Require all granted\n</Directory>\n",
		      host, base, base, base, base, host, base, host, base, host, host,
		      server->root);
}

static void apache_command(const struct server *server, const char *conf, const char *argv[])
{
	(void)server;
	memcpy(argv, (const char *[]){"apache2", "-D", "FOREGROUND", "-f", conf, NULL},
	       6 * sizeof(*argv));
}

/* ---- Node ---- */

static void node_configure(const struct server *server, struct buffer *text)
{
	(void)server;
	buffer_text(text, server_script);
}

static void node_command(const struct server *server, const char *conf, const char *argv[])
{
	static char log[STATE_ROOM];

	snprintf(log, sizeof(log), "%.120s/log/%.40s.access", server->base, server->host);
	memcpy(argv, (const char *[]){"node", conf, server->host, server->root, log, NULL},
	       6 * sizeof(*argv));
}

/* ---- all ---- */

static const struct server_kind kinds[] = {
	{"nginx", "/usr/sbin/nginx", "conf", nginx_configure, nginx_command, NULL},
	{"apache", "/usr/sbin/apache2", "conf", apache_configure, apache_command, NULL},
	{"node", "/usr/bin/node", "js", node_configure, node_command, NULL},
};

static const struct server_kind *kind_named(const char *name)
{
	for (const struct server_kind *kind = cache_kinds; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

bool server_is_cache(const char *name)
{
	for (const struct server_kind *kind = cache_kinds; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return true;
	return false;
}

bool server_kind(const char *list, unsigned int number, char *kind)
{
	unsigned int count = 1;

	for (const char *c = list; *c; c++)
		count += *c == ',';
	for (unsigned int i = (number - 1) % count; i; i--)
		list = strchr(list, ',') + 1;
	snprintf(kind, SERVER_KIND, "%.*s", (int)strcspn(list, ","), list);
	return kind_named(kind);
}

static int write_text(const char *path, const struct buffer *text)
{
	int error = file_write_whole(path, text->length ? text->data : "", text->length, 0644);

	if (error)
		failed_errno(error, "lab: can't write %s", path);
	return error;
}

/* A certificate that nobody vouches for, good for a month. */
int server_certificate(const char *lab)
{
	char key[STATE_ROOM], certificate[STATE_ROOM];
	const char *argv[] = {"openssl",
			      "req",
			      "-x509",
			      "-newkey",
			      "ec",
			      "-pkeyopt",
			      "ec_paramgen_curve:prime256v1",
			      "-nodes",
			      "-days",
			      "30",
			      "-subj",
			      "/CN=baton.lab",
			      "-addext",
			      "subjectAltName=DNS:baton.lab,DNS:*.baton.lab,IP:" LAB_VIP,
			      "-keyout",
			      state_path(lab, "conf/cert.key", key),
			      "-out",
			      state_path(lab, "conf/cert.pem", certificate),
			      NULL};
	struct buffer said = BUFFER_EMPTY;
	int code = process_run(argv, NULL, &said);

	if (code)
		failed("lab: openssl made no certificate: %.*s",
		       (int)(said.length ? strcspn(said.data, "\n") : 0),
		       said.length ? said.data : "");
	buffer_release(&said);
	return code ? -1 : 0;
}

int server_add(const char *lab, const char *kind_name, const char *host, const char *root,
	       const struct cache_options *cache, json_t *list)
{
	const struct server_kind *kind = kind_named(kind_name);
	struct server server = {.lab = lab, .host = host, .root = root, .cache = cache};
	struct buffer text = BUFFER_EMPTY;
	char conf[STATE_ROOM], name[64];
	const char *argv[SERVER_WORDS];
	int error;

	if (access(kind->program, X_OK)) {
		failed("lab: %s is not installed (%s); scripts/deps installs it", kind->name,
		       kind->program);
		return -1;
	}
	state_path(lab, "", server.base);
	server.base[strlen(server.base) - 1] = 0;
	error = kind->prepare ? kind->prepare(&server) : 0;
	if (error) {
		failed_errno(error, "lab: can't make the cache of %s", host);
		return -1;
	}
	kind->configure(&server, &text);
	snprintf(name, sizeof(name), "conf/%.40s.%s", host, kind->suffix);
	error = write_text(state_path(lab, name, conf), &text);
	buffer_release(&text);
	if (error)
		return -1;
	kind->command(&server, conf, argv);
	snprintf(name, sizeof(name), "%.40s-server", host);
	keeper_add(list, name, host, true, argv);
	if (server_is_cache(kind_name)) {
		/* A Squid whose parent isn't there when it begins fails its first requests. */
		if (cache->distill)
			keeper_behind(list);
		keeper_port(list, cache->port);
	}
	return 0;
}

int server_add_page(const char *lab, const char *host, json_t *list)
{
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM], name[64], port[16];
	int error;

	buffer_text(&text, page_script);
	error = write_text(state_path(lab, "conf/page.js", path), &text);
	buffer_release(&text);
	if (error)
		return -1;
	snprintf(name, sizeof(name), "%.40s-page", host);
	snprintf(port, sizeof(port), "%d", SERVER_PAGE_PORT);
	keeper_add(list, name, host, true, (const char *const[]){"node", path, port, NULL});
	return 0;
}

int server_sample_root(const char *lab)
{
	static const struct {
		const char *name;
		size_t size;
	} files[] = {{"root/100B", 100},
		     {"root/1KB", 1000},
		     {"root/10KB", 10000},
		     {"root/100KB", 100000},
		     {"root/1MB", 1000000}};
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM];
	int error;

	buffer_text(&text, "<!doctype html><title>Baton</title><p>A node of the lab answered.\n");
	error = write_text(state_path(lab, "root/index.html", path), &text);
	for (size_t i = 0; !error && i < sizeof(files) / sizeof(files[0]); i++) {
		buffer_clear(&text);
		for (unsigned int line = 0; text.length < files[i].size; line++)
			buffer_format(&text, "%s line %u\n", files[i].name + 5, line);
		text.length = files[i].size;
		error = write_text(state_path(lab, files[i].name, path), &text);
	}
	buffer_release(&text);
	return error;
}

struct wait {
	uint64_t end;
	struct in_addr address;
	unsigned int port;
};

/* Whether the server behind the socket says anything: Varnish listens for a moment, shuts the
 * socket again and then begins in earnest. */
static bool answers(int fd)
{
	static const char request[] = "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n";
	struct timeval patience = {1, 0};
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return send(fd, request, strlen(request), MSG_NOSIGNAL) > 0 && recv(fd, &byte, 1, 0) == 1;
}

static int connects(void *context)
{
	const struct wait *wait = context;
	struct sockaddr_in server = {.sin_family = AF_INET,
				     .sin_port = htons((uint16_t)wait->port),
				     .sin_addr = wait->address};

	/* A refused connection says at once that nobody listens yet; there is no event to wait for.
	 */
	while (clock_now() < wait->end) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool good = !connect(fd, (struct sockaddr *)&server, sizeof(server)) && answers(fd);

		close(fd);
		if (good)
			return 0;
		poll(NULL, 0, 10);
	}
	return 1;
}

int server_await(const char *lab, const char *host, const char *address, unsigned int port,
		 unsigned int seconds)
{
	struct wait wait = {clock_now() + seconds * NS_PER_S, {0}, port};
	char netns[128];

	inet_pton(AF_INET, address, &wait.address);
	snprintf(netns, sizeof(netns), "baton-%s-%s", lab, host);
	return process_within(netns, connects, &wait) ? -ETIMEDOUT : 0;
}

#include "lab/servers.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/keeper.h"
#include "lab/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int write_file(const char *path, const struct buffer *text)
{
	int error = file_write_whole(path, text->data ? text->data : "", text->length, 0644);

	if (error)
		failed_errno(error, "lab: can't write %s", path);
	return error;
}

/* Debian's package as it comes, less the daemon's own user: one worker, logs and pid in the lab's
 * folder. The location /t/ answers with its own path, so that any number of targets exists without
 * files. */
static int add_nginx(const char *lab, const char *host, const char *root, json_t *list)
{
	char conf[STATE_ROOM], name[64], folder[STATE_ROOM], log[STATE_ROOM], process[64];
	struct buffer text = BUFFER_EMPTY;
	int error;

	state_path(lab, "log", folder);
	snprintf(name, sizeof(name), "conf/%s.nginx", host);
	state_path(lab, name, conf);
	snprintf(name, sizeof(name), "log/%s.error", host);
	state_path(lab, name, log);
	buffer_format(&text,
		      "worker_processes 1;\n"
		      "user root;\n"
		      "pid %s/%s.pid;\n"
		      "error_log %s;\n"
		      "events { worker_connections 16384; }\n"
		      "worker_rlimit_nofile 20000;\n"
		      "http {\n"
		      "\tinclude /etc/nginx/mime.types;\n"
		      "\tdefault_type application/octet-stream;\n"
		      "\taccess_log %s/%s.access;\n"
		      "\tsendfile on;\n"
		      "\ttcp_nopush on;\n"
		      "\tadd_header X-Node %s always;\n"
		      "\tserver {\n"
		      "\t\tlisten 80 backlog=4096;\n"
		      "\t\tlisten [::]:80 backlog=4096;\n"
		      "\t\troot %s;\n"
		      "\t\tlocation /t/ { default_type text/plain; return 200 \"$uri\\n\"; }\n"
		      "\t}\n"
		      "}\n",
		      folder, host, log, folder, host, host, root);
	error = write_file(conf, &text);
	buffer_release(&text);
	snprintf(process, sizeof(process), "%s-server", host);
	if (!error)
		keeper_add(list, process, host, true,
			   (const char *const[]){"nginx", "-e", log, "-c", conf, "-g",
						 "daemon off;", NULL});
	return error;
}

/* Debian's Apache with its default mpm (event) and nothing loaded that isn't needed. */
static int add_apache(const char *lab, const char *host, const char *root, json_t *list)
{
	char conf[STATE_ROOM], name[64], folder[STATE_ROOM], process[64];
	struct buffer text = BUFFER_EMPTY;
	int error;

	state_path(lab, "log", folder);
	snprintf(name, sizeof(name), "conf/%s.apache", host);
	state_path(lab, name, conf);
	buffer_format(&text,
		      "ServerName %s\n"
		      "ServerRoot /usr/lib/apache2\n"
		      "PidFile %s/%s.pid\n"
		      "ErrorLog %s/%s.error\n"
		      "Listen 80\n"
		      "LoadModule mpm_event_module modules/mod_mpm_event.so\n"
		      "LoadModule authz_core_module modules/mod_authz_core.so\n"
		      "LoadModule headers_module modules/mod_headers.so\n"
		      "LoadModule mime_module modules/mod_mime.so\n"
		      "LoadModule dir_module modules/mod_dir.so\n"
		      "TypesConfig /etc/mime.types\n"
		      "DocumentRoot \"%s\"\n"
		      "<Directory \"%s\">\n\tRequire all granted\n</Directory>\n"
		      "Header always set X-Node %s\n"
		      "MaxKeepAliveRequests 0\n"
		      "LogFormat \"%%h %%l %%u %%t \\\"%%r\\\" %%>s %%b\" common\n",
		      host, folder, host, folder, host, root, root, host);
	error = write_file(conf, &text);
	buffer_release(&text);
	snprintf(process, sizeof(process), "%s-server", host);
	if (!error)
		keeper_add(list, process, host, true,
			   (const char *const[]){"apache2", "-f", conf, "-DFOREGROUND", NULL});
	return error;
}

/* Node.js's own http server, which answers with the files of the root. */
static int add_node(const char *lab, const char *host, const char *root, json_t *list)
{
	static const char program[] =
		"const http = require('http'), fs = require('fs'), path = require('path');\n"
		"const [root, name] = process.argv.slice(2);\n"
		"http.createServer((request, response) => {\n"
		"  response.setHeader('X-Node', name);\n"
		"  const asked = decodeURIComponent(request.url.split('?')[0]);\n"
		"  if (asked.startsWith('/t/')) return response.end(asked + '\\n');\n"
		"  fs.readFile(path.join(root, path.normalize(asked)), (error, body) => {\n"
		"    response.statusCode = error ? 404 : 200;\n"
		"    response.end(error ? 'nothing here\\n' : body);\n"
		"  });\n"
		"}).listen(80, '::', 4096);\n";
	struct buffer text = BUFFER_EMPTY;
	char path[STATE_ROOM], process[64];
	int error;

	buffer_text(&text, program);
	error = write_file(state_path(lab, "conf/server.js", path), &text);
	buffer_release(&text);
	snprintf(process, sizeof(process), "%s-server", host);
	if (!error)
		keeper_add(list, process, host, true,
			   (const char *const[]){"node", path, root, host, NULL});
	return error;
}

int server_add(const char *lab, const char *server, const char *host, const char *root,
	       json_t *list)
{
	if (!strcmp(server, "apache"))
		return add_apache(lab, host, root, list);
	if (!strcmp(server, "node"))
		return add_node(lab, host, root, list);
	return add_nginx(lab, host, root, list);
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
	error = write_file(state_path(lab, "root/index.html", path), &text);
	for (size_t i = 0; !error && i < sizeof(files) / sizeof(files[0]); i++) {
		buffer_clear(&text);
		for (unsigned int line = 0; text.length < files[i].size; line++)
			buffer_format(&text, "%s line %u\n", files[i].name + 5, line);
		text.length = files[i].size;
		error = write_file(state_path(lab, files[i].name, path), &text);
	}
	buffer_release(&text);
	return error;
}

static int connects(void *context)
{
	const uint64_t *end = context;
	struct sockaddr_in server = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(INADDR_LOOPBACK)}};

	/* A refused connection says at once that nobody listens yet; there is no event to wait for.
	 */
	while (clock_now() < *end) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int refused = connect(fd, (struct sockaddr *)&server, sizeof(server));

		close(fd);
		if (!refused)
			return 0;
		poll(NULL, 0, 10);
	}
	return 1;
}

int server_await(const char *lab, const char *host, unsigned int seconds)
{
	uint64_t end = clock_now() + seconds * NS_PER_S;
	char netns[128];

	snprintf(netns, sizeof(netns), "baton-%s-%s", lab, host);
	return process_within(netns, connects, &end) ? -ETIMEDOUT : 0;
}

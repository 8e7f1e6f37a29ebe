#include "lab/nginx.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

void nginx_begin(struct buffer *text, const char *base, const char *name)
{
	static const char *const kinds[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
	struct rlimit files = {1024, 1024};

	getrlimit(RLIMIT_NOFILE, &files);
	buffer_format(text,
		      "user root;\n"
		      "worker_processes 1;\n"
		      "worker_rlimit_nofile %lu;\n"
		      "pid %s/log/%s.pid;\n"
		      "error_log %s/log/%s.error;\n"
		      "events { worker_connections 16384; }\n"
		      "http {\n",
		      (unsigned long)files.rlim_max, base, name, base, name);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		buffer_format(text, "  %s_temp_path %s/cache/%s.%s;\n", kinds[i], base, name,
			      kinds[i]);
}

void nginx_command(const struct server *server, const char *conf, const char *argv[])
{
	static char errors[STATE_ROOM + 96];

	snprintf(errors, sizeof(errors), "%s/log/%s.error", server->base, server->host);
	memcpy(argv, (const char *[]){"nginx", "-e", errors, "-c", conf, "-g", "daemon off;", NULL},
	       8 * sizeof(*argv));
}

#include "control/web.h"
#include "base/buffer.h"
#include "control/client.h"
#include "control/paths.h"
#include "control/assets.h"
#include "control/history.h"
#include "control/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_BYTES = 16, CONNECTIONS_MAX = 128, IDLE_S = 30, RANGE_POINTS = 300 };

struct web_server {
	char cluster[32], token[2 * TOKEN_BYTES + 1];
	char host[ENDPOINT_TEXT]; /* as a browser names us */
	unsigned int port;
	struct history *history;
	struct MHD_Daemon *daemon;
};

static enum MHD_Result send_bytes(struct MHD_Connection *connection, unsigned int status,
				  const char *type, const void *bytes, size_t length,
				  enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, (void *)bytes, mode);
	enum MHD_Result queued;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	MHD_add_response_header(
		response, "Content-Security-Policy",
		"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:");
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

/* Takes the object over. */
static enum MHD_Result send_json(struct MHD_Connection *connection, unsigned int status,
				 json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	enum MHD_Result queued = send_bytes(connection, status, "application/json", text,
					    strlen(text), MHD_RESPMEM_MUST_FREE);

	json_decref(object);
	return queued;
}

static enum MHD_Result send_error(struct MHD_Connection *connection, unsigned int status,
				  const char *why)
{
	return send_json(connection, status, json_pack("{s:s}", "error", why));
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Whether a Host (or what follows "http://" in an Origin) names this server: its own address, or
 * localhost. A name that an attacker lets point here is neither. */
static int is_self(const struct web_server *server, const char *host)
{
	static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
	char wanted[ENDPOINT_TEXT + 16];

	if (!strcmp(host, server->host))
		return 1;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		snprintf(wanted, sizeof(wanted), "%s:%u", local[i], server->port);
		if (!strcmp(host, wanted))
			return 1;
	}
	return 0;
}

/* Compares in a time that tells nothing of where the difference is. */
static int token_good(const struct web_server *server, const char *given)
{
	size_t length = strlen(server->token);
	unsigned char different = 0;

	if (!given || strncmp(given, "Bearer ", 7) || strlen(given + 7) != length)
		return 0;
	for (size_t i = 0; i < length; i++)
		different |= (unsigned char)(given[7 + i] ^ server->token[i]);
	return !different;
}

/* Sends the front's answer to a request (taken over). */
static enum MHD_Result send_answer(struct web_server *server, struct MHD_Connection *connection,
				   json_t *request)
{
	json_t *answer = NULL;

	if (client_call(server->cluster, "front", request, &answer))
		return send_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				  "the front's daemon does not answer");
	return send_json(connection,
			 json_object_get(answer, "error") ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_OK,
			 answer);
}

static const char *argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* POST /api/flows/kill?client=ADDRESS[:PORT]&node=NAME */
static enum MHD_Result kill_flows(struct web_server *server, struct MHD_Connection *connection)
{
	const char *client = argument(connection, "client"), *node = argument(connection, "node");

	if (!client && !node)
		return send_error(connection, MHD_HTTP_BAD_REQUEST,
				  "say whose: client=ADDRESS, client=ADDRESS:PORT or node=NAME");
	return send_answer(
		server, connection,
		json_pack("{s:s, s:s*, s:s*}", "command", "kill", "client", client, "node", node));
}

/* POST /api/nodes/NAME/VERB */
static enum MHD_Result change_node(struct web_server *server, struct MHD_Connection *connection,
				   const char *path)
{
	char name[32], verb[16];
	int end = 0;

	if (sscanf(path, "/api/nodes/%31[A-Za-z0-9._-]/%15[a-z]%n", name, verb, &end) != 2 ||
	    path[end] || (strcmp(verb, "drain") && strcmp(verb, "ready")))
		return send_error(connection, MHD_HTTP_NOT_FOUND,
				  "there is /api/nodes/NAME/drain, .../ready, and /api/flows/kill");
	return send_answer(server, connection,
			   json_pack("{s:s, s:s}", "command", verb, "node", name));
}

static enum MHD_Result change(struct web_server *server, struct MHD_Connection *connection,
			      const char *path)
{
	const char *origin = header(connection, "Origin");

	if (origin && (strncmp(origin, "http://", 7) || !is_self(server, origin + 7)))
		return send_error(connection, MHD_HTTP_FORBIDDEN,
				  "another site's page may not change the cluster");
	if (!token_good(server, header(connection, "Authorization")))
		return send_error(connection, MHD_HTTP_UNAUTHORIZED,
				  "the token is missing or wrong; it is in the file 'token' of the "
				  "cluster's folder");
	if (!strcmp(path, "/api/flows/kill"))
		return kill_flows(server, connection);
	return change_node(server, connection, path);
}

static enum MHD_Result send_metrics(struct web_server *server, struct MHD_Connection *connection)
{
	json_t *status = history_status(server->history);
	struct buffer text = BUFFER_EMPTY;
	size_t length;

	metrics_write(status, &text);
	json_decref(status);
	length = text.length;
	return send_bytes(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
			  buffer_detach(&text), length, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_history(struct web_server *server, struct MHD_Connection *connection)
{
	const char *text = argument(connection, "seconds");
	char *end = NULL;
	unsigned long seconds = text ? strtoul(text, &end, 10) : 300;

	if (text && (end == text || *end || !seconds || seconds > HISTORY_SECONDS || *text == '-'))
		return send_error(connection, MHD_HTTP_BAD_REQUEST,
				  "seconds must be a number from 1 to 3600");
	return send_json(connection, MHD_HTTP_OK,
			 history_range(server->history, (unsigned int)seconds, RANGE_POINTS));
}

/* Asking makes the nodes tell of requests, so a page of another site must not be able to. Browsers
 * say where a request comes from (Fetch Metadata); all else may ask. */
static enum MHD_Result send_seen(struct web_server *server, struct MHD_Connection *connection)
{
	const char *site = header(connection, "Sec-Fetch-Site");

	if (site && strcmp(site, "same-origin") && strcmp(site, "none"))
		return send_error(connection, MHD_HTTP_FORBIDDEN,
				  "another site's page may not ask for this");
	return send_answer(server, connection, json_pack("{s:s}", "command", "seen"));
}

static enum MHD_Result get(struct web_server *server, struct MHD_Connection *connection,
			   const char *path)
{
	if (!strcmp(path, "/api/status")) {
		json_t *status = history_status(server->history);

		if (!status)
			return send_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
					  "the front's daemon does not answer");
		return send_json(connection, MHD_HTTP_OK, status);
	}
	if (!strcmp(path, "/api/flows"))
		return send_answer(server, connection, json_pack("{s:s}", "command", "flows"));
	if (!strcmp(path, "/api/seen"))
		return send_seen(server, connection);
	if (!strcmp(path, "/api/history"))
		return send_history(server, connection);
	if (!strcmp(path, "/metrics"))
		return send_metrics(server, connection);
	if (!strcmp(path, "/"))
		path = "/index.html";
	for (const struct asset *asset = assets; asset->path; asset++)
		if (!strcmp(asset->path, path))
			return send_bytes(connection, MHD_HTTP_OK, asset->type, asset->bytes,
					  asset->length, MHD_RESPMEM_PERSISTENT);
	return send_error(connection, MHD_HTTP_NOT_FOUND, "there is nothing here");
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	static int begun;
	struct web_server *server = context;
	const char *host = header(connection, "Host");

	(void)version, (void)upload;
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0; /* nothing here takes a body */
		return MHD_YES;
	}
	if (!host || !is_self(server, host))
		return send_error(connection, MHD_HTTP_MISDIRECTED_REQUEST,
				  "ask by the address this server listens on");
	if (!strcmp(method, "GET") || !strcmp(method, "HEAD"))
		return get(server, connection, path);
	if (!strcmp(method, "POST"))
		return change(server, connection, path);
	return send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and POST are served");
}

/* Reads the token, or makes one. */
static int ready_token(struct web_server *server)
{
	unsigned char bytes[TOKEN_BYTES];
	struct buffer text = BUFFER_EMPTY;
	char path[PATH_ROOM];
	int error;

	snprintf(path, sizeof(path), RUN_ROOT "/%s/token", server->cluster);
	if (!buffer_read_file(&text, path, 4096) && text.length >= 2 * TOKEN_BYTES) {
		snprintf(server->token, sizeof(server->token), "%s", text.data);
		buffer_release(&text);
		return 0;
	}
	buffer_release(&text);
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -errno;
	for (size_t i = 0; i < sizeof(bytes); i++)
		sprintf(server->token + 2 * i, "%02x", bytes[i]);
	buffer_format(&text, "%s\n", server->token);
	error = file_write_whole(path, text.data, text.length, 0600);
	buffer_release(&text);
	return error;
}

int web_start(const char *cluster, const struct endpoint *listen, struct web_server **server)
{
	struct web_server *made = calloc(1, sizeof(*made));
	struct sockaddr_storage address = {0};
	int error = -ENOMEM;

	if (!made)
		return error;
	snprintf(made->cluster, sizeof(made->cluster), "%s", cluster);
	endpoint_text(listen, made->host);
	made->port = listen->port;
	error = ready_token(made);
	if (error)
		goto free_server;
	error = -ENOMEM;
	made->history = history_start(cluster);
	if (!made->history)
		goto free_server;
	endpoint_sockaddr(listen, &address);
	made->daemon = MHD_start_daemon(
		MHD_USE_AUTO_INTERNAL_THREAD | (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0),
		0, NULL, NULL, handle, made, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!made->daemon) {
		error = errno ? -errno : -EADDRINUSE;
		goto stop_history;
	}
	*server = made;
	return 0;
stop_history:
	history_stop(made->history);
free_server:
	free(made);
	return error;
}

void web_stop(struct web_server *server)
{
	MHD_stop_daemon(server->daemon);
	history_stop(server->history);
	free(server);
}

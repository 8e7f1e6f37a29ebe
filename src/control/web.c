#include "control/web.h"
#include "base/buffer.h"
#include "control/client.h"
#include "control/paths.h"
#include "control/history.h"
#include "control/http.h"
#include "control/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_BYTES = 16, RANGE_POINTS = 300 };

struct web_server {
	char cluster[32], token[2 * TOKEN_BYTES + 1];
	struct history *history;
	struct http http;
};

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
		return http_send_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				       "the front's daemon does not answer");
	return http_send_json(connection,
			      json_object_get(answer, "error") ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_OK,
			      answer);
}

/* POST /api/flows/kill?client=ADDRESS[:PORT]&node=NAME */
static enum MHD_Result kill_flows(struct web_server *server, struct MHD_Connection *connection)
{
	const char *client = http_argument(connection, "client"),
		   *node = http_argument(connection, "node");

	if (!client && !node)
		return http_send_error(
			connection, MHD_HTTP_BAD_REQUEST,
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
		return http_send_error(
			connection, MHD_HTTP_NOT_FOUND,
			"there is /api/nodes/NAME/drain, .../ready, and /api/flows/kill");
	return send_answer(server, connection,
			   json_pack("{s:s, s:s}", "command", verb, "node", name));
}

static enum MHD_Result change(void *owner, struct MHD_Connection *connection, const char *path)
{
	struct web_server *server = owner;
	const char *origin = http_header(connection, "Origin");

	if (origin && (strncmp(origin, "http://", 7) || !http_is_self(&server->http, origin + 7)))
		return http_send_error(connection, MHD_HTTP_FORBIDDEN,
				       "another site's page may not change the cluster");
	if (!token_good(server, http_header(connection, "Authorization")))
		return http_send_error(
			connection, MHD_HTTP_UNAUTHORIZED,
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
	return http_send(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
			 buffer_detach(&text), length, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_history(struct web_server *server, struct MHD_Connection *connection)
{
	const char *text = http_argument(connection, "seconds");
	char *end = NULL;
	unsigned long seconds = text ? strtoul(text, &end, 10) : 300;

	if (text && (end == text || *end || !seconds || seconds > HISTORY_SECONDS || *text == '-'))
		return http_send_error(connection, MHD_HTTP_BAD_REQUEST,
				       "seconds must be a number from 1 to 3600");
	return http_send_json(connection, MHD_HTTP_OK,
			      history_range(server->history, (unsigned int)seconds, RANGE_POINTS));
}

/* Asking makes the nodes tell of requests, so a page of another site must not be able to. Browsers
 * say where a request comes from (Fetch Metadata); all else may ask. */
static enum MHD_Result send_seen(struct web_server *server, struct MHD_Connection *connection)
{
	const char *site = http_header(connection, "Sec-Fetch-Site");

	if (site && strcmp(site, "same-origin") && strcmp(site, "none"))
		return http_send_error(connection, MHD_HTTP_FORBIDDEN,
				       "another site's page may not ask for this");
	return send_answer(server, connection, json_pack("{s:s}", "command", "seen"));
}

static enum MHD_Result get(void *owner, struct MHD_Connection *connection, const char *path)
{
	struct web_server *server = owner;

	if (!strcmp(path, "/api/status")) {
		json_t *status = history_status(server->history);

		if (!status)
			return http_send_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
					       "the front's daemon does not answer");
		return http_send_json(connection, MHD_HTTP_OK, status);
	}
	if (!strcmp(path, "/api/flows"))
		return send_answer(server, connection, json_pack("{s:s}", "command", "flows"));
	if (!strcmp(path, "/api/seen"))
		return send_seen(server, connection);
	if (!strcmp(path, "/api/history"))
		return send_history(server, connection);
	if (!strcmp(path, "/metrics"))
		return send_metrics(server, connection);
	return MHD_NO;
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
	int error = -ENOMEM;

	if (!made)
		return error;
	snprintf(made->cluster, sizeof(made->cluster), "%s", cluster);
	error = ready_token(made);
	if (error)
		goto free_server;
	error = -ENOMEM;
	made->history = history_start(cluster);
	if (!made->history)
		goto free_server;
	made->http =
		(struct http){.page = "/index.html", .get = get, .post = change, .owner = made};
	error = http_start(&made->http, listen);
	if (error)
		goto stop_history;
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
	http_stop(&server->http);
	history_stop(server->history);
	free(server);
}

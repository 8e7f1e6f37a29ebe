#include "monitor/web.h"

#include "base/buffer.h"
#include "control/http.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LINES_KEPT = 16384, /* of all hosts together; older ones are forgotten */
	LINES_AT_ONCE = 4096,
};

struct monitor_web {
	struct http http;
	pthread_t reader;
	pthread_mutex_t lock; /* for the lines */
	FILE *input;
	char *lines[LINES_KEPT];
	unsigned long count; /* that have come */
};

/* GET /api/samples?after=N: the lines from number N on, and the next one's number. */
static enum MHD_Result send_samples(struct monitor_web *web, struct MHD_Connection *connection)
{
	const char *text = http_argument(connection, "after");
	struct buffer answer = BUFFER_EMPTY;
	char *end = NULL;
	unsigned long at = text ? strtoul(text, &end, 10) : 0, to;
	size_t length;

	if (text && (end == text || *end || *text == '-'))
		return http_send_error(connection, MHD_HTTP_BAD_REQUEST,
				       "after must be a line's number");
	pthread_mutex_lock(&web->lock);
	if (web->count > LINES_KEPT && at < web->count - LINES_KEPT)
		at = web->count - LINES_KEPT;
	/* A page of a monitor before this one begins anew. */
	if (at > web->count)
		at = 0;
	to = web->count - at > LINES_AT_ONCE ? at + LINES_AT_ONCE : web->count;
	buffer_format(&answer, "{\"next\": %lu, \"samples\": [", to);
	for (unsigned long i = at; i < to; i++) {
		buffer_text(&answer, i > at ? ",\n" : "\n");
		buffer_text(&answer, web->lines[i % LINES_KEPT]);
	}
	buffer_text(&answer, "]}\n");
	pthread_mutex_unlock(&web->lock);
	length = answer.length;
	return http_send(connection, MHD_HTTP_OK, "application/json", buffer_detach(&answer),
			 length, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result get(void *owner, struct MHD_Connection *connection, const char *path)
{
	return strcmp(path, "/api/samples") ? MHD_NO : send_samples(owner, connection);
}

static void *read_lines(void *context)
{
	struct monitor_web *web = context;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while ((length = getline(&line, &room, web->input)) > 0) {
		char **place;

		line[length - 1] = 0;
		pthread_mutex_lock(&web->lock);
		place = &web->lines[web->count++ % LINES_KEPT];
		free(*place);
		*place = line;
		pthread_mutex_unlock(&web->lock);
		line = NULL;
		room = 0;
	}
	free(line);
	return NULL;
}

int monitor_web_start(const struct endpoint *listen, struct monitor_web **web)
{
	struct monitor_web *made = calloc(1, sizeof(*made));
	sigset_t all, before;
	int ends[2], error;

	if (!made)
		return -ENOMEM;
	pthread_mutex_init(&made->lock, NULL);
	if (pipe2(ends, O_CLOEXEC)) {
		error = -errno;
		goto free_web;
	}
	made->input = fdopen(ends[0], "r");
	made->http = (struct http){.page = "/monitor.html", .get = get, .owner = made};
	/* Signals are for the thread that counts. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = made->input ? http_start(&made->http, listen) : -errno;
	if (!error) {
		error = -pthread_create(&made->reader, NULL, read_lines, made);
		if (error)
			http_stop(&made->http);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		goto close_pipe;
	fflush(stdout);
	dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	*web = made;
	return 0;

close_pipe:
	close(ends[1]);
	if (made->input)
		fclose(made->input);
	else
		close(ends[0]);
free_web:
	free(made);
	return error;
}

void monitor_web_end(struct monitor_web *web)
{
	fclose(stdout);
	pthread_join(web->reader, NULL);
	http_stop(&web->http);
	for (int i = 0; i < LINES_KEPT; i++)
		free(web->lines[i]);
	fclose(web->input);
	free(web);
}

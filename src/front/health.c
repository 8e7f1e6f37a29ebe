#include "front/health.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MOST = 65536 };

/* One check under way. */
struct check {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connecting;
	uv_write_t writing;
	struct health *health; /* NULL: nobody wants the result any more */
	char *request;
	char answer[16]; /* "HTTP/1.1 200 " */
	size_t got;
	unsigned int handles;
	bool closing;
	char room[4096];
};

struct health {
	uv_timer_t timer;
	struct endpoint endpoint;
	struct config_health settings;
	char host[256], why[256], problem[256];
	struct check *check;
	bool up, doubt, told;
	uint32_t same; /* results in a row that were other than `up` */
	health_changed changed;
	health_heard heard;
	void *owner;
	uint32_t service, node;
};

static void tell(const struct health *health, enum health_state state, const char *why)
{
	health->changed(state, why, health->owner, health->service, health->node);
}

static void result(struct health *health, bool good, const char *why)
{
	if (!good && !health->heard(health->settings.timeout, health->owner))
		return;
	snprintf(health->why, sizeof(health->why), "%s", good ? "" : why);
	if (good == health->up) {
		health->same = 0;
		if (!health->doubt)
			return;
		health->doubt = false;
		tell(health, HEALTH_UP, why);
		return;
	}
	if (++health->same < (good ? health->settings.rise : health->settings.fall)) {
		if (good || health->doubt)
			return;
		health->doubt = true;
		tell(health, HEALTH_DOUBT, why);
		return;
	}
	health->same = 0;
	health->up = good;
	health->doubt = false;
	tell(health, good ? HEALTH_UP : HEALTH_DOWN, why);
}

static void on_check_closed(uv_handle_t *handle)
{
	struct check *check = handle->data;

	if (--check->handles)
		return;
	if (check->health)
		check->health->check = NULL;
	free(check->request);
	free(check);
}

static void close_check(struct check *check)
{
	if (check->closing)
		return;
	check->closing = true;
	uv_close((uv_handle_t *)&check->tcp, on_check_closed);
	uv_close((uv_handle_t *)&check->timer, on_check_closed);
}

/* The first result counts; what comes behind it is only the connection's end. */
static void finish(struct check *check, bool good, const char *why)
{
	struct health *health = check->health;

	if (!health || health->told)
		return;
	health->told = true;
	if (*health->problem)
		result(health, false, health->problem);
	else
		result(health, good, why);
}

static void on_timeout(uv_timer_t *timer)
{
	struct check *check = timer->data;

	finish(check, false, "no answer in time");
	close_check(check);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *part)
{
	struct check *check = handle->data;

	(void)suggested;
	*part = uv_buf_init(check->room, sizeof(check->room));
}

static void judge(struct check *check)
{
	char why[64];
	int status;

	if (check->got < sizeof(check->answer) - 1)
		return;
	if (sscanf(check->answer, "HTTP/1.%*c %3d", &status) != 1) {
		finish(check, false, "the answer is not HTTP");
		return;
	}
	snprintf(why, sizeof(why), "status %d", status);
	finish(check, status >= 200 && status < 400, why);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *part)
{
	struct check *check = stream->data;
	size_t room = sizeof(check->answer) - 1;

	if (got < 0) {
		finish(check, false,
		       got == UV_EOF ? "closed without an answer" : uv_strerror((int)got));
		close_check(check);
		return;
	}
	if (check->got < room)
		memcpy(check->answer + check->got, part->base,
		       (size_t)got < room - check->got ? (size_t)got : room - check->got);
	check->got += (size_t)got;
	judge(check);
	/* Read to the end, so that the server closes first and sees nothing unusual; but a health
	 * page has an end. */
	if (check->got > ANSWER_MOST)
		close_check(check);
}

static void on_written(uv_write_t *request, int status)
{
	struct check *check = request->data;

	if (status && status != UV_ECANCELED) {
		finish(check, false, uv_strerror(status));
		close_check(check);
	}
}

static void on_connected(uv_connect_t *request, int status)
{
	struct check *check = request->data;
	uv_buf_t part;

	if (check->closing)
		return;
	if (status || !check->request) {
		finish(check, !status, status ? uv_strerror(status) : "");
		close_check(check);
		return;
	}
	part = uv_buf_init(check->request, (unsigned int)strlen(check->request));
	check->writing.data = check;
	if (uv_write(&check->writing, (uv_stream_t *)&check->tcp, &part, 1, on_written) ||
	    uv_read_start((uv_stream_t *)&check->tcp, on_room, on_read)) {
		finish(check, false, "can't be asked");
		close_check(check);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct health *health = timer->data;
	struct buffer text = BUFFER_EMPTY;
	struct sockaddr_storage remote;
	struct check *check;
	int error;

	if (health->check)
		return;
	check = calloc(1, sizeof(*check));
	if (!check)
		out_of_memory();
	check->health = health;
	health->check = check;
	health->told = false;
	if (health->settings.type == HEALTH_HTTP) {
		buffer_format(&text,
			      "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: baton/%s (health)\r\n"
			      "Connection: close\r\n\r\n",
			      health->settings.path, health->host, BATON_VERSION);
		check->request = buffer_detach(&text);
	}
	uv_tcp_init(timer->loop, &check->tcp);
	uv_timer_init(timer->loop, &check->timer);
	check->handles = 2;
	check->tcp.data = check;
	check->timer.data = check;
	check->connecting.data = check;
	uv_timer_start(&check->timer, on_timeout, health->settings.timeout / NS_PER_MS, 0);
	endpoint_sockaddr(&health->endpoint, &remote);
	error = uv_tcp_connect(&check->connecting, &check->tcp, (struct sockaddr *)&remote,
			       on_connected);
	if (error) {
		finish(check, false, uv_strerror(error));
		close_check(check);
	}
}

struct health *health_start(uv_loop_t *loop, const struct endpoint *endpoint, const char *host,
			    const struct config_health *settings, bool up, health_changed changed,
			    health_heard heard, void *owner, uint32_t service, uint32_t node)
{
	struct health *health = calloc(1, sizeof(*health));
	uint64_t interval = settings->interval / NS_PER_MS;

	if (!health)
		out_of_memory();
	health->endpoint = *endpoint;
	health->settings = *settings;
	snprintf(health->host, sizeof(health->host), "%s", host);
	health->up = up;
	health->changed = changed;
	health->heard = heard;
	health->owner = owner;
	health->service = service;
	health->node = node;
	uv_timer_init(loop, &health->timer);
	health->timer.data = health;
	/* Spread over the interval, so that many nodes are not asked at once. */
	uv_timer_start(&health->timer, on_tick, interval * ((node * 37 + service * 11) % 64) / 64,
		       interval);
	return health;
}

void health_object(struct health *health, const char *problem)
{
	snprintf(health->problem, sizeof(health->problem), "%s", problem);
}

const char *health_why(const struct health *health)
{
	return health->why;
}

static void on_stopped(uv_handle_t *handle)
{
	free(handle->data);
}

void health_stop(struct health *health)
{
	if (health->check) {
		health->check->health = NULL;
		close_check(health->check);
	}
	uv_close((uv_handle_t *)&health->timer, on_stopped);
}

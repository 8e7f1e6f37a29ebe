#include "node/access_log.h"
#include "node/accesses.h"
#include "node/node.h"
#include "node/seen.h"

#include "base/fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct served {
	struct node *node;
	struct accesses *accesses;
	struct access_log *log; /* NULL: there is none */
	struct seen *seen;	/* NULL: nobody looks */
	uv_timer_t looking;	/* until nobody does */
};

static void on_access(void *owner, const struct access *access)
{
	struct served *served = owner;
	const struct registry_service *service;

	if (access && served->seen)
		seen_add(served->seen, access);
	if (!served->log)
		return;
	if (!access) {
		access_log_flush(served->log);
		return;
	}
	service = access->service < CONFIG_SERVICES
			  ? &served->node->registry->services[access->service]
			  : NULL;
	access_log_add(served->log, access,
		       service && service->used ? service->settings.name : "-");
}

/* Whether the programs are to tell of requests. Returns 0 or -errno. */
static int want(struct served *served)
{
	return accesses_want(served->accesses, served->node->config.log.on || served->seen);
}

static void on_nobody_looks(uv_timer_t *timer)
{
	struct served *served = timer->data;

	seen_end(served->seen);
	served->seen = NULL;
	want(served);
}

void served_look(struct served *served, unsigned int seconds)
{
	if (!served->seen) {
		served->seen = seen_start(served->node);
		want(served);
	}
	uv_timer_start(&served->looking, on_nobody_looks, seconds * 1000, 0);
}

json_t *served_seen(const struct served *served)
{
	return served->seen ? seen_report(served->seen) : NULL;
}

struct served *served_start(struct node *node, char why[512])
{
	struct served *served = calloc(1, sizeof(*served));
	int error;

	if (!served)
		out_of_memory();
	served->node = node;
	if (node->config.log.on) {
		served->log = access_log_open(&node->config.log, node->name, why);
		if (!served->log)
			goto no_log;
	}
	served->accesses = accesses_start(node, on_access, served);
	if (!served->accesses) {
		snprintf(why, 512, "taking what the programs tell of requests: %s",
			 strerror(errno));
		goto no_accesses;
	}
	uv_timer_init(&node->loop, &served->looking);
	served->looking.data = served;
	error = want(served);
	if (error)
		log_line(LOG_LEVEL_ERROR, "telling the programs what to tell of requests: %s",
			 strerror(-error));
	return served;

no_accesses:
	access_log_close(served->log);
no_log:
	free(served);
	return NULL;
}

int served_reload(struct served *served, char why[512])
{
	struct access_log *log = NULL;

	if (served->node->config.log.on) {
		log = access_log_open(&served->node->config.log, served->node->name, why);
		if (!log)
			return -EINVAL;
	}
	access_log_close(served->log);
	served->log = log;
	return want(served);
}

json_t *served_report(const struct served *served)
{
	if (!served->log)
		return NULL;
	return json_pack("{s:I, s:I, s:I, s:I}", "lines", (json_int_t)access_log_lines(served->log),
			 "unwritten", (json_int_t)access_log_unwritten(served->log), "lost",
			 (json_int_t)accesses_lost(served->accesses), "open",
			 (json_int_t)accesses_open(served->accesses));
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void served_end(struct served *served)
{
	accesses_end(served->accesses);
	access_log_close(served->log);
	seen_end(served->seen);
	served->log = NULL;
	served->seen = NULL;
	uv_close((uv_handle_t *)&served->looking, on_closed);
}

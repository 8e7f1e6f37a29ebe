#include "node/access_log.h"
#include "node/accesses.h"
#include "node/node.h"

#include "base/fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct served {
	struct node *node;
	struct accesses *accesses;
	struct access_log *log; /* NULL: requests are not told of */
};

static void on_access(void *owner, const struct access *access)
{
	struct served *served = owner;
	const struct registry_service *service;

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

struct served *served_start(struct node *node, char why[512])
{
	struct served *served = calloc(1, sizeof(*served));
	int error;

	if (!served)
		abort();
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
	error = accesses_want(served->accesses, node->config.log.on);
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
	return accesses_want(served->accesses, served->node->config.log.on);
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

void served_end(struct served *served)
{
	accesses_end(served->accesses);
	access_log_close(served->log);
	free(served);
}

#include "control/history.h"
#include "base/clock.h"
#include "control/client.h"
#include "control/latency.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sample {
	uint64_t at; /* clock_now() */
	float first, moved;
	struct {
		float requests, bytes, first_us, whole_us, slow_us; /* NAN: none */
	} nodes[HISTORY_NODES];
};

struct history {
	char cluster[32];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ending;
	bool over;
	json_t *status; /* newest, NULL while the front is away */
	uint64_t status_at;
	char names[HISTORY_NODES][32];
	unsigned int name_count;
	struct sample samples[HISTORY_SECONDS];
	unsigned int count; /* written so far */
};

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const json_t *node_of(const json_t *status, const char *name)
{
	json_t *node;
	size_t i;

	json_array_foreach (json_object_get(status, "nodes"), i, node) {
		const char *called = json_string_value(json_object_get(node, "name"));

		if (called && !strcmp(called, name))
			return node;
	}
	return NULL;
}

/* The node's column; a new name takes the next free one. -1 when all are taken. */
static int column(struct history *history, const char *name)
{
	for (unsigned int i = 0; i < history->name_count; i++)
		if (!strcmp(history->names[i], name))
			return (int)i;
	if (history->name_count == HISTORY_NODES)
		return -1;
	snprintf(history->names[history->name_count], sizeof(history->names[0]), "%s", name);
	return (int)history->name_count++;
}

static double grown(const json_t *before, const json_t *now, const char *key)
{
	double more = number(now, key) - number(before, key);

	return more >= 0 ? more : number(now, key);
}

static void keep(struct history *history, const json_t *before, const json_t *now, uint64_t at,
		 double seconds)
{
	struct sample *sample = &history->samples[history->count++ % HISTORY_SECONDS];
	const json_t *front = json_object_get(now, "front"),
		     *old = json_object_get(before, "front");
	json_t *node;
	size_t i;

	*sample = (struct sample){.at = at};
	for (unsigned int k = 0; k < HISTORY_NODES; k++)
		sample->nodes[k].requests = sample->nodes[k].bytes = sample->nodes[k].first_us =
			sample->nodes[k].whole_us = sample->nodes[k].slow_us = NAN;
	sample->first = (float)(grown(old, front, "handoffs_first") / seconds);
	sample->moved = (float)(grown(old, front, "handoffs_later") / seconds);
	json_array_foreach (json_object_get(now, "nodes"), i, node) {
		const char *name = json_string_value(json_object_get(node, "name"));
		const json_t *was = name ? node_of(before, name) : NULL;
		int k = was ? column(history, name) : -1;

		if (k < 0)
			continue;
		sample->nodes[k].requests = (float)(grown(was, node, "requests") / seconds);
		sample->nodes[k].bytes = (float)(grown(was, node, "bytes_out") / seconds);
		sample->nodes[k].first_us = (float)latency_between(was, node, "first_byte", 0.5);
		sample->nodes[k].whole_us = (float)latency_between(was, node, "whole", 0.5);
		sample->nodes[k].slow_us = (float)latency_between(was, node, "whole", 0.99);
	}
}

static void *watch(void *context)
{
	struct history *history = context;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&history->lock);
	while (!history->over) {
		json_t *now = NULL;
		uint64_t at;

		pthread_mutex_unlock(&history->lock);
		if (client_call(history->cluster, "front", json_pack("{s:s}", "command", "status"),
				&now))
			now = NULL;
		at = clock_now();
		pthread_mutex_lock(&history->lock);
		if (history->status && now)
			keep(history, history->status, now, at,
			     (double)(at - history->status_at) / 1e9);
		json_decref(history->status);
		history->status = now;
		history->status_at = at;
		next.tv_sec++;
		while (!history->over &&
		       !pthread_cond_timedwait(&history->ending, &history->lock, &next))
			;
	}
	pthread_mutex_unlock(&history->lock);
	return NULL;
}

struct history *history_start(const char *cluster)
{
	struct history *history = calloc(1, sizeof(*history));
	pthread_condattr_t monotonic;

	if (!history)
		return NULL;
	snprintf(history->cluster, sizeof(history->cluster), "%s", cluster);
	pthread_mutex_init(&history->lock, NULL);
	/* A wall clock that is set must neither stop it nor make it run without a pause. */
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&history->ending, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&history->thread, NULL, watch, history)) {
		free(history);
		return NULL;
	}
	return history;
}

void history_stop(struct history *history)
{
	pthread_mutex_lock(&history->lock);
	history->over = true;
	pthread_cond_signal(&history->ending);
	pthread_mutex_unlock(&history->lock);
	pthread_join(history->thread, NULL);
	json_decref(history->status);
	free(history);
}

json_t *history_status(struct history *history)
{
	json_t *status;

	pthread_mutex_lock(&history->lock);
	/* A copy: reference counts are not for several threads. */
	status = history->status ? json_deep_copy(history->status) : NULL;
	pthread_mutex_unlock(&history->lock);
	return status;
}

static json_t *value(float number)
{
	return isnan(number) ? json_null() : json_real(round((double)number * 10) / 10);
}

json_t *history_range(struct history *history, unsigned int seconds, unsigned int points)
{
	json_t *ages = json_array(), *first = json_array(), *moved = json_array(),
	       *nodes = json_object();
	json_t *requests[HISTORY_NODES], *bytes[HISTORY_NODES], *first_byte[HISTORY_NODES],
		*whole[HISTORY_NODES], *slow[HISTORY_NODES];
	unsigned int have, step;
	uint64_t now = clock_now();

	pthread_mutex_lock(&history->lock);
	have = history->count < HISTORY_SECONDS ? history->count : HISTORY_SECONDS;
	if (have > seconds)
		have = seconds;
	step = points && have > points ? (have + points - 1) / points : 1;
	for (unsigned int k = 0; k < history->name_count; k++) {
		requests[k] = json_array();
		bytes[k] = json_array();
		first_byte[k] = json_array();
		whole[k] = json_array();
		slow[k] = json_array();
		json_object_set_new(nodes, history->names[k],
				    json_pack("{s:o, s:o, s:o, s:o, s:o}", "requests", requests[k],
					      "bytes", bytes[k], "first_us", first_byte[k],
					      "whole_us", whole[k], "slow_us", slow[k]));
	}
	for (unsigned int i = history->count - have; i < history->count; i += step) {
		const struct sample *sample = &history->samples[i % HISTORY_SECONDS];

		json_array_append_new(ages,
				      json_real(-(double)((now - sample->at) / NS_PER_MS) / 1e3));
		json_array_append_new(first, value(sample->first));
		json_array_append_new(moved, value(sample->moved));
		for (unsigned int k = 0; k < history->name_count; k++) {
			json_array_append_new(requests[k], value(sample->nodes[k].requests));
			json_array_append_new(bytes[k], value(sample->nodes[k].bytes));
			json_array_append_new(first_byte[k], value(sample->nodes[k].first_us));
			json_array_append_new(whole[k], value(sample->nodes[k].whole_us));
			json_array_append_new(slow[k], value(sample->nodes[k].slow_us));
		}
	}
	pthread_mutex_unlock(&history->lock);
	return json_pack("{s:o, s:o, s:o, s:o}", "seconds", ages, "nodes", nodes, "handoffs", first,
			 "moved", moved);
}

#include "compare/load.h"
#include "base/buffer.h"
#include "base/process.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOADS_MAX = 16 };

static double number(json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void *run(void *context)
{
	struct load *load = context;
	char program[PATH_MAX], url[160], connections[32], seconds[32], planned[32];
	const char *argv[24] = {program,     "lab",   "exec",  "--name", load->lab, "client",
				"--",	     program, "load",  "closed", url,	    "-c",
				connections, "-d",    seconds, "--json"};
	struct buffer output = BUFFER_EMPTY;
	json_t *result, *latency;
	int words = 16, code;

	process_self(program);
	if (load->close)
		argv[words++] = "--close";
	else if (load->turns)
		argv[words++] = "--turns";
	if (load->planned > 0) {
		argv[9] = "rate";
		argv[words++] = "--rate";
		argv[words++] = planned;
		snprintf(planned, sizeof(planned), "%g", load->planned);
	}
	snprintf(url, sizeof(url), "http://%s/%s", load->address, load->file);
	snprintf(connections, sizeof(connections), "%lu", load->connections);
	snprintf(seconds, sizeof(seconds), "%g", load->seconds);
	code = process_run(argv, NULL, &output);
	result = output.length ? json_loadb(output.data, output.length, 0, NULL) : NULL;
	if (code < 0 || !result) {
		fprintf(stderr, "baton: load on %s: %.*s\n", url,
			(int)(output.length < 300 ? output.length : 300),
			output.length ? output.data : "nothing printed");
		load->failure = code < 0 ? code : -EPROTO;
	}
	latency = json_object_get(result, "latency_us");
	load->requests = number(result, "requests");
	load->errors = number(result, "errors");
	load->bytes = number(result, "bytes");
	load->rate = number(result, "requests_per_second");
	load->cpu_us = number(result, "generator_cpu") * number(result, "seconds") * 1e6;
	load->p50_us = number(latency, "p50");
	load->p99_us = number(latency, "p99");
	load->switched = number(json_object_get(result, "switched_us"), "count");
	json_decref(result);
	buffer_release(&output);
	return NULL;
}

void loads_run(struct load *loads, unsigned int count)
{
	pthread_t threads[LOADS_MAX];
	unsigned int started = 0;

	for (; started < count && started < LOADS_MAX; started++)
		if (pthread_create(&threads[started], NULL, run, &loads[started]))
			break;
	for (unsigned int i = started; i < count; i++)
		loads[i].failure = -EAGAIN;
	for (unsigned int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

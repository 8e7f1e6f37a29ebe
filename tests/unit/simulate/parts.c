/* The simulator's parts, each against what can be reckoned by hand. */
#include "../unit.h"

#include "base/buffer.h"
#include "simulate/cache.h"
#include "simulate/events.h"
#include "simulate/hits.h"
#include "simulate/workload.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void caches_forget_the_least_recent(void **state)
{
	struct caches *caches = caches_new(2, 100);

	(void)state;
	assert_non_null(caches);
	assert_false(caches_use(caches, 0, 1, 40));
	assert_false(caches_use(caches, 0, 2, 40));
	assert_true(caches_use(caches, 0, 1, 40));
	assert_false(caches_use(caches, 1, 1, 40)); /* another node */
	assert_false(caches_use(caches, 0, 3, 40)); /* 2 has to go */
	assert_true(caches_use(caches, 0, 1, 40));
	assert_false(caches_use(caches, 0, 2, 40));
	assert_false(caches_use(caches, 0, 4, 101)); /* larger than the cache */
	assert_false(caches_use(caches, 0, 4, 101));
	assert_true(caches_use(caches, 0, 2, 40));
	caches_free(caches);
}

static void caches_grow(void **state)
{
	struct caches *caches = caches_new(3, 5000);

	(void)state;
	for (uint32_t i = 0; i < 30000; i++)
		assert_false(caches_use(caches, i % 3, i, 1));
	for (uint32_t i = 15000; i < 30000; i++)
		assert_true(caches_use(caches, i % 3, i, 1));
	caches_free(caches);
}

/* Three jobs of two steps: 10 ns of the one resource there is, then 5 ns of waiting. */
struct queue {
	uint64_t done[3], ended[3];
	int steps[3];
};

static bool queue_next(void *model, uint32_t job, uint64_t now, struct events_step *step)
{
	struct queue *queue = model;

	switch (queue->steps[job]++) {
	case 0:
		*step = (struct events_step){0, 10};
		return true;
	case 1:
		queue->done[job] = now;
		*step = (struct events_step){EVENTS_NOTHING, 5};
		return true;
	}
	queue->ended[job] = now;
	return false;
}

static void resources_serve_in_order(void **state)
{
	struct queue queue = {0};
	uint64_t busy = 0;

	(void)state;
	assert_int_equal(events_run(3, 1, 4, queue_next, &queue, &busy), 0);
	assert_int_equal(queue.done[0], 10);
	assert_int_equal(queue.done[1], 20);
	assert_int_equal(queue.done[2], 30);
	assert_int_equal(queue.ended[0], 15);
	assert_int_equal(queue.ended[2], 35);
	assert_int_equal(busy, 30);
}

static int read_text(struct workload *trace, const char *text, size_t length, const char *format,
		     struct buffer *error)
{
	char path[] = "/tmp/baton-trace-XXXXXX";
	int file = mkstemp(path), result;

	assert_true(file >= 0);
	assert_int_equal(write(file, text, length), length);
	close(file);
	result = workload_read(trace, path, format, 7, error);
	unlink(path);
	return result;
}

static void traces_are_read(void **state)
{
	static const char log[] =
		"1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] \"GET /a HTTP/1.1\" 200 100 \"-\" \"x\"\n"
		"1.2.3.4 - - [01/Jan/2026:00:00:01 +0000] \"POST /a HTTP/1.1\" 200 100\n"
		"nonsense\n\"\n\"GET \n"
		"1.2.3.4 - - [01/Jan/2026:00:00:02 +0000] \"GET /b?c HTTP/1.0\" 304 -\n"
		"1.2.3.4 - - [01/Jan/2026:00:00:02 +0000] \"GET /a HTTP/1.0\" 206 300";
	static const char table[] =
		"time\turl\tstatus\tbytes\n1\t/x\t200\t5\n2\t/y\t200\t\n\t\n3\t/x"
		"\t200\t4\n";
	static const char ids[] = "\0\0\0\1\0\0\0\2\0\0\0\1\0\0";
	struct buffer error = BUFFER_EMPTY;
	struct workload trace;

	(void)state;
	assert_int_equal(read_text(&trace, log, sizeof(log) - 1, "auto", &error), 0);
	assert_int_equal(trace.count, 3);
	assert_int_equal(trace.object_count, 2);
	assert_int_equal(trace.objects[0].size, 300);
	assert_int_equal(trace.objects[1].size, 7); /* unknown */
	assert_int_equal(trace.bytes, 607);
	assert_int_equal(trace.unique_bytes, 307);
	workload_release(&trace);
	assert_int_equal(read_text(&trace, table, sizeof(table) - 1, "auto", &error), 0);
	assert_int_equal(trace.count, 3);
	assert_int_equal(trace.objects[0].size, 5);
	workload_release(&trace);
	assert_int_equal(read_text(&trace, ids, sizeof(ids) - 1, "auto", &error), 0);
	assert_int_equal(trace.count, 3);
	assert_int_equal(trace.object_count, 2);
	assert_int_equal(trace.requests[2], trace.requests[0]);
	workload_release(&trace);
	assert_int_equal(
		read_text(&trace, "1\tGET\t/q\t200\t9\n2\tGET\t/q\t304\t0\n", 30, "auto", &error),
		0);
	assert_int_equal(trace.count, 2);
	assert_int_equal(trace.unique_bytes, 9);
	workload_release(&trace);
	assert_int_equal(read_text(&trace, "a\tb\n", 4, "auto", &error), -EINVAL);
	assert_true(error.length > 0);
	workload_release(&trace);
	assert_int_equal(read_text(&trace, "", 0, "auto", &error), -EINVAL);
	workload_release(&trace);
	assert_int_equal(workload_read(&trace, "/nowhere/at/all", "auto", 7, &error), -ENOENT);
	workload_release(&trace);
	buffer_release(&error);
}

static void zipf_falls_as_it_should(void **state)
{
	unsigned int counts[100] = {0};
	struct workload trace;
	double sum = 0;

	(void)state;
	assert_int_equal(workload_zipf(&trace, 100, 1, 100000, 1000, 5), 0);
	for (size_t i = 0; i < trace.count; i++)
		counts[trace.requests[i]]++;
	for (int i = 1; i <= 100; i++)
		sum += 1.0 / i;
	/* Five standard deviations. */
	for (int i = 0; i < 100; i++) {
		double expected = 100000 / sum / (i + 1);

		assert_true(fabs(counts[i] - expected) < 5 * sqrt(expected));
	}
	workload_release(&trace);
}

/* One node with room for all: each object misses once. Two that take turns: each misses twice. */
static void hits_are_counted(void **state)
{
	struct hits_setting setting = {.policy = PLACE_RR,
				       .nodes = 1,
				       .cache = 1 << 30,
				       .clients = 1,
				       .hit_ns = 1000,
				       .miss_ns = 1000000,
				       .byte_ns = 1};
	struct hits_result result;
	struct workload trace;

	(void)state;
	assert_int_equal(workload_zipf(&trace, 50, 0, 20000, 1000, 5), 0);
	assert_int_equal(hits_run(&trace, &setting, &result), 0);
	assert_int_equal(result.requests, 20000);
	assert_int_equal(result.requests - result.hits, 50);
	assert_int_equal(result.bytes, trace.bytes);
	assert_int_equal(result.origin_bytes, trace.unique_bytes);
	/* Nothing overlaps: the time is the sum of all times. */
	assert_true(fabs(result.seconds * 1e9 - (20000 * 1000.0 + 50 * 1e6 + trace.bytes)) < 20000);
	setting.nodes = 2;
	assert_int_equal(hits_run(&trace, &setting, &result), 0);
	assert_int_equal(result.requests - result.hits, 100);
	assert_true(result.most_requests == 1);
	assert_true(result.moved < 0);
	setting.policy = PLACE_HRW;
	assert_int_equal(hits_run(&trace, &setting, &result), 0);
	assert_int_equal(result.requests - result.hits, 50);
	assert_true(result.moved > 0.2 && result.moved < 0.8);
	assert_true(result.moved_needlessly == 0);
	workload_release(&trace);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(caches_forget_the_least_recent), cmocka_unit_test(caches_grow),
	cmocka_unit_test(resources_serve_in_order),	  cmocka_unit_test(traces_are_read),
	cmocka_unit_test(zipf_falls_as_it_should),	  cmocka_unit_test(hits_are_counted),
};

UNIT_MAIN(tests)

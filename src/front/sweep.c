/* Runs the program that forgets flows that are over: it goes over the table in the kernel, so no
 * entry is copied and none is taken away from under a packet. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/percpu.h"
#include "wire/counters.h"
#include "wire/front.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_MS = 2000,
	TICKS_MOST = 8, /* between two sweeps */
	FULL_SHARE = 8, /* of the table: above 1 / so much it is swept at every tick */
};

struct flow_sweep {
	uv_timer_t timer;
	struct front *front;
	int program;
	struct front_sweep last;
	bool said;
	unsigned int ticks; /* since the last sweep */
	uint64_t begun;	    /* connections until then */
	uint64_t room;	    /* of the table */
};

static uint64_t connections_begun(const struct front *front)
{
	int map = bpf_object__find_map_fd_by_name(front->object, "front_counters");
	uint64_t value = 0;

	percpu_sum(map, FRONT_COUNT_HANDOFFS_FIRST, &value, 1);
	return value;
}

static void run(struct flow_sweep *sweep)
{
	struct front_sweep context = {.idle_ticks =
					      FRONT_TICKS(sweep->front->registry->idle / NS_PER_S)};
	/* A program of this kind writes its context back to where it came from. */
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &context, .ctx_size_in = sizeof(context));

	if (bpf_prog_test_run_opts(sweep->program, &options)) {
		if (!sweep->said)
			log_line(LOG_LEVEL_ERROR, "sweeping the flows: %s", strerror(errno));
		sweep->said = true;
		return;
	}
	sweep->last = context;
}

/* Going over a large table takes its time even where it is empty: it is done often only where there
 * may be something in it. */
static void on_tick(uv_timer_t *timer)
{
	struct flow_sweep *sweep = timer->data;
	const struct front_sweep *last = &sweep->last;
	uint64_t begun = connections_begun(sweep->front);
	uint64_t entries = begun - sweep->begun + last->open + last->closing + last->ended +
			   last->tombstones - last->removed;

	if (++sweep->ticks < TICKS_MOST && entries < sweep->room / FULL_SHARE)
		return;
	sweep->ticks = 0;
	sweep->begun = begun;
	run(sweep);
}

struct flow_sweep *flow_sweep_start(struct front *front)
{
	struct flow_sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		out_of_memory();
	sweep->front = front;
	sweep->program =
		bpf_program__fd(bpf_object__find_program_by_name(front->object, "front_sweep"));
	sweep->begun = connections_begun(front);
	sweep->room = bpf_map__max_entries(bpf_object__find_map_by_name(front->object, "flows"));
	uv_timer_init(&front->loop, &sweep->timer);
	sweep->timer.data = sweep;
	run(sweep);
	uv_timer_start(&sweep->timer, on_tick, TICK_MS, TICK_MS);
	return sweep;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void flow_sweep_end(struct flow_sweep *sweep)
{
	uv_close((uv_handle_t *)&sweep->timer, on_closed);
}

uint64_t flow_sweep_open(const struct flow_sweep *sweep)
{
	return sweep->last.open;
}

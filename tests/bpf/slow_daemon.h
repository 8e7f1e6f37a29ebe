/* The daemon of the slow path, as far as tests of the front's program need it. */
#ifndef TESTS_BPF_SLOW_DAEMON_H
#define TESTS_BPF_SLOW_DAEMON_H

#include "front.h"

#include "wire/slow.h"

#define BEGINNING "GET /long HTTP/1.1\r\nCook"
#define REST	  "ie: a=b\r\nHost: a\r\n\r\n"

static struct ring_buffer *ring;
static struct slow_segment record; /* the last one */
static struct frame record_frame;
static unsigned int records;

static int on_record(void *owner, void *data, size_t size)
{
	(void)owner;
	memcpy(&record, data, sizeof(record));
	assert_true(size >= sizeof(record) + record.length);
	record_frame.length = record.length;
	memcpy(record_frame.bytes, (char *)data + sizeof(record), record.length);
	records++;
	return 0;
}

/* Records since the last call. */
static unsigned int given(void)
{
	records = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	return records;
}

static __u32 tick_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)(now.tv_sec * 1000000000ull + now.tv_nsec) >> FRONT_TICK_SHIFT;
}

/* Present as long as the test lasts, or away. */
static void daemon_is(bool there, bool room)
{
	struct slow_control control = {.heard = there ? tick_now() + FRONT_TICKS(3600) : 0,
				       .room = room};
	__u32 zero = 0;

	front_map_set(front->maps.slow_control, &zero, &control);
}

/* To be called before each test. */
static void daemon_starts(void)
{
	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(front->maps.slow_segments), on_record, NULL,
					NULL);
	assert_non_null(ring);
	given();
	daemon_is(true, true);
}

static struct slow_order order_of(const struct client *client, enum slow_action action)
{
	return (struct slow_order){.key = client_key(client),
				   .generation = front_flow(client).owner.generation,
				   .action = action};
}

static int carry_out(struct slow_order *order)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = order, .data_size_in = sizeof(*order),
		    .data_out = order, .data_size_out = sizeof(*order));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(front->progs.front_slow), &run), 0);
	assert_int_equal(run.retval, XDP_PASS);
	return order->result;
}

/* What comes of an order about this frame. */
static int carry_out_with(const struct slow_order *order, const struct frame *frame,
			  struct frame *out)
{
	struct frame in;

	memcpy(in.bytes, order, sizeof(*order));
	memcpy(in.bytes + sizeof(*order), frame->bytes, frame->length);
	in.length = sizeof(*order) + frame->length;
	return run_program(bpf_program__fd(front->progs.front_slow), &in, out);
}

/* A connection whose first segment was not enough: the daemon has it. */
static void begin(struct client *client, struct frame *first)
{
	unsigned int left;

	client_connect(client, NULL);
	client_segment(client, ACK | PSH, BEGINNING, first);
	/* What was given before is none of this one's. */
	left = given();
	if (left)
		print_message("# %u records were left from before, the last of port %u\n", left,
			      ntohs(record.key.client_port));
	assert_dropped(first, FRONT_COUNT_SLOW_SEGMENTS);
	assert_int_equal(given(), 1);
}

#endif

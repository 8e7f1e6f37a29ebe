/* Parked segments: a request came back to this node before its old socket was gone. The program
 * puts the frame into a ring buffer; it is given back to the program a moment later, which parks it
 * anew if need be. */
#include "node/node.h"

#include "base/fail.h"
#include "wire/node.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct waiting {
	struct waiting *next;
	__u32 ifindex, length;
	__u8 frame[];
};

struct park {
	struct ring_buffer *ring;
	int program, alarm_fd;
	uv_poll_t ready, alarm;
	unsigned int handles;
	struct waiting *first, **last;
};

static int on_frame(void *owner, void *data, size_t size)
{
	const struct parked *parked = data;
	struct park *park = owner;
	struct waiting *waiting;

	if (size < sizeof(*parked) || parked->length < 14 || parked->length > PARK_FRAME_MAX)
		return 0;
	waiting = malloc(sizeof(*waiting) + parked->length);
	if (!waiting)
		out_of_memory();
	waiting->next = NULL;
	waiting->ifindex = parked->ifindex;
	waiting->length = parked->length;
	memcpy(waiting->frame, parked->frame, parked->length);
	*park->last = waiting;
	park->last = &waiting->next;
	return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct park *park = poll->data;
	struct itimerspec soon = {.it_value = {.tv_nsec = PARK_US * 1000}};

	(void)events;
	if (status)
		return;
	ring_buffer__consume(park->ring);
	if (park->first)
		timerfd_settime(park->alarm_fd, 0, &soon, NULL);
}

static void give_back(const struct park *park, const struct waiting *waiting)
{
	struct __sk_buff context = {.ifindex = waiting->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = waiting->frame,
		    .data_size_in = waiting->length, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(park->program, &run))
		log_line(LOG_LEVEL_WARNING, "a parked segment could not be given back: %s",
			 strerror(errno));
}

static void on_alarm(uv_poll_t *poll, int status, int events)
{
	struct park *park = poll->data;
	struct waiting *waiting = park->first;
	uint64_t times;

	(void)events;
	if (status || read(park->alarm_fd, &times, sizeof(times)) != sizeof(times))
		return;
	park->first = NULL;
	park->last = &park->first;
	while (waiting) {
		struct waiting *next = waiting->next;

		give_back(park, waiting);
		free(waiting);
		waiting = next;
	}
}

struct park *park_start(struct node *node)
{
	struct park *park = calloc(1, sizeof(*park));
	int error;

	if (!park)
		out_of_memory();
	park->last = &park->first;
	park->program =
		bpf_program__fd(bpf_object__find_program_by_name(node->object, "node_unpark"));
	park->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(node->object, "parked"),
				      on_frame, park, NULL);
	if (!park->ring)
		goto no_ring;
	park->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (park->alarm_fd < 0)
		goto no_alarm;
	park->handles = 2;
	uv_poll_init(&node->loop, &park->ready, ring_buffer__epoll_fd(park->ring));
	uv_poll_init(&node->loop, &park->alarm, park->alarm_fd);
	park->ready.data = park;
	park->alarm.data = park;
	uv_poll_start(&park->ready, UV_READABLE, on_ready);
	uv_poll_start(&park->alarm, UV_READABLE, on_alarm);
	return park;

no_alarm:
	error = errno;
	ring_buffer__free(park->ring);
	errno = error;
no_ring:
	free(park);
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct park *park = handle->data;

	if (--park->handles)
		return;
	for (struct waiting *waiting = park->first, *next; waiting; waiting = next) {
		next = waiting->next;
		give_back(park, waiting);
		free(waiting);
	}
	ring_buffer__free(park->ring);
	close(park->alarm_fd);
	free(park);
}

void park_end(struct park *park)
{
	uv_close((uv_handle_t *)&park->ready, on_closed);
	uv_close((uv_handle_t *)&park->alarm, on_closed);
}

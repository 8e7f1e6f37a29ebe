/* Flows that are over without the front's seeing it: the server reset them, or its process died
 * silently. The program writes the first kind into a ring buffer, the sweep finds the second; for
 * each a program sends the front a RELEASE. One that is lost costs an entry until it is idle for
 * too long, so nothing is repeated. */
#include "node/node.h"

#include "base/fail.h"
#include "control/segment.h"
#include "wire/node.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

struct release {
	struct node *node;
	struct ring_buffer *ring;
	int program;
	uv_poll_t ready;
};

void release_flow(struct release *release, const struct flow_key *key, uint32_t seq, uint32_t ack)
{
	const struct segment last = {.from = key->client,
				     .to = key->vip,
				     .from_port = key->client_port,
				     .to_port = key->vip_port,
				     .seq = seq,
				     .ack = ack,
				     .flags = SEGMENT_ACK};
	uint8_t frame[SEGMENT_OVERHEAD];
	struct __sk_buff context = {.ifindex = (__u32)release->node->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame,
		    .data_size_in = segment_make(&last, frame), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	bpf_prog_test_run_opts(release->program, &run);
}

static int on_over(void *owner, void *data, size_t size)
{
	struct release *release = owner;

	if (size >= sizeof(struct flow_key))
		release_flow(release, data, 0, 0);
	return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct release *release = poll->data;

	(void)events;
	if (!status)
		ring_buffer__consume(release->ring);
}

struct release *release_start(struct node *node)
{
	struct release *release = calloc(1, sizeof(*release));
	int error;

	if (!release)
		out_of_memory();
	release->node = node;
	release->program =
		bpf_program__fd(bpf_object__find_program_by_name(node->object, "node_release"));
	release->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(node->object, "over"),
					 on_over, release, NULL);
	if (!release->ring) {
		error = errno;
		free(release);
		errno = error;
		return NULL;
	}
	uv_poll_init(&node->loop, &release->ready, ring_buffer__epoll_fd(release->ring));
	release->ready.data = release;
	uv_poll_start(&release->ready, UV_READABLE, on_ready);
	return release;
}

static void on_closed(uv_handle_t *handle)
{
	struct release *release = handle->data;

	ring_buffer__free(release->ring);
	free(release);
}

void release_end(struct release *release)
{
	uv_close((uv_handle_t *)&release->ready, on_closed);
}

/* Tells the front at which moments flows had nothing under way. When this node is dead, it lets a
 * connection go on elsewhere only from such a moment. */
#include "node/node.h"

#include "base/buffer.h"
#include "base/fail.h"
#include "control/percpu.h"
#include "wire/counters.h"
#include "wire/node.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

enum {
	TICK_MS = 250,	      /* between two looks at the least */
	SHARE = 200,	      /* and so many times what the last one took */
	BATCH_MOST = 2 << 20, /* bytes of text */
};

struct quiet {
	struct node *node;
	struct ring_buffer *ring;
	int program;
	uint32_t salt;
	uint64_t responses; /* until the last look, at `looked_salt`; it told all if not `left` */
	uint32_t looked_salt;
	bool left;
	uv_timer_t timer;
	struct buffer text;
};

static int on_point(void *owner, void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * sizeof(struct checkpoint)];
	const unsigned char *bytes = data;
	struct quiet *quiet = owner;

	if (size < sizeof(struct checkpoint))
		return 0;
	for (size_t i = 0; i < sizeof(struct checkpoint); i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	buffer_add(&quiet->text, text, sizeof(text));
	return 0;
}

/* Only the end of a response makes a flow quiet. */
static bool nothing_new(struct quiet *quiet)
{
	int map = bpf_object__find_map_fd_by_name(quiet->node->object, "node_counters");
	uint64_t responses;
	bool same;

	if (percpu_sum(map, NODE_COUNT_RESPONSES, &responses, 1))
		return false;
	same = !quiet->left && responses == quiet->responses && quiet->salt == quiet->looked_salt;
	quiet->responses = responses;
	quiet->looked_salt = quiet->salt;
	return same;
}

static void look(struct quiet *quiet)
{
	struct node_quiet context = {.left = 1};

	if (!front_links_are_up(quiet->node->fronts) || nothing_new(quiet))
		return;
	buffer_clear(&quiet->text);
	while (context.left && quiet->text.length < BATCH_MOST) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &context,
			    .ctx_size_in = sizeof(context));

		context = (struct node_quiet){.salt = quiet->salt};
		if (bpf_prog_test_run_opts(quiet->program, &run))
			break;
		ring_buffer__consume(quiet->ring);
	}
	quiet->left = context.left;
	if (quiet->text.length)
		front_links_send(quiet->node->fronts, json_pack("{s:s, s:s}", "type", "quiet",
								"flows", quiet->text.data));
}

/* A look goes over the whole table, which takes its time even where the table is empty. */
static void on_tick(uv_timer_t *timer)
{
	struct quiet *quiet = timer->data;
	uint64_t began = uv_hrtime(), wait;

	look(quiet);
	wait = (uv_hrtime() - began) * SHARE / 1000000;
	uv_timer_start(timer, on_tick, wait > TICK_MS ? wait : TICK_MS, 0);
}

void quiet_again(struct quiet *quiet)
{
	quiet->salt += 0x9e3779b9u;
}

struct quiet *quiet_start(struct node *node)
{
	struct quiet *quiet = calloc(1, sizeof(*quiet));
	int error;

	if (!quiet)
		out_of_memory();
	quiet->node = node;
	quiet->program =
		bpf_program__fd(bpf_object__find_program_by_name(node->object, "node_quiet"));
	quiet->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(node->object, "quiet"),
				       on_point, quiet, NULL);
	if (!quiet->ring) {
		error = errno;
		free(quiet);
		errno = error;
		return NULL;
	}
	quiet->salt = (uint32_t)uv_hrtime();
	uv_timer_init(&node->loop, &quiet->timer);
	quiet->timer.data = quiet;
	uv_timer_start(&quiet->timer, on_tick, TICK_MS, 0);
	return quiet;
}

static void on_closed(uv_handle_t *handle)
{
	struct quiet *quiet = handle->data;

	ring_buffer__free(quiet->ring);
	buffer_release(&quiet->text);
	free(quiet);
}

void quiet_end(struct quiet *quiet)
{
	uv_close((uv_handle_t *)&quiet->timer, on_closed);
}

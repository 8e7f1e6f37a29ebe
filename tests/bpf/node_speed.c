/* What each kind of frame costs the node's programs, in ns of one CPU: `meson test --benchmark`.
 * Nothing is asserted of the numbers: they are the machine's. Needs root. */
#include "node.h"

#include "wire/request_record.h"

enum { ROUNDS = 20000 };

static struct flow flow;

static void spent(const struct bpf_program *program, uint64_t *ns, uint64_t *runs)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
	*ns = info.run_time_ns;
	*runs = info.run_cnt;
}

/* The kernel's own figures of runs; before each the flow is what `again` says, if not NULL. */
static void report(const char *what, struct bpf_program *program, const struct frame *frame,
		   const struct held *again)
{
	struct flow_key k = flow_key(&flow);
	uint64_t from, to, before, after;

	spent(program, &from, &before);
	for (int i = 0; i < ROUNDS; i++) {
		if (again)
			put(node->maps.held, &k, again);
		verdict(program, frame, NULL);
	}
	spent(program, &to, &after);
	print_message("# %-44s %5llu ns\n", what,
		      (unsigned long long)((to - from) / (after - before)));
}

static int drop(void *owner, void *data, size_t size)
{
	(void)owner;
	(void)data;
	(void)size;
	return 0;
}

/* With the access log on; a frame's records are taken away, as the daemon would. */
static void report_told(const char *what, struct bpf_program *program, const struct frame *frame,
			const struct held *again)
{
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(node->maps.records), drop, NULL, NULL);
	struct watch watch = {.log = 1};
	uint32_t at = 0;

	assert_non_null(ring);
	put(node->maps.watch, &at, &watch);
	report(what, program, frame, again);
	watch.log = 0;
	put(node->maps.watch, &at, &watch);
	assert_true(ring_buffer__consume(ring) > 0);
	ring_buffer__free(ring);
}

static void speed(void **state)
{
	struct tcp_words words = {.from = VIP4,
				  .to = CLIENT4,
				  .from_port = 80,
				  .flags = TCP_ACK,
				  .stamped = true,
				  .payload = RESPONSE};
	struct held held;
	struct frame frame;
	int stats, fd;

	ROOT_ONLY();
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	assert_true(stats >= 0);
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	assert_true(flow_held(&flow, &held));

	segment(&flow, &frame, 0, NULL);
	frame.bytes[12] = 0x99;
	report("in: another protocol, passed", node->progs.node_in, &frame, NULL);
	segment(&flow, &frame, 0, NULL);
	report("in: ACK of a flow", node->progs.node_in, &frame, NULL);
	segment(&flow, &frame, TCP_PSH, REQUEST);
	report("in: request of a flow, stays", node->progs.node_in, &frame, &held);
	report_told("in: the same, told to the access log", node->progs.node_in, &frame, &held);
	report("in: the same, seen before", node->progs.node_in, &frame, NULL);
	handoff(&flow, &frame, TCP_PSH, REQUEST);
	report("in: handoff, seen before", node->progs.node_in, &frame, NULL);
	place_at(THERE);
	segment(&flow, &frame, TCP_PSH, REQUEST);
	report("in: request of a flow, moves", node->progs.node_in, &frame, &held);

	words.to_port = flow.port;
	words.seq = flow.ack;
	held.requests++;
	frame_tcp(&wire, &frame, &words);
	((uint32_t *)held.response)[12]++; /* one more response is awaited */
	report("out: response, followed", node->progs.node_out, &frame, &held);
	report_told("out: the same, told to the access log", node->progs.node_out, &frame, &held);
	report("out: the same, sent again", node->progs.node_out, &frame, NULL);
	close(fd);
	close(stats);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(speed)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

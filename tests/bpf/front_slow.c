/* The slow path's part in the kernel: what the daemon is given, what its orders do, and what
 * happens without it. Needs root. */
#include "slow_daemon.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static int reset(void **state)
{
	daemon_starts();
	return front_reset(state);
}

static int do_order(const struct client *client, enum slow_action action)
{
	struct slow_order order = order_of(client, action);

	return carry_out(&order);
}

/* What comes of a SLOW_SEND of this frame. */
static int send_order(const struct client *client, __u32 generation, const struct frame *frame,
		      struct frame *out)
{
	struct slow_order order = order_of(client, SLOW_SEND);

	order.generation = generation;
	return carry_out_with(&order, frame, out);
}

static void kept(bool six)
{
	struct client client = CLIENT;
	struct frame first, next;
	struct front_flow flow;
	struct flow_key key;
	__u64 flows = front_count(FRONT_COUNT_SLOW_FLOWS),
	      handed = front_count(FRONT_COUNT_HANDOFFS_FIRST);

	client.six = six;
	begin(&client, &first);
	key = client_key(&client);
	flow = front_flow(&client);
	assert_int_equal(flow.owner.state, FRONT_SLOW);
	assert_int_equal(flow.owner.node, 0);
	assert_memory_equal(&record.key, &key, sizeof(key));
	assert_int_equal(record.generation, flow.owner.generation);
	assert_int_equal(record.first_seq, client.seq);
	assert_int_equal(record.first_ack, client.ack);
	assert_int_equal(record.service, 1);
	assert_int_equal(record.node, 0);
	assert_int_equal(record.length, first.length);
	assert_memory_equal(record_frame.bytes, first.bytes, first.length);
	/* The next one, the first one again, a bare ACK: all go there, without their padding. */
	client.seq += strlen(BEGINNING);
	client_segment(&client, ACK | PSH, REST, &next);
	next.length += 10;
	assert_dropped(&next, FRONT_COUNT_SLOW_SEGMENTS);
	assert_int_equal(given(), 1);
	assert_int_equal(record.length, next.length - 10);
	assert_dropped(&first, FRONT_COUNT_SLOW_SEGMENTS);
	assert_int_equal(given(), 1);
	assert_int_equal(record.generation, flow.owner.generation);
	assert_int_equal(front_count(FRONT_COUNT_SLOW_FLOWS), flows + 1);
	assert_int_equal(front_count(FRONT_COUNT_HANDOFFS_FIRST), handed);
}

static void the_daemon_gets_every_segment(void **state)
{
	(void)state;
	kept(false);
	kept(true);
}

/* The node that the host's own copy of the policy gives this target. */
static struct slow_order placing(const struct client *client, const char *host, const char *path,
				 int *node)
{
	struct slow_order order = order_of(client, SLOW_PLACE);
	static struct scratch scratch;
	struct target_text text = {
		.host_length = strlen(host), .path_at = strlen(host), .path_length = strlen(path)};
	struct place_query query = {.pool = POOL};

	snprintf((char *)scratch.bytes, sizeof(scratch.bytes), "%s%s", host, path);
	place_text(&query, PLACE_WANT_TARGET | PLACE_WANT_CARP | PLACE_WANT_MD5, &scratch, &text);
	order.flags = SLOW_BY_TARGET;
	order.target = query.target;
	order.carp = query.carp;
	order.md5 = query.md5;
	order.pool = POOL;
	*node = place_choose(&query);
	return order;
}

static void placed_and_handed(bool six)
{
	__u64 placed = front_count(FRONT_COUNT_SLOW_PLACED),
	      handed = front_count(FRONT_COUNT_HANDOFFS_FIRST);
	unsigned int seen[NODES + 1] = {0};
	struct client client = CLIENT;

	client.six = six;
	for (int i = 0; i < 20; i++) {
		struct frame first, whole, out, inner;
		struct baton_header header;
		struct slow_order order;
		char path[30];
		int node;

		client.port++;
		begin(&client, &first);
		snprintf(path, sizeof(path), "/long/%d", i);
		order = placing(&client, "a", path, &node);
		order.count = FRONT_COUNT_SLOW_PLACED;
		assert_int_equal(carry_out(&order), 0);
		assert_int_equal(order.node, node);
		assert_int_equal(front_flow(&client).owner.state, FRONT_SLOW);
		assert_int_equal(front_flow(&client).owner.node, order.node);
		seen[order.node]++;
		/* Once is enough. */
		assert_int_equal(carry_out(&order), -ESTALE);
		/* What the daemon makes of it goes out as the flow's handoff. */
		client_segment(&client, ACK | PSH, BEGINNING REST, &whole);
		assert_int_equal(send_order(&client, order.generation, &whole, &out), XDP_TX);
		header = wrapped_read(&out, order.node, &inner);
		assert_int_equal(header.type, BATON_HANDOFF);
		assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST);
		assert_int_equal(ntohl(header.seq), client.seq);
		assert_int_equal(ntohl(header.ack), client.ack);
		assert_int_equal(ntohl(header.generation), order.generation);
		assert_int_equal(header.reason, PLACE_REASON_POLICY);
		assert_int_equal(inner.length, whole.length - 14);
		assert_memory_equal(inner.bytes, whole.bytes + 14, inner.length);
		/* Until it is opened the client's segments go on coming to the daemon. */
		client.seq += strlen(BEGINNING REST);
		client_segment(&client, ACK | PSH, GET, &whole);
		assert_dropped(&whole, FRONT_COUNT_SLOW_SEGMENTS);
		assert_int_equal(given(), 1);
		assert_int_equal(record.node, order.node);
		assert_int_equal(do_order(&client, SLOW_OPEN), 0);
		assert_int_equal(ntohl(client_handoff(&whole).generation), order.generation);
		assert_int_equal(do_order(&client, SLOW_OPEN), -ESTALE);
		/* What was on its way to the daemon still gets through. */
		assert_int_equal(send_order(&client, order.generation, &whole, &out), XDP_TX);
	}
	assert_int_equal(front_count(FRONT_COUNT_SLOW_PLACED), placed + 20);
	assert_int_equal(front_count(FRONT_COUNT_HANDOFFS_FIRST), handed + 20);
	for (int node = 1; node <= NODES; node++)
		assert_int_not_equal(seen[node], 0);
}

static void orders_place_and_hand_over(void **state)
{
	(void)state;
	placed_and_handed(false);
	placed_and_handed(true);
}

static void what_is_not_http_is_pinned(void **state)
{
	__u64 counted = front_count(FRONT_COUNT_FALLBACK_NOT_HTTP);
	struct client client = CLIENT;
	struct slow_order order;
	struct frame first;

	(void)state;
	begin(&client, &first);
	order = order_of(&client, SLOW_PLACE);
	order.flags = SLOW_PINNED;
	order.fallback = FRONT_COUNT_FALLBACK_NOT_HTTP;
	assert_int_equal(carry_out(&order), 0);
	assert_true(front_flow(&client).owner.flags & FRONT_PINNED);
	assert_int_equal(front_flow(&client).reason, PLACE_REASON_FALLBACK);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_NOT_HTTP), counted + 1);
}

/* The owner has ended the connection: its own word of that changes nothing more, and whatever the
 * client sends yet is answered by an RST. */
static void a_killed_flow_is_reset(void **state)
{
	__u64 counted = front_count(FRONT_COUNT_KILLED);
	struct client client = CLIENT;
	struct slow_order order;
	struct frame in, out;
	struct tcp_segment reset;

	(void)state;
	client_request(&client, GET);
	order = order_of(&client, SLOW_KILL);
	order.count = FRONT_COUNT_KILLED;
	order.generation--;
	assert_int_equal(carry_out(&order), -ESTALE);
	assert_int_equal(front_flow(&client).owner.state, FRONT_OPEN);
	order.generation++;
	assert_int_equal(carry_out(&order), 0);
	assert_int_equal(front_flow(&client).owner.state, FRONT_LOST);
	assert_int_equal(front_count(FRONT_COUNT_KILLED), counted + 1);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &reset);
	assert_int_equal(reset.flags, RST);
	assert_int_equal(reset.seq, client.ack);
}

/* Orders that come too late: after a reset, for an older connection, for none. */
static void late_orders_change_nothing(void **state)
{
	static const enum slow_action actions[] = {SLOW_PLACE, SLOW_OPEN, SLOW_ACKED, SLOW_END,
						   SLOW_LOSE};
	struct client client = CLIENT, other = CLIENT;
	struct frame first, out;

	(void)state;
	begin(&client, &first);
	for (unsigned int i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		struct front_flow before = front_flow(&client), after;
		struct slow_order order = order_of(&client, actions[i]);

		order.generation--;
		assert_int_equal(carry_out(&order), -ESTALE);
		after = front_flow(&client);
		assert_memory_equal(&before, &after, sizeof(before));
		order = order_of(&client, actions[i]);
		order.key.client_port++;
		assert_int_equal(carry_out(&order), -ESTALE);
	}
	assert_int_equal(send_order(&client, front_flow(&client).owner.generation, &first, &out),
			 XDP_DROP); /* nobody is its node yet */
	/* A flow that was never the daemon's. */
	other.port++;
	client_request(&other, GET);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(do_order(&other, actions[i]), -ESTALE);
	assert_int_equal(send_order(&other, front_flow(&other).owner.generation - 1, &first, &out),
			 XDP_DROP);
}

static void ended_flows_leave_nothing(void **state)
{
	struct client client = CLIENT;
	struct flow_key key;
	struct frame first;

	(void)state;
	begin(&client, &first);
	assert_int_equal(do_order(&client, SLOW_END), 0);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(front->maps.flows), NULL, &key), -ENOENT);
}

static void without_room_the_client_decides(void **state)
{
	__u64 full = front_count(FRONT_COUNT_SLOW_FULL), away = front_count(FRONT_COUNT_SLOW_AWAY),
	      split = front_count(FRONT_COUNT_FALLBACK_SPLIT);
	struct client client = CLIENT;

	(void)state;
	daemon_is(true, false);
	assert_int_equal(client_request(&client, BEGINNING).reason, PLACE_REASON_FALLBACK);
	assert_int_equal(front_count(FRONT_COUNT_SLOW_FULL), full + 1);
	daemon_is(false, true);
	client.port++;
	assert_int_equal(client_request(&client, BEGINNING).reason, PLACE_REASON_FALLBACK);
	assert_int_equal(front_count(FRONT_COUNT_SLOW_AWAY), away + 1);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_SPLIT), split + 2);
	assert_int_equal(given(), 0);
}

static void silent_daemons_are_away(void **state)
{
	struct slow_control control = {.heard = tick_now() - SLOW_AWAY_TICKS - 2, .room = 1};
	struct client client = CLIENT;
	__u32 zero = 0;

	(void)state;
	front_map_set(front->maps.slow_control, &zero, &control);
	assert_int_equal(client_request(&client, BEGINNING).reason, PLACE_REASON_FALLBACK);
}

/* The daemon has died with a flow. */
static void nothing_acknowledged_begins_again(void **state)
{
	struct client client = CLIENT, later;
	struct baton_header header;
	struct frame first, next, out;
	__u32 generation;

	(void)state;
	begin(&client, &first);
	generation = front_flow(&client).owner.generation;
	daemon_is(false, false);
	later = client;
	later.seq += strlen(BEGINNING);
	client_segment(&later, ACK | PSH, REST, &next);
	assert_int_equal(front_run(&next, &out), XDP_DROP);
	header = client_handoff(&first);
	assert_int_equal(header.reason, PLACE_REASON_FALLBACK);
	assert_int_equal(ntohl(header.seq), client.seq);
	assert_true((int)(ntohl(header.generation) - generation) > 0);
	assert_int_equal(ntohl(client_handoff(&next).generation), ntohl(header.generation));
	/* Back again, it can't do anything to what has gone on without it. */
	daemon_is(true, true);
	assert_int_equal(do_order(&client, SLOW_PLACE), -ESTALE);
	client_handoff(&first);
}

static void what_was_acknowledged_is_lost(void **state)
{
	__u64 lost = front_count(FRONT_COUNT_SLOW_LOST);
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct frame first, out;

	(void)state;
	begin(&client, &first);
	assert_int_equal(do_order(&client, SLOW_ACKED), 0);
	daemon_is(false, false);
	client.seq += strlen(BEGINNING);
	client_segment(&client, ACK | PSH, REST, &first);
	assert_int_equal(front_run(&first, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
	assert_int_equal(front_count(FRONT_COUNT_SLOW_LOST), lost + 1);
}

static void a_named_node_keeps_the_flow(void **state)
{
	struct client client = CLIENT;
	struct slow_order order;
	struct frame first;
	int node;

	(void)state;
	begin(&client, &first);
	order = placing(&client, "a", "/long", &node);
	assert_int_equal(carry_out(&order), 0);
	daemon_is(false, false);
	assert_int_equal(ntohs(client_handoff(&first).node), order.node);
	assert_int_equal(front_flow(&client).owner.generation, order.generation);
}

static void nobody_is_up(void **state)
{
	__u64 nobody = front_count(FRONT_COUNT_NO_NODE);
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct frame in, out;

	(void)state;
	front_pool(false);
	/* Even a whole request goes to the daemon, which has an answer. */
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_SLOW_SEGMENTS);
	assert_int_equal(given(), 1);
	assert_int_equal(do_order(&client, SLOW_PLACE), -ENOENT);
	assert_int_equal(front_count(FRONT_COUNT_NO_NODE), nobody + 1);
	/* Without it: an RST. */
	daemon_is(true, false);
	client.port++;
	client.ack = 0;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(front_count(FRONT_COUNT_NO_NODE), nobody + 2);
}

static void a_full_ring_is_counted(void **state)
{
	__u64 dropped = front_count(FRONT_COUNT_SLOW_DROPPED), got;
	struct client client = CLIENT;
	struct frame first, out;

	(void)state;
	begin(&client, &first);
	got = front_count(FRONT_COUNT_SLOW_SEGMENTS);
	for (unsigned int i = 0; i < 2 * SLOW_RING_BYTES / first.length &&
				 front_count(FRONT_COUNT_SLOW_DROPPED) == dropped;
	     i += 1)
		assert_int_equal(front_run(&first, &out), XDP_DROP);
	assert_int_equal(front_count(FRONT_COUNT_SLOW_DROPPED), dropped + 1);
	assert_int_equal(given(), front_count(FRONT_COUNT_SLOW_SEGMENTS) - got);
	/* Sent again, it gets through. */
	assert_dropped(&first, FRONT_COUNT_SLOW_SEGMENTS);
	assert_int_equal(given(), 1);
}

static void whom_nobody_wants_is_swept(void **state)
{
	struct front_sweep sweep = {.idle_ticks = FRONT_TICKS(3600)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &sweep, .ctx_size_in = sizeof(sweep));
	int program = bpf_program__fd(front->progs.front_sweep);
	struct client client = CLIENT;
	struct frame first;

	(void)state;
	begin(&client, &first);
	front_age(&client, SLOW_LIFE_TICKS - 20);
	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	assert_int_equal(sweep.slow, 1);
	assert_int_equal(sweep.removed, 0);
	front_age(&client, 40);
	sweep = (struct front_sweep){.idle_ticks = FRONT_TICKS(3600)};
	assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
	assert_int_equal(sweep.removed, 1);
}

static void a_confirmation_says_what_is_there(void **state)
{
	struct client client = CLIENT;
	struct baton_header said = {.type = BATON_CONFIRM};
	struct slow_order order;
	struct frame first, in;
	int node;

	(void)state;
	begin(&client, &first);
	order = placing(&client, "a", "/long", &node);
	assert_int_equal(carry_out(&order), 0);
	said.sender = htons(order.node);
	said.generation = htonl(order.generation);
	said.ts_clock = htonl(client.seq + 5);
	message_make(said, &first, &in);
	assert_dropped(&in, FRONT_COUNT_CONFIRMS);
	assert_int_equal(front_flow(&client).have_seq, client.seq + 5);
	/* A port that is used again knows nothing of it. */
	assert_int_equal(do_order(&client, SLOW_OPEN), 0);
	front_age(&client, 100);
	client.seq += 1u << 30; /* by chance it could go on where the last one was */
	client.ack = 0;
	begin(&client, &first);
	assert_int_equal(front_flow(&client).have_seq, 0);
	assert_int_equal(front_flow(&client).owner.state, FRONT_SLOW);
}

#define T(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_daemon_gets_every_segment),
		T(orders_place_and_hand_over),
		T(what_is_not_http_is_pinned),
		T(a_killed_flow_is_reset),
		T(late_orders_change_nothing),
		T(ended_flows_leave_nothing),
		T(without_room_the_client_decides),
		T(silent_daemons_are_away),
		T(nothing_acknowledged_begins_again),
		T(what_was_acknowledged_is_lost),
		T(a_named_node_keeps_the_flow),
		T(nobody_is_up),
		T(a_full_ring_is_counted),
		T(whom_nobody_wants_is_swept),
		T(a_confirmation_says_what_is_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

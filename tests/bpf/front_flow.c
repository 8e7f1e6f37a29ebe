/* Flows that the front knows: how their segments travel, how they end, how long they are
 * remembered, and what becomes of them when their node is gone. Needs root. */
#include "front.h"

#define GET "GET /a/b.html?x=1 HTTP/1.1\r\nHost: www.example.org\r\n\r\n"

/* What comes out has other MAC addresses and is else what went in. */
static void assert_bare(const struct frame *in, unsigned int node)
{
	const unsigned char mac[6] = {2, 0, 0, 0, 1, node};
	struct frame out;

	assert_int_equal(front_run(in, &out), XDP_TX);
	assert_int_equal(out.length, in->length);
	assert_memory_equal(out.bytes, mac, 6);
	assert_memory_equal(out.bytes + 6, front_mac, 6);
	assert_memory_equal(out.bytes + 12, in->bytes + 12, in->length - 12);
}

static void wrapped_until_the_client_has_heard(bool six)
{
	struct client client = CLIENT;
	struct baton_header first, next;
	struct frame in;

	client.six = six;
	first = client_request(&client, GET);
	/* More data, a bare ACK, the first segment again: each under the same handoff. */
	client_segment(&client, ACK | PSH, "more", &in);
	next = client_handoff(&in);
	assert_int_equal(next.generation, first.generation);
	assert_int_equal(next.seq, first.seq);
	assert_int_equal(next.ack, first.ack);
	assert_int_equal(next.ts_clock, first.ts_clock);
	assert_int_equal(next.flags, first.flags);
	client.seq -= strlen(GET);
	client_segment(&client, ACK | PSH, GET, &in);
	client_handoff(&in);
	client.seq += strlen(GET);
	client_segment(&client, ACK, NULL, &in);
	client_handoff(&in);
	/* One byte of the response. */
	client.ack++;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(first.node));
	client_segment(&client, ACK | PSH, GET, &in);
	assert_bare(&in, ntohs(first.node));
}

static void bare_when_confirmed(void **state)
{
	(void)state;
	each_family(wrapped_until_the_client_has_heard);
}

static void bare_after_a_while(void **state)
{
	struct client client = CLIENT;
	struct baton_header first;
	struct frame in;

	(void)state;
	first = client_request(&client, GET);
	front_age(&client, FRONT_HANDOFF_TICKS + 2);
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(first.node));
}

static void tunnelled_for_ever(void **state)
{
	struct client client = CLIENT;
	struct frame in;

	(void)state;
	front_services((struct service){
		.id = 1, .pool = POOL, .kind = SERVICE_HTTP, .forward = FORWARD_TUNNEL});
	client_request(&client, GET);
	client.ack += 100;
	client_segment(&client, ACK, NULL, &in);
	client_handoff(&in);
	client_handoff(&in);
}

static void padding_does_not_travel(void **state)
{
	struct client client = CLIENT;
	struct frame in, out, inner;

	(void)state;
	client.timestamps = false;
	client_request(&client, GET);
	client_segment(&client, ACK, NULL, &in);
	assert_true(in.length < 60);
	memset(in.bytes + in.length, 0xee, 60 - in.length);
	in.length = 60;
	assert_int_equal(front_run(&in, &out), XDP_TX);
	wrapped_read(&out, out.bytes[5], &inner);
	assert_int_equal(inner.length, 40);
}

static void a_syn_changes_no_flow(void **state)
{
	struct client client = CLIENT, again;
	struct front_flow before, after;
	struct frame in;

	(void)state;
	client_request(&client, GET);
	before = front_flow(&client);
	again = CLIENT;
	again.seq += 12345;
	client_connect(&again, NULL);
	after = front_flow(&client);
	assert_memory_equal(&before, &after, sizeof(before));
	client.ack++;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, before.owner.node);
}

static void a_port_is_used_again(void **state)
{
	struct client client = CLIENT, again;
	struct baton_header first, second;
	struct frame in, out;
	__u64 swallowed;

	(void)state;
	first = client_request(&client, GET);
	client.ack += 1000;
	client_segment(&client, ACK | FIN, NULL, &in);
	assert_bare(&in, ntohs(first.node));
	assert_int_equal(front_flow(&client).owner.state, FRONT_CLOSING);

	again = CLIENT;
	again.seq += 77777;
	client_connect(&again, NULL);
	swallowed = front_count(FRONT_COUNT_ACKS_SWALLOWED);
	client_segment(&again, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
	assert_int_equal(front_count(FRONT_COUNT_ACKS_SWALLOWED), swallowed + 1);
	client_segment(&again, ACK | PSH, GET, &in);
	second = client_handoff(&in);
	assert_true((__s32)(ntohl(second.generation) - ntohl(first.generation)) > 0);
	assert_int_equal(ntohl(second.seq), again.seq);
	assert_int_equal(front_flow(&again).owner.state, FRONT_OPEN);
	assert_int_equal(front_flow(&again).handoffs, 1);

	/* The same while the old one looks alive: its client was killed without a word. */
	client = again;
	client.ack += 100;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(second.node));
	again.port = client.port;
	again.seq += 1u << 30;
	client_connect(&again, NULL);
	client_segment(&again, ACK | PSH, GET, &in);
	assert_true((__s32)(ntohl(client_handoff(&in).generation) - ntohl(second.generation)) > 0);
}

static void a_replay_runs_nothing(void **state)
{
	struct client client = CLIENT;
	struct frame first, in, out;
	struct flow_key key = client_key(&client);

	(void)state;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &first);
	client_handoff(&first);
	client.seq += strlen(GET);
	client.ack += 1000;
	client_segment(&client, RST | ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(front_flow(&client).owner.state, FRONT_ENDED);
	/* While the end is young the node that has it decides; then nobody is asked. */
	front_age(&client, FRONT_ENDED_TICKS + 2);
	assert_dropped(&first, FRONT_COUNT_REPLAYS);
	front_age(&client, FRONT_TOMBSTONE_TICKS - FRONT_ENDED_TICKS - 10);
	assert_dropped(&first, FRONT_COUNT_REPLAYS);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(front->maps.flows), &key, &(struct front_flow){0}),
		0);
}

static void an_rst_out_of_place_ends_nothing(void **state)
{
	struct client client = CLIENT, stranger;
	struct frame in, out;

	(void)state;
	client_request(&client, GET);
	stranger = client;
	stranger.seq += 4000;
	client_segment(&stranger, RST | ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(front_flow(&client).owner.state, FRONT_OPEN);
}

/* Sweeps the table once. Returns how many entries went. */
static unsigned int swept(unsigned int *tombstones)
{
	struct front_sweep sweep = {.idle_ticks = FRONT_TICKS(3600)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &sweep, .ctx_size_in = sizeof(sweep));

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(front->progs.front_sweep), &options), 0);
	if (tombstones)
		*tombstones = sweep.tombstones;
	return sweep.removed;
}

static void a_full_table_evicts_nobody(void **state)
{
	struct client clients[FLOWS + 1];
	struct frame in;

	(void)state;
	for (int i = 0; i <= FLOWS; i++) {
		clients[i] = CLIENT;
		clients[i].port += i;
		if (i < FLOWS)
			client_request(&clients[i], GET);
	}
	client_connect(&clients[FLOWS], NULL);
	client_segment(&clients[FLOWS], ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_FLOWS_FULL);
	for (int i = 0; i < FLOWS; i++) {
		client_segment(&clients[i], ACK, NULL, &in);
		client_handoff(&in);
	}
	/* One goes, there is room for one. */
	front_age(&clients[7], FRONT_TICKS(4000));
	assert_int_equal(swept(NULL), 1);
	client_segment(&clients[FLOWS], ACK | PSH, GET, &in);
	client_handoff(&in);
}

static void tombstones_last_as_long_as_cookies(void **state)
{
	struct client client = CLIENT;
	struct frame in, out;
	unsigned int tombstones;

	(void)state;
	client_request(&client, GET);
	client_segment(&client, RST | ACK, NULL, &in);
	front_run(&in, &out);
	assert_int_equal(swept(&tombstones), 0);
	assert_int_equal(tombstones, 0);
	front_age(&client, FRONT_TICKS(COOKIE_LIFE_MAX_S + COOKIE_SKEW_S));
	assert_int_equal(swept(&tombstones), 0);
	assert_int_equal(tombstones, 1);
	front_age(&client, FRONT_TICKS(60));
	cluster_now_is.clock_offset += 600 * 1000000000ll;
	front_cluster();
	assert_int_equal(swept(&tombstones), 1);
}

static void tombstones_make_room(void **state)
{
	struct client clients[FLOWS];
	struct frame in, out;

	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		clients[i] = CLIENT;
		clients[i].port += i;
		client_request(&clients[i], GET);
		client_segment(&clients[i], RST | ACK, NULL, &in);
		front_run(&in, &out);
		front_age(&clients[i], FRONT_TICKS(i < 40 ? 130 : 100));
	}
	cluster_now_is.clock_offset += 600 * 1000000000ll;
	front_cluster();
	/* The first one sees that the table is full, the second one goes by it. */
	assert_int_equal(swept(NULL), 0);
	assert_int_equal(swept(NULL), 40);
	assert_int_equal(swept(NULL), 0);
}

static void too_long_to_wrap(void **state)
{
	static char text[2100];
	struct client client = CLIENT;
	struct frame in;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, text, &in);
	assert_dropped(&in, FRONT_COUNT_TOO_LONG);
}

static void the_client_of_a_dead_node_hears_at_once(bool six)
{
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct baton_header first;
	struct frame in, out;

	client.six = six;
	first = client_request(&client, GET);
	client.ack += 100;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(first.node));
	front_node(ntohs(first.node), NODE_DRAIN);
	assert_bare(&in, ntohs(first.node));
	front_node(ntohs(first.node), NODE_DOWN);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
	assert_memory_equal(answer.destination_mac, client_mac, 6);
	/* Its own RST is not answered. */
	client_segment(&client, RST, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
	front_node(ntohs(first.node), NODE_UP);
}

static void dead_nodes(void **state)
{
	(void)state;
	each_family(the_client_of_a_dead_node_hears_at_once);
}

static void unresolved_node(void **state)
{
	struct node_entry none = {.state = NODE_UP};
	struct client client = CLIENT;
	struct frame in;
	__u32 id;

	(void)state;
	id = ntohs(client_request(&client, GET).node);
	front_map_set(front->maps.nodes, &id, &none);
	client_segment(&client, ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_UNREACHABLE);
	client.ack += 10;
	client_segment(&client, ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_UNREACHABLE);
}

/* A router that a response was too large for. */
static void icmp_reaches_the_node(void **state)
{
	struct address router = run_address("10.77.9.9"), router6 = run_address("fd77:9::9");
	struct client client = CLIENT;
	struct baton_header header;
	struct frame in, out;

	(void)state;
	header = client_request(&client, GET);
	run_ethernet(in.bytes, client_mac, front_mac, &router);
	run_ip(in.bytes + 14, &router, &vip4, IPPROTO_ICMP, 8 + 28);
	memset(in.bytes + 34, 0, 36);
	in.bytes[34] = 3;
	in.bytes[35] = 4;
	run_ip(in.bytes + 42, &vip4, &client4, IPPROTO_TCP, 1400);
	run_put16(in.bytes + 62, SERVICE_PORT);
	run_put16(in.bytes + 64, client.port);
	in.length = 70;
	assert_bare(&in, ntohs(header.node));
	/* Of no flow: the host's own. */
	run_put16(in.bytes + 64, client.port + 1);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	/* An echo request. */
	in.bytes[34] = 8;
	assert_int_equal(front_run(&in, &out), XDP_PASS);

	client.six = true;
	header = client_request(&client, GET);
	run_ethernet(in.bytes, client_mac, front_mac, &router6);
	run_ip(in.bytes + 14, &router6, &vip6, 58, 8 + 48);
	memset(in.bytes + 54, 0, 56);
	in.bytes[54] = 2;
	run_ip(in.bytes + 62, &vip6, &client6, IPPROTO_TCP, 1400);
	run_put16(in.bytes + 102, SERVICE_PORT);
	run_put16(in.bytes + 104, client.port);
	in.length = 110;
	assert_bare(&in, ntohs(header.node));
}

#define T(name) cmocka_unit_test_setup(name, front_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bare_when_confirmed),
		T(bare_after_a_while),
		T(tunnelled_for_ever),
		T(padding_does_not_travel),
		T(a_syn_changes_no_flow),
		T(a_port_is_used_again),
		T(a_replay_runs_nothing),
		T(an_rst_out_of_place_ends_nothing),
		T(a_full_table_evicts_nobody),
		T(tombstones_last_as_long_as_cookies),
		T(tombstones_make_room),
		T(too_long_to_wrap),
		T(dead_nodes),
		T(unresolved_node),
		T(icmp_reaches_the_node),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

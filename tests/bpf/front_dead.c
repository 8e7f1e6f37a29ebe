/* Flows of a node that is dead: those with a checkpoint go on elsewhere, all others end. Needs
 * root.
 */
#include "front.h"

#include "wire/node.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* A connection that has asked once, heard the answer and acknowledged it; its owner says so. */
static unsigned int quiet(struct client *client)
{
	unsigned int owner = ntohs(client_request(client, GET).node);
	struct flow_key key = client_key(client);
	struct front_checkpoint point = {.seq = client->seq, .ack = client->ack + 100};
	struct frame in, out;

	client->ack += 100;
	client_segment(client, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	point.generation = front_flow(client).owner.generation;
	point.node = owner;
	front_map_set(front->maps.checkpoints, &key, &point);
	return owner;
}

static void dies(unsigned int node)
{
	front_node(node, NODE_DOWN);
	front_pool_without(node);
}

static void assert_reset(const struct frame *in, const struct client *client)
{
	struct tcp_segment reset;
	struct frame out;
	__u64 before = front_count(FRONT_COUNT_RESETS);

	assert_int_equal(front_run(in, &out), XDP_TX);
	run_read_tcp(&out, &reset);
	assert_int_equal(reset.flags, RST);
	assert_int_equal(reset.seq, client->ack);
	assert_int_equal(front_count(FRONT_COUNT_RESETS), before + 1);
}

static void the_next_request_goes_elsewhere(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		struct client client = CLIENT;
		struct baton_header header;
		struct frame in, out;
		unsigned int owner, generation;

		client.six = six;
		front_reset(state);
		owner = quiet(&client);
		generation = front_flow(&client).owner.generation;
		dies(owner);
		/* A keepalive probe changes nothing. */
		client_segment(&client, ACK, NULL, &in);
		assert_int_equal(front_run(&in, &out), XDP_DROP);
		client_segment(&client, ACK | PSH, GET, &in);
		header = client_handoff(&in);
		assert_int_not_equal(ntohs(header.node), owner);
		assert_int_equal(ntohl(header.generation), generation + 1);
		assert_int_equal(ntohl(header.seq), client.seq);
		assert_int_equal(ntohl(header.ack), client.ack);
		assert_int_equal(ntohs(header.mss), 1460);
		assert_int_equal(ntohs(header.flags), 0);
		assert_int_equal(front_flow(&client).owner.node, ntohs(header.node));
		/* The client repeats it: the same handoff. */
		assert_int_equal(client_handoff(&in).generation, header.generation);
	}
}

static void a_bad_checksum_moves_nothing(void **state)
{
	struct client client = CLIENT;
	struct frame in;
	unsigned int owner;

	(void)state;
	owner = quiet(&client);
	dies(owner);
	client_segment(&client, ACK | PSH, GET, &in);
	in.bytes[in.length - 1] ^= 1;
	assert_dropped(&in, FRONT_COUNT_BAD_CHECKSUM);
	in.bytes[in.length - 1] ^= 1;
	client_handoff(&in);
}

/* Whatever has gone to the node since it was quiet, it may have done. */
static void not_quiet_any_more(void **state)
{
	struct client client = CLIENT;
	struct frame in, out;

	(void)state;
	/* A request that it got. */
	quiet(&client);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	dies(front_flow(&client).owner.node);
	assert_reset(&in, &client);
	assert_reset(&in, &client);

	front_reset(state);
	client = CLIENT;
	client.port++;
	quiet(&client);
	/* A part of something that it has sent since. */
	client.ack += 10;
	client_segment(&client, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	dies(front_flow(&client).owner.node);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_reset(&in, &client);
}

static void checkpoints_of_others(void **state)
{
	static const int which[] = {0, 1, 2, 3};

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct client client = CLIENT;
		struct flow_key key;
		struct front_checkpoint point;
		struct frame in;
		unsigned int owner;

		front_reset(state);
		client.port += i;
		key = client_key(&client);
		owner = quiet(&client);
		bpf_map_lookup_elem(bpf_map__fd(front->maps.checkpoints), &key, &point);
		point.generation -= which[i] == 0;
		point.seq += which[i] == 1;
		point.ack -= which[i] == 2;
		point.node += which[i] == 3;
		front_map_set(front->maps.checkpoints, &key, &point);
		dies(owner);
		client_segment(&client, ACK | PSH, GET, &in);
		assert_reset(&in, &client);
	}
}

static int on_lost(void *owner, void *data, size_t size)
{
	(void)size;
	memcpy(owner, data, sizeof(struct front_lost));
	return 0;
}

static void all_are_looked_for(void **state)
{
	struct client still = CLIENT, busy = CLIENT, other = CLIENT;
	struct front_bury context = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &context, .ctx_size_in = sizeof(context));
	struct front_lost lost = {0};
	struct ring_buffer *ring;
	struct front_flow flow;
	struct flow_key key;
	struct frame in, out;

	(void)state;
	busy.port++;
	other.port += 2;
	context.node = quiet(&still);
	quiet(&busy);
	quiet(&other);
	assert_int_equal(front_flow(&busy).owner.node, context.node);
	client_segment(&busy, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	busy.seq += strlen(GET);
	/* One that another node has. */
	key = client_key(&other);
	flow = front_flow(&other);
	flow.owner.node = context.node % NODES + 1;
	front_map_set(front->maps.flows, &key, &flow);

	dies(context.node);
	ring = ring_buffer__new(bpf_map__fd(front->maps.lost), on_lost, &lost, NULL);
	assert_non_null(ring);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(front->progs.front_bury), &run), 0);
	assert_int_equal(context.lost, 1);
	assert_int_equal(context.kept, 1);
	assert_int_equal(context.left, 0);
	assert_int_equal(ring_buffer__consume(ring), 1);
	key = client_key(&busy);
	assert_memory_equal(&lost.key, &key, sizeof(key));
	assert_int_equal(lost.seq, busy.ack);
	assert_int_equal(lost.ack, busy.seq);
	ring_buffer__free(ring);
	assert_int_equal(front_flow(&busy).owner.state, FRONT_LOST);
	assert_int_equal(front_flow(&still).owner.state, FRONT_OPEN);
	assert_int_equal(front_flow(&other).owner.state, FRONT_OPEN);
	/* However late it says something: an RST. */
	front_age(&busy, FRONT_TICKS(20));
	client_segment(&busy, ACK, NULL, &in);
	assert_reset(&in, &busy);
}

#define T(name) cmocka_unit_test_setup(name, front_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_next_request_goes_elsewhere),
		T(a_bad_checksum_moves_nothing),
		T(not_quiet_any_more),
		T(checkpoints_of_others),
		T(all_are_looked_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

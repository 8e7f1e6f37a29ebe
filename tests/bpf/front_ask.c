/* A front that knows nothing of a flow asks the nodes, one after the other. Needs root. */
#include "front_asked.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static void assert_unknown(const struct client *client)
{
	struct flow_key key = client_key(client);
	struct front_flow flow;

	assert_int_not_equal(bpf_map_lookup_elem(bpf_map__fd(front->maps.flows), &key, &flow), 0);
}

static void the_holder_is_found(void **state)
{
	(void)state;
	for (int six = 0; six < 2; six++) {
		struct client client = stranger(50001);
		struct baton_header asked, said;
		struct frame segment, in, out;
		struct front_flow flow;
		unsigned int node, next;

		client.six = six;
		client_segment(&client, ACK, NULL, &segment);
		asked = question(&segment, &segment, &node);
		/* While the question is under way the client's further segments wait. */
		assert_int_equal(front_run(&segment, &out), XDP_DROP);
		answer(&asked, BATON_HAS_NOT, &segment, &in);
		asked = question(&in, &segment, &next);
		assert_int_equal(next, node % NODES + 1);
		/* The first node's answer once more: not its turn. */
		assert_dropped(&in, FRONT_COUNT_STALE);
		said = (struct baton_header){.type = BATON_CONFIRM,
					     .sender = htons(next),
					     .load = asked.load,
					     .generation = htonl(4000),
					     .seq = htonl(76000),
					     .ack = htonl(80000),
					     .mss = htons(1400),
					     .snd_wscale = 9,
					     .rcv_wscale = 7,
					     .options = BATON_OPTION_SACK};
		message_make(said, &segment, &in);
		assert_dropped(&in, FRONT_COUNT_ASKED_FOUND);
		flow = front_flow(&client);
		assert_int_equal(flow.owner.node, next);
		assert_int_equal(flow.owner.generation, 4000);
		assert_int_equal(flow.owner.state, FRONT_OPEN);
		assert_int_equal(flow.handoff_seq, 76000);
		assert_int_equal(flow.mss, 1400);
		assert_int_equal(flow.service, 1);
		/* From now on it goes there as it came. */
		client.ack += 1000;
		client_segment(&client, ACK, NULL, &segment);
		assert_int_equal(front_run(&segment, &out), XDP_TX);
		assert_int_equal(out.length, segment.length);
		assert_int_equal(out.bytes[5], next);
	}
}

/* Answers HAS_NOT to all questions; the last answer is in `in`, not sent yet. */
static void nobody(const struct frame *segment, struct frame *in)
{
	struct baton_header asked;
	unsigned int node, seen = 0;
	const struct frame *now = segment;

	for (int i = 0; i < NODES; i++) {
		asked = question(now, segment, &node);
		assert_false(seen & 1 << node);
		seen |= 1 << node;
		answer(&asked, BATON_HAS_NOT, segment, in);
		now = in;
	}
}

static void nobody_has_it(void **state)
{
	struct client client = stranger(50002);
	struct frame segment, in, out;
	struct tcp_segment reset;

	(void)state;
	client_segment(&client, ACK | PSH, GET, &segment);
	nobody(&segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &reset);
	assert_int_equal(reset.flags, RST);
	assert_int_equal(reset.seq, client.ack);
	assert_memory_equal(out.bytes, client_mac, 6);
	assert_unknown(&client);
	/* An RST is never answered. */
	client.port++;
	client_segment(&client, ACK | RST, NULL, &segment);
	nobody(&segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
}

/* The client's first data was lost, and its SYN-ACK came twice. */
static void its_first_data_is_to_come(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		struct client client = CLIENT;
		struct frame segment, in, out;

		client.six = form & 1;
		client.timestamps = !(form & 2);
		client.port += form;
		client_connect(&client, NULL);
		client.seq += sizeof(GET) - 1;
		client_segment(&client, ACK, NULL, &segment);
		nobody(&segment, &in);
		assert_int_equal(front_run(&in, &out), XDP_DROP);
		assert_unknown(&client);
	}
}

/* 1 if by chance the client's acknowledgement looks like a SYN-ACK's now, or could soon. */
static int looks_new(const struct client *client)
{
	struct tcp_options seen = {.seen = client->timestamps ? TCP_OPTION_TIMESTAMPS : 0};
	struct siphash_key keys[2];
	struct flow_key key = client_key(client);

	memcpy(keys, cluster_now_is.cookie_keys, sizeof(keys));
	for (int slot = 0; slot < 2; slot++)
		if (cookie_tagged(&key, client->ack - 1, &seen, keys, 0, 1,
				  cluster_ns() + slot * COOKIE_SLOT_S * 1000000000ull))
			return 1;
	return 0;
}

/* It has got something, and says nothing but that: who sent it is gone, with the front. */
static void in_the_middle_of_a_download(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		struct client client = stranger(50030 + form);
		struct frame segment, in, out;
		struct tcp_segment reset;

		client.six = form & 1;
		client.timestamps = !(form & 2);
		while (looks_new(&client))
			client.ack += 100;
		client_segment(&client, ACK, NULL, &segment);
		nobody(&segment, &in);
		assert_int_equal(front_run(&in, &out), XDP_TX);
		run_read_tcp(&out, &reset);
		assert_int_equal(reset.flags, RST);
		assert_int_equal(reset.seq, client.ack);
	}
}

static void first_data_older_than_the_table(void **state)
{
	struct client client = CLIENT;
	struct baton_header header;
	struct frame segment, in, out, inner;

	(void)state;
	client_connect(&client, NULL);
	/* The SYN-ACK is a second older than the table: of another front, which may have handed
	 * the connection over. */
	client.tsecr -= 1024;
	client_segment(&client, ACK | PSH, GET, &segment);
	nobody(&segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	header = wrapped_read(&out, out.bytes[5], &inner);
	assert_int_equal(header.type, BATON_HANDOFF);
	assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST);
	assert_int_equal(front_flow(&client).first_seq, client.seq);
}

/* The RETURN went down with the last front: who let go is asked once more. */
static void a_lost_return(void **state)
{
	struct client client = stranger(50003);
	struct baton_header asked, said;
	struct frame segment, in, out, inner;
	unsigned int node, left = 0, next;
	const struct frame *now = &segment;

	(void)state;
	client_segment(&client, ACK | PSH, GET, &segment);
	for (int i = 0; i < NODES; i++) {
		asked = question(now, &segment, &node);
		said = (struct baton_header){
			.type = BATON_HAS_NOT, .sender = asked.node, .load = asked.load};
		if (i == 1) {
			left = node;
			said.generation = htonl(900);
			said.node = htons(node % NODES + 1);
		}
		message_make(said, &segment, &in);
		now = &in;
	}
	asked = question(&in, &segment, &node);
	assert_int_equal(node, left);
	assert_int_equal(ntohs(asked.flags), BATON_FLAG_REPEAT);
	assert_int_equal(ntohl(asked.generation), 900);
	next = left % NODES + 1;
	said = (struct baton_header){.type = BATON_RETURN,
				     .sender = htons(left),
				     .node = htons(next),
				     .load = asked.load,
				     .seq = htonl(client.seq),
				     .ack = htonl(client.ack),
				     .mss = htons(1460)};
	/* Not the generation that it was asked for. */
	said.generation = htonl(901);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NO_FLOW);
	said.generation = htonl(900);
	message_make(said, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	said = wrapped_read(&out, next, &inner);
	assert_int_equal(said.type, BATON_HANDOFF);
	assert_int_equal(ntohl(said.generation), 901);
	assert_int_equal(front_flow(&client).owner.node, next);
}

/* Its kernel doesn't know yet where a node is that may have the flow: the client tries again. */
static void one_cannot_be_asked(void **state)
{
	struct client client = stranger(50040);
	struct baton_header asked;
	struct frame segment, in, out;
	unsigned int node;

	(void)state;
	front_node_at(2, NODE_UP, false);
	client_segment(&client, ACK | PSH, GET, &segment);
	asked = question(&segment, &segment, &node);
	answer(&asked, BATON_HAS_NOT, &segment, &in);
	asked = question(&in, &segment, &node);
	answer(&asked, BATON_HAS_NOT, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_UNREACHABLE);
	/* None of them. */
	front_node_at(1, NODE_UP, false);
	front_node_at(3, NODE_UP, false);
	assert_dropped(&segment, FRONT_COUNT_UNREACHABLE);
	/* Not one that counts as down. */
	for (__u32 id = 1; id <= NODES; id++)
		front_node_at(id, NODE_DOWN, false);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
}

static void not_for_everybody(void **state)
{
	struct client client = stranger(50010);
	unsigned int node;
	struct frame segment;

	(void)state;
	/* One source may ask for so much, and no more; another one still may. */
	cluster_now_is.ask_per_source = 0;
	front_cluster();
	client_segment(&client, ACK, NULL, &segment);
	question(&segment, &segment, &node); /* makes the source known */
	client.port++;
	client_segment(&client, ACK, NULL, &segment);
	assert_dropped(&segment, FRONT_COUNT_ASKED_LIMITED);
	client.six = true;
	client_segment(&client, ACK, NULL, &segment);
	question(&segment, &segment, &node);
	/* All together. */
	cluster_now_is.ask_per_tick = 0;
	front_cluster();
	client.port++;
	client_segment(&client, ACK, NULL, &segment);
	assert_dropped(&segment, FRONT_COUNT_COOKIES_BAD);
	/* A table older than any flow. */
	cluster_now_is.ask_per_tick = 1000;
	cluster_now_is.began_ns = cluster_ns() - 3601ull * 1000000000;
	front_cluster();
	assert_dropped(&segment, FRONT_COUNT_COOKIES_BAD);
	cluster_now_is.ask_always = 1;
	cluster_now_is.ask_per_source = 1000;
	front_cluster();
	question(&segment, &segment, &node);
}

static void answers_to_nothing(void **state)
{
	struct client client = stranger(50020);
	struct baton_header asked, said;
	struct frame segment, in;
	unsigned int node;

	(void)state;
	client_segment(&client, ACK, NULL, &segment);
	asked = question(&segment, &segment, &node);
	said = (struct baton_header){
		.type = BATON_CONFIRM, .sender = asked.node, .generation = htonl(7)};
	said.load = htonl(ntohl(asked.load) + 1);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NO_FLOW);
	said.type = BATON_HAS_NOT;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_STALE);
	said.load = asked.load;
	said.sender = htons(node % NODES + 1);
	said.type = BATON_CONFIRM;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NO_FLOW);
	said.sender = asked.node;
	said.type = BATON_RETURN;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NO_FLOW);
	assert_unknown(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_holder_is_found, young),
		cmocka_unit_test_setup(nobody_has_it, young),
		cmocka_unit_test_setup(its_first_data_is_to_come, young),
		cmocka_unit_test_setup(in_the_middle_of_a_download, young),
		cmocka_unit_test_setup(first_data_older_than_the_table, young),
		cmocka_unit_test_setup(a_lost_return, young),
		cmocka_unit_test_setup(one_cannot_be_asked, young),
		cmocka_unit_test_setup(not_for_everybody, young),
		cmocka_unit_test_setup(answers_to_nothing, young),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

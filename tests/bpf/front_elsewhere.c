/* What other fronts have done with flows that this front knows, or thinks to know. Needs root. */
#include "front_asked.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* Two fronts, of which this is the first; its table is old. */
static int one_of_two(void **state)
{
	young(state);
	cluster_now_is.began_ns = cluster_ns() - 7200ull * 1000000000;
	cluster_now_is.ask_always = 1;
	cluster_now_is.front_count = 2;
	front_cluster();
	return 0;
}

/* A connection whose owner has answered; which node that is. */
static unsigned int served(struct client *client)
{
	unsigned int owner = ntohs(client_request(client, GET).node);
	struct frame segment, out;

	client->ack += 100;
	client_segment(client, ACK, NULL, &segment);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	assert_int_equal(out.bytes[5], owner);
	return owner;
}

/* What the owner of a flow says of it, in its present generation. */
static struct baton_header word(const struct client *client, enum baton_type type)
{
	struct front_flow flow = front_flow(client);

	return (struct baton_header){.type = type,
				     .sender = htons(flow.owner.node),
				     .generation = htonl(flow.owner.generation),
				     .mss = htons(1460)};
}

/* The node that is asked says that it has the flow; the front goes by that. */
static void found(struct client *client, const struct frame *segment, __u32 generation)
{
	struct baton_header asked, said;
	struct frame in, out;
	unsigned int node;

	asked = question(segment, segment, &node);
	said = (struct baton_header){.type = BATON_CONFIRM,
				     .sender = asked.node,
				     .load = asked.load,
				     .generation = htonl(generation),
				     .seq = htonl(client->seq),
				     .ack = htonl(client->ack),
				     .mss = htons(1460)};
	message_make(said, segment, &in);
	assert_dropped(&in, FRONT_COUNT_ASKED_FOUND);
	assert_int_equal(front_flow(client).owner.node, node);
	assert_int_equal(front_flow(client).owner.generation, generation);
	assert_int_equal(front_flow(client).owner.state, FRONT_OPEN);
	assert_int_equal(front_run(segment, &out), XDP_TX);
	assert_int_equal(out.bytes[5], node);
	assert_int_equal(out.length, segment->length);
}

static void first_data_of_another_fronts_connection(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out, inner;
	struct baton_header asked;
	unsigned int node;

	(void)state;
	client_connect(&client, NULL);
	/* The other one's cookie: it may have handed this very segment over. */
	client.ack = ((client.ack - 1) ^ COOKIE_FRONT(1)) + 1;
	client_segment(&client, ACK | PSH, GET, &segment);
	asked = question(&segment, &segment, &node);
	for (int i = 1; i < NODES; i++) {
		answer(&asked, BATON_HAS_NOT, &segment, &in);
		asked = question(&in, &segment, &node);
	}
	answer(&asked, BATON_HAS_NOT, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(wrapped_read(&out, out.bytes[5], &inner).type, BATON_HANDOFF);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_SPLIT), 0);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_NOT_HTTP), 0);
	/* There is no third one. */
	client.port++;
	client.seq--;
	client_connect(&client, NULL);
	client.ack = ((client.ack - 1) ^ COOKIE_FRONT(2)) + 1;
	client_segment(&client, ACK, NULL, &segment);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	assert_int_equal(wrapped_read(&out, out.bytes[5], &inner).type, BATON_WHO_HAS);
}

static void a_flow_that_has_moved_on(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out;
	struct baton_header said;
	struct front_owner owner;

	(void)state;
	served(&client);
	owner = front_flow(&client).owner;
	client_segment(&client, ACK | PSH, GET, &segment);
	/* A word from before this front handed the flow over is none. */
	said = word(&client, BATON_ASTRAY);
	said.flags = htons(BATON_FLAG_ELSEWHERE);
	said.generation = htonl(owner.generation - 1);
	message_make(said, &segment, &in);
	front_run(&in, &out);
	assert_int_equal(front_count(FRONT_COUNT_OUTDATED), 0);
}

static void an_outdated_entry_is_replaced(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in;
	struct baton_header said;
	__u32 generation;

	(void)state;
	served(&client);
	generation = front_flow(&client).owner.generation;
	client_segment(&client, ACK | PSH, GET, &segment);
	said = word(&client, BATON_ASTRAY);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_ASTRAY_DROPPED);
	assert_int_equal(front_flow(&client).owner.state, FRONT_OPEN);
	said.flags = htons(BATON_FLAG_ELSEWHERE);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_OUTDATED);
	found(&client, &segment, generation + 2);
}

static void a_port_that_another_front_saw_again(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out;
	struct baton_header said;
	unsigned int node;

	(void)state;
	served(&client);
	said = word(&client, BATON_RELEASE);
	client_segment(&client, ACK, NULL, &segment);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_RELEASES);
	front_age(&client, 10000);
	client.seq += 1 << 30;
	client.ack += 1 << 30;
	client_segment(&client, ACK | PSH, "data", &segment);
	found(&client, &segment, front_flow(&client).owner.generation + 5);
	/* And of an open one, when the segment is far from it. */
	client.seq += 1 << 30;
	client.ack += 1 << 30;
	client_segment(&client, ACK | PSH, "data", &segment);
	question(&segment, &segment, &node);
	/* A front that is alone has nobody to ask. */
	one_of_two(NULL);
	cluster_now_is.ask_always = 0;
	front_cluster();
	client.port++;
	served(&client);
	said = word(&client, BATON_RELEASE);
	client_segment(&client, ACK, NULL, &segment);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_RELEASES);
	front_age(&client, 10000);
	client.seq += 1 << 30;
	client.ack += 1 << 30;
	client_segment(&client, ACK | PSH, "data", &segment);
	assert_dropped(&segment, FRONT_COUNT_REPLAYS);
	assert_int_equal(front_run(&segment, &out), XDP_DROP);
}

static void a_dead_node_may_have_been_left(void **state)
{
	struct client client = CLIENT;
	struct tcp_segment reset;
	struct frame segment, in, out;
	struct baton_header asked;
	unsigned int owner, node;

	(void)state;
	client.port = 50300; /* not one of which the nodes are just asked */
	owner = served(&client);
	front_node(owner, NODE_DOWN);
	client_segment(&client, ACK | PSH, GET, &segment);
	asked = question(&segment, &segment, &node);
	assert_int_not_equal(node, owner);
	for (int i = 2; i < NODES; i++) {
		answer(&asked, BATON_HAS_NOT, &segment, &in);
		asked = question(&in, &segment, &node);
		assert_int_not_equal(node, owner);
	}
	answer(&asked, BATON_HAS_NOT, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &reset);
	assert_int_equal(reset.flags, RST);
	assert_int_equal(reset.seq, client.ack);
}

#define T(name) cmocka_unit_test_setup(name, one_of_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(first_data_of_another_fronts_connection), T(a_flow_that_has_moved_on),
		T(an_outdated_entry_is_replaced),	    T(a_port_that_another_front_saw_again),
		T(a_dead_node_may_have_been_left),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

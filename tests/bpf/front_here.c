/* A front on a node's own host (`place: dns`): what goes up to that node instead of out, and what
 * comes from it. Needs root. */
#include "front.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

static __u32 own; /* the node that GET belongs to, and which is this host */

static void settle(void)
{
	struct client client = CLIENT;
	struct baton_header header = client_request(&client, GET);
	struct node_entry here = {
		.address = run_address("10.77.0.2"), .state = NODE_UP, .reachable = HOP_HERE};

	own = ntohs(header.node);
	memcpy(here.mac, front_mac, 6);
	front_map_set(front->maps.nodes, &own, &here);
	cluster_now_is.on_node = 1;
	front_cluster();
}

static void own_node_s_segments_go_up(bool six)
{
	struct client client = CLIENT;
	const struct baton_header *header;
	struct frame in, out;

	client.six = six;
	client.port++;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	assert_int_equal(out.length, in.length + BATON_OVERHEAD_IPV4);
	assert_memory_equal(out.bytes, front_mac, 6);
	assert_int_equal(run_get32(out.bytes + 30), 0x0a4d0002);
	header = (const struct baton_header *)(out.bytes + 14 + 28);
	assert_int_equal(header->type, BATON_HANDOFF);
	assert_int_equal(header->node, htons(own));
	/* Once the client has heard: as they came. */
	client.seq += strlen(GET);
	client.ack++;
	client_segment(&client, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	assert_int_equal(out.length, in.length);
	assert_memory_equal(out.bytes + 12, in.bytes + 12, in.length - 12);
}

static void to_own_node(void **state)
{
	(void)state;
	settle();
	each_family(own_node_s_segments_go_up);
}

/* A handoff, as another front would send it here. */
static void handoff_to_here(struct frame *frame)
{
	struct client client = CLIENT;
	struct frame in;

	client.port += 2;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, frame), XDP_TX);
	memcpy(frame->bytes, front_mac, 6);
	memcpy(frame->bytes + 6, client_mac, 6);
	run_put32(frame->bytes + 30, 0x0a4d0002);
}

static void headers_for_nodes_go_up(void **state)
{
	static const __u8 up[] = {BATON_HANDOFF, BATON_WHO_HAS, BATON_ANSWER};
	struct frame frame, out;

	(void)state;
	handoff_to_here(&frame);
	/* A front that has its host to itself has no use for it. */
	assert_dropped(&frame, FRONT_COUNT_BAD_HEADER);
	settle();
	for (unsigned int i = 0; i < sizeof(up); i++) {
		frame.bytes[14 + 28 + 3] = up[i];
		if (up[i] == BATON_ANSWER) /* with a handoff's flags it is one to a front */
			run_put16(frame.bytes + 14 + 28 + offsetof(struct baton_header, flags), 0);
		assert_int_equal(front_run(&frame, &out), XDP_PASS);
		assert_int_equal(out.length, frame.length);
		assert_memory_equal(out.bytes, frame.bytes, frame.length);
	}
	/* What is for the front is looked at: here the MAC isn't right any more. */
	frame.bytes[14 + 28 + 3] = BATON_RETURN;
	assert_dropped(&frame, FRONT_COUNT_BAD_MAC);
}

static void own_frames_go_up(void **state)
{
	struct client client = CLIENT;
	struct frame in, out;

	(void)state;
	settle();
	/* Of a client it would not come up. */
	client.port += 3;
	client_segment(&client, ACK | PSH, "not a flow", &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
	memcpy(in.bytes + 6, front_mac, 6);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	assert_memory_equal(out.bytes, in.bytes, in.length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(to_own_node, front_reset),
		cmocka_unit_test_setup(headers_for_nodes_go_up, front_reset),
		cmocka_unit_test_setup(own_frames_go_up, front_reset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

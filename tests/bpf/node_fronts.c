/* A node between two fronts: each hears what concerns it. Needs root. */
#include "node.h"

static const unsigned char second_mac[6] = {2, 0, 0, 0, 9, 9};

static int two_fronts(void **state)
{
	struct cluster cluster;
	uint32_t at = 0;
	int error = set_up(state);

	if (error || skipped)
		return error;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(node->maps.cluster), &at, &cluster), 0);
	cluster.fronts[1] = cluster.fronts[0];
	memcpy(cluster.fronts[1].mac, second_mac, 6);
	put(node->maps.cluster, &at, &cluster);
	return 0;
}

/* The frame must come out as the node's word that the flow isn't here, to the front with `mac`. */
static void astray(const struct frame *in, const unsigned char *mac, uint16_t flags,
		   uint32_t generation)
{
	struct frame out;
	struct seen seen;

	assert_int_equal(verdict(node->progs.node_in, in, &out), TC_ACT_REDIRECT);
	frame_read(&out, key, &seen);
	assert_true(seen.wrapped && seen.mac_good);
	assert_int_equal(seen.header.type, BATON_ASTRAY);
	assert_int_equal(ntohs(seen.header.flags), flags);
	assert_int_equal(ntohl(seen.header.generation), generation);
	assert_memory_equal(out.bytes, mac, 6);
}

static void who_sent_it_is_told(void **state)
{
	struct flow flow = flow_new(false);
	struct frame frame;

	(void)state;
	ROOT_ONLY();
	segment(&flow, &frame, TCP_PSH, REQUEST);
	astray(&frame, wire.peer_mac, 0, 0);
	memcpy(frame.bytes + 6, second_mac, 6);
	astray(&frame, second_mac, 0, 0);
	/* Through a router. */
	memset(frame.bytes + 6, 7, 6);
	astray(&frame, wire.peer_mac, 0, 0);
}

/* A front whose handoffs another one's have overtaken. */
static void a_front_that_has_slept(void **state)
{
	struct flow flow = flow_new(true), before = flow;
	struct baton_header header;
	struct frame frame;
	struct held held;
	int fd;

	(void)state;
	ROOT_ONLY();
	before.generation -= 2;
	header = handoff_header(&flow);
	header.sender = htons(BATON_FRONT(1));
	segment(&flow, &frame, TCP_PSH, REQUEST);
	frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);
	assert_int_equal(wire_send(&wire, &frame), 0);
	fd = accept_now(&flow, WIRE_WAIT_MS);
	assert_true(fd >= 0);
	expect_request(fd, REQUEST);
	assert_true(flow_held(&flow, &held));
	assert_int_equal(held.front, 1);
	before.seq += strlen(REQUEST);
	header = handoff_header(&before);
	header.flags = 0;
	segment(&before, &frame, TCP_PSH, REQUEST);
	frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);
	astray(&frame, wire.peer_mac, BATON_FLAG_ELSEWHERE, flow.generation);
	/* The same from the one that handed over last is only late. */
	header.sender = htons(BATON_FRONT(1));
	segment(&before, &frame, TCP_PSH, REQUEST);
	frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);
	assert_dropped(&frame, STALE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_sent_it_is_told),
		cmocka_unit_test(a_front_that_has_slept),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, two_fronts, tear_down);
}

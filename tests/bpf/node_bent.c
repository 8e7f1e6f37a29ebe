/* The node under frames that are bent at random, the same every time: no segment of a flow that
 * isn't here reaches the stack or leaves it, however it is made, and none makes the node remember
 * it. */
#include "node.h"

#include "base/random.h"

enum { ROUNDS = 6000 };

static struct random_state chance;

/* A segment of either family, its TCP header behind the ports and its payload bent; now and then it
 * is cut, too. */
static void some_segment(const struct tcp_words *words, struct frame *frame)
{
	uint32_t from = 14 + (strchr(words->from, ':') ? 40 : 20) + 4;

	frame_tcp(&wire, frame, words);
	for (int n = random_below(&chance, 5); n > 0; n--)
		frame->bytes[from + random_below(&chance, frame->length - from)] ^=
			1 + random_below(&chance, 255);
	if (!random_below(&chance, 8))
		frame->length = from + random_below(&chance, frame->length - from);
}

/* A TCP header that is not there, or longer than the packet: the kernel's TCP drops it without an
 * answer, so the node may leave that to it. */
static bool unreadable(const struct frame *frame, bool six)
{
	uint32_t tcp = 14 + (six ? 40 : 20), header;

	if (frame->length < tcp + 20)
		return true;
	header = (frame->bytes[tcp + 12] >> 4) * 4;
	return header < 20 || tcp + header > frame->length;
}

static struct tcp_words some_words(const struct flow *flow)
{
	static const uint8_t flags[] = {TCP_SYN,	   TCP_ACK, TCP_ACK | TCP_PSH,
					TCP_FIN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK};
	struct tcp_words words = {
		.from = flow->six ? CLIENT6 : CLIENT4,
		.to = flow->six ? VIP6 : VIP4,
		.from_port = flow->port,
		.to_port = 80,
		.seq = random_next(&chance),
		.ack = random_next(&chance),
		.flags = flags[random_below(&chance, sizeof(flags))],
		.stamped = random_below(&chance, 2),
		.payload = random_below(&chance, 2) ? REQUEST : NULL,
	};

	return words;
}

/* Dropped, or sent to the front under a header with a good MAC to be told whose it is. */
static void test_strangers_in(void **state)
{
	ROOT_ONLY();
	random_seed(&chance, 20261121);
	for (int round = 0; round < ROUNDS; round++) {
		struct flow flow = flow_new(round & 1);
		struct tcp_words words = some_words(&flow);
		struct frame frame, out;
		struct seen seen;
		int answer;

		some_segment(&words, &frame);
		answer = verdict(node->progs.node_in, &frame, &out);
		if (answer == TC_ACT_REDIRECT) {
			frame_read(&out, key, &seen);
			assert_true(seen.wrapped && seen.mac_good);
			assert_int_equal(seen.header.type, BATON_ASTRAY);
		} else if (!unreadable(&frame, flow.six)) {
			assert_int_equal(answer, TC_ACT_SHOT);
		}
		assert_int_equal(flow_state(&flow), 0);
	}
	(void)state;
}

/* A socket whose flow isn't here says nothing. */
static void test_strangers_out(void **state)
{
	ROOT_ONLY();
	random_seed(&chance, 20261122);
	for (int round = 0; round < ROUNDS; round++) {
		struct flow flow = flow_new(round & 1);
		struct tcp_words words = some_words(&flow);
		const char *from = words.from;
		struct frame frame;

		words.from = words.to;
		words.to = from;
		words.to_port = words.from_port;
		words.from_port = 80;
		some_segment(&words, &frame);
		if (!unreadable(&frame, flow.six))
			assert_int_equal(verdict(node->progs.node_out, &frame, NULL), TC_ACT_SHOT);
		assert_int_equal(flow_state(&flow), 0);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers_in),
		cmocka_unit_test(test_strangers_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

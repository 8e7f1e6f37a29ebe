/* The front under frames that are bent at random, the same every time: whatever comes, what it says
 * is well-formed, what it remembers is only what a good cookie or a good MAC said. Needs root. */
#include "front.h"

#include "base/random.h"

#define GET "GET /a/b.html?x=1 HTTP/1.1\r\nHost: www.example.org\r\n\r\n"

enum { ROUNDS = 6000, HEADER_AT = 14 + 20 + 8 };

static struct random_state chance;

/* Good checksums for what is bent, if it still has the lengths it had. */
static void mend(struct frame *frame, bool six)
{
	unsigned int header = six ? 40 : 20, length = frame->length - 14 - header;
	unsigned char *ip = frame->bytes + 14, *tcp = ip + header;

	if (!six) {
		run_put16(ip + 10, 0);
		run_put16(ip + 10, ~run_sum(ip, 20, 0) & 0xffff);
	}
	run_put16(tcp + 16, 0);
	run_put16(tcp + 16, ~run_sum(tcp, length, run_pseudo(ip, IPPROTO_TCP, length)) & 0xffff);
}

/* Changes one to four bytes from `from` on. */
static void bend(struct frame *frame, unsigned int from)
{
	for (int n = 1 + random_below(&chance, 4); n > 0; n--) {
		unsigned char *at =
			frame->bytes + from + random_below(&chance, frame->length - from);

		if (random_below(&chance, 2))
			*at ^= 1 << random_below(&chance, 8);
		else
			*at = random_next(&chance);
	}
}

/* A segment as one client of either family would send it, at some point of a connection's life. */
static void some_segment(struct client *client, struct frame *frame)
{
	static const unsigned int flags[] = {SYN,	ACK, ACK | PSH, ACK | PSH,
					     FIN | ACK, RST, RST | ACK};
	unsigned int which = random_below(&chance, sizeof(flags) / sizeof(flags[0]));

	client_segment(client, flags[which], flags[which] & PSH ? GET : NULL, frame);
}

static void run_bent(const struct frame *in, struct frame *out)
{
	struct tcp_segment said;
	int verdict = front_run(in, out);

	if (verdict != XDP_TX) {
		assert_true(verdict == XDP_DROP || verdict == XDP_PASS);
		return;
	}
	assert_memory_equal(out->bytes + 6, front_mac, 6);
	if (!memcmp(out->bytes, client_mac, 6)) {
		/* An answer: whole, with good checksums, and without data. */
		run_read_tcp(out, &said);
		assert_int_equal(said.length, 0);
		return;
	}
	/* To a node: as it came, or under a Baton header that adds no more than that. */
	assert_memory_equal(out->bytes, "\2\0\0\0\1", 5);
	assert_in_range(out->bytes[5], 1, NODES);
	assert_true(out->length <= in->length + BATON_OVERHEAD_IPV6);
	if (out->length == in->length && run_get16(in->bytes + 12) == run_get16(out->bytes + 12))
		assert_memory_equal(out->bytes + 14, in->bytes + 14, in->length - 14);
}

static unsigned int flow_count(void)
{
	struct flow_key key, *last = NULL;
	unsigned int count = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(front->maps.flows), last, &key)) {
		last = &key;
		count++;
	}
	return count;
}

/* Without a cookie nothing is remembered. A guess is right once in millions of times: one is let
 * pass, since the cookies of each run are new. */
static void strangers(void **state)
{
	__u64 handoffs = front_count(FRONT_COUNT_HANDOFFS_FIRST);

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct client client = CLIENT;
		struct frame in, out;

		client.six = round & 1;
		client.port += random_below(&chance, 1000);
		client.timestamps = random_below(&chance, 4);
		client.seq = random_next(&chance);
		client.ack = random_next(&chance);
		client.tsecr = random_next(&chance);
		some_segment(&client, &in);
		bend(&in, 12);
		if (random_below(&chance, 2))
			mend(&in, client.six);
		if (!random_below(&chance, 8))
			in.length = 14 + random_below(&chance, in.length - 13);
		run_bent(&in, &out);
	}
	handoffs = front_count(FRONT_COUNT_HANDOFFS_FIRST) - handoffs;
	assert_int_equal(flow_count(), handoffs);
	assert_in_range(handoffs, 0, 1);
}

/* Nothing without a MAC changes who has a flow. */
static void living_flow(void **state)
{
	struct client clients[2] = {CLIENT, CLIENT};
	struct front_flow flows[2];

	(void)state;
	for (int six = 0; six < 2; six++) {
		clients[six].six = six;
		client_request(&clients[six], GET);
		flows[six] = front_flow(&clients[six]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct client *client = &clients[round & 1], bent = *client;
		struct frame in, out;
		struct front_flow now;

		bent.seq += random_below(&chance, 3) ? 0 : random_next(&chance);
		bent.ack += random_below(&chance, 3) ? 0 : random_next(&chance);
		some_segment(&bent, &in);
		if (random_below(&chance, 8))
			bend(&in, 12);
		if (random_below(&chance, 2))
			mend(&in, client->six);
		run_bent(&in, &out);
		now = front_flow(client);
		assert_int_equal(now.owner.node, flows[round & 1].owner.node);
		assert_int_equal(now.owner.generation, flows[round & 1].owner.generation);
		assert_int_equal(now.first_seq, flows[round & 1].first_seq);
		assert_int_equal(now.first_ack, flows[round & 1].first_ack);
	}
}

/* A node's message with any bit changed under its MAC is nothing, whatever its type. */
static void messages(void **state)
{
	struct client client = CLIENT;
	struct front_flow before, after;
	struct frame segment;
	unsigned int owner;

	(void)state;
	owner = ntohs(client_request(&client, GET).node);
	client_segment(&client, ACK | PSH, GET, &segment);
	before = front_flow(&client);
	for (int round = 0; round < ROUNDS; round++) {
		struct baton_header said = {
			.type = BATON_HANDOFF + random_below(&chance, 8),
			.node = htons(1 + random_below(&chance, NODES)),
			.sender = htons(owner),
			.generation = htonl(before.owner.generation),
			.seq = htonl(client.seq),
			.ack = htonl(client.ack),
		};
		struct frame in, original, out;

		message_make(said, &segment, &in);
		original = in;
		while (!memcmp(original.bytes + HEADER_AT, in.bytes + HEADER_AT,
			       in.length - HEADER_AT))
			bend(&in, HEADER_AT);
		assert_int_not_equal(front_run(&in, &out), XDP_TX);
		after = front_flow(&client);
		assert_memory_equal(&after, &before, sizeof(before));
	}
	/* Unbent it is something. */
	struct baton_header said = {
		.type = BATON_RETURN,
		.node = htons(owner % NODES + 1),
		.sender = htons(owner),
		.generation = htonl(before.owner.generation),
		.seq = htonl(client.seq),
		.ack = htonl(client.ack),
	};
	struct frame in, out;

	message_make(said, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(front_flow(&client).owner.node, owner % NODES + 1);
}

static int reset(void **state)
{
	random_seed(&chance, 20261121);
	return front_reset(state);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(strangers, reset),
	cmocka_unit_test_setup(living_flow, reset),
	cmocka_unit_test_setup(messages, reset),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

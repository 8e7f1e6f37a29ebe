/* The front towards nodes: what they may tell it, and everything it does not believe. Needs root.
 */
#include "front.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* A message about the flow, as its owner or another node would send it. */
static struct baton_header message(const struct client *client, enum baton_type type,
				   unsigned int sender)
{
	struct front_flow flow = front_flow(client);

	return (struct baton_header){
		.type = type,
		.sender = htons(sender),
		.generation = htonl(flow.owner.generation),
		.seq = htonl(client->seq),
		.ack = htonl(client->ack),
		.ts_clock = htonl(777777),
		.srtt = htonl(1234),
		.cwnd = htons(40),
		.reason = PLACE_REASON_POLICY,
	};
}

static unsigned int another(unsigned int node)
{
	return node % NODES + 1;
}

/* A connection that has asked once and heard the answer. */
static unsigned int served(struct client *client)
{
	unsigned int owner = ntohs(client_request(client, GET).node);
	struct frame in, out;

	client->ack += 100;
	client_segment(client, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(out.length, in.length);
	return owner;
}

static struct baton_header handed_on(const struct frame *in, unsigned int node,
				     const struct frame *segment)
{
	struct frame out, inner;
	struct baton_header header;

	assert_int_equal(front_run(in, &out), XDP_TX);
	header = wrapped_read(&out, node, &inner);
	assert_int_equal(header.type, BATON_HANDOFF);
	assert_int_equal(ntohs(header.node), node);
	assert_int_equal(inner.length, segment->length - 14);
	assert_memory_equal(inner.bytes, segment->bytes + 14, inner.length);
	return header;
}

static void return_once(bool six)
{
	struct client client = CLIENT;
	struct baton_header said, header;
	struct frame segment, in, out;
	unsigned int owner, next;

	client.six = six;
	owner = served(&client);
	next = another(owner);
	client_segment(&client, ACK | PSH, GET, &segment);
	said = message(&client, BATON_RETURN, owner);
	said.node = htons(next);
	message_make(said, &segment, &in);
	header = handed_on(&in, next, &segment);
	assert_int_equal(ntohl(header.generation), ntohl(said.generation) + 1);
	assert_int_equal(header.seq, said.seq);
	assert_int_equal(header.ack, said.ack);
	assert_int_equal(header.ts_clock, said.ts_clock);
	assert_int_equal(header.srtt, said.srtt);
	assert_int_equal(header.cwnd, said.cwnd);
	assert_int_equal(ntohs(header.mss), 1460);
	assert_int_equal(header.snd_wscale, client.wscale_value);
	assert_int_equal(header.options,
			 BATON_OPTION_SACK | BATON_OPTION_TIMESTAMPS | BATON_OPTION_WSCALE);
	assert_int_equal(ntohs(header.flags), 0); /* not the first one */
	/* The same once more, late: the flow has moved on. */
	assert_dropped(&in, FRONT_COUNT_STALE);
	/* The client's next segments go to the new owner, wrapped until it has spoken. */
	assert_int_equal(handed_on(&segment, next, &segment).generation, header.generation);
	client.seq += strlen(GET);
	client.ack += 1;
	client_segment(&client, ACK, NULL, &segment);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	assert_int_equal(out.length, segment.length);
	assert_int_equal(out.bytes[5], next);
}

static void a_return_names_the_next_owner(void **state)
{
	(void)state;
	return_once(false);
	return_once(true);
}

static void the_front_chooses(void **state)
{
	struct client client = CLIENT;
	struct baton_header said;
	struct frame segment, in;
	unsigned int owner, gone;

	(void)state;
	owner = served(&client);
	client_segment(&client, ACK | PSH, GET, &segment);
	/* No node named: placed here, by the same policy as the first time. */
	said = message(&client, BATON_RETURN, owner);
	message_make(said, &segment, &in);
	assert_int_equal(ntohl(handed_on(&in, owner, &segment).generation),
			 ntohl(said.generation) + 1);
	/* The node named is down. */
	gone = another(owner);
	front_node(gone, NODE_DOWN);
	said = message(&client, BATON_RETURN, owner);
	said.node = htons(gone);
	message_make(said, &segment, &in);
	handed_on(&in, owner, &segment);
	/* Nobody is up: back to the sender, which was up a moment ago. */
	front_pool(false);
	said = message(&client, BATON_RETURN, owner);
	said.node = htons(gone);
	message_make(said, &segment, &in);
	assert_int_equal(handed_on(&in, owner, &segment).reason, PLACE_REASON_STAY);
}

/* A question of the owner's: the same segment comes back under the answer, the flow stays whose it
 * is, and what the asker says of its load counts at once. */
static void a_question_is_answered(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out, inner;
	struct baton_header said, header;
	struct place_load *load;
	unsigned int owner;
	__u64 charged;

	(void)state;
	front_pool_of(PLACE_LARD, 0);
	owner = served(&client);
	load = &kernel_world->loads[owner];
	charged = load->charged;
	client_segment(&client, ACK | PSH, GET, &segment);
	said = message(&client, BATON_ASK, owner);
	said.ts_clock = htonl((__u32)charged); /* all that it was charged with is there */
	said.load = htonl(3 << 16);
	message_make(said, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	header = wrapped_read(&out, owner, &inner);
	assert_int_equal(header.type, BATON_ANSWER);
	assert_int_equal(ntohs(header.node), owner);
	assert_int_equal(header.reason, PLACE_REASON_HIT);
	assert_int_equal(header.generation, said.generation);
	assert_int_equal(header.seq, said.seq);
	assert_memory_equal(inner.bytes, segment.bytes + 14, inner.length);
	assert_int_equal(front_flow(&client).owner.generation, ntohl(said.generation));
	assert_int_equal(front_flow(&client).owner.node, owner);
	assert_int_equal(place_node_load(owner), 3 + 1);
	/* Words that come late say nothing. */
	said.ts_clock = htonl((__u32)charged - 1);
	said.load = htonl(50 << 16);
	message_make(said, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(place_node_load(owner), 3 + 2);
	/* So full that the target goes elsewhere. */
	said.ts_clock = htonl((__u32)charged + 2);
	said.load = htonl(130 << 16);
	message_make(said, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	header = wrapped_read(&out, owner, &inner);
	assert_int_not_equal(ntohs(header.node), owner);
	assert_int_equal(header.reason, PLACE_REASON_OVERLOAD);
	assert_int_equal(front_flow(&client).owner.node, owner);
	/* Who isn't the owner is not answered. */
	said.sender = htons(another(owner));
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_STALE);
}

static void only_the_owner_is_believed(void **state)
{
	static const enum baton_type types[] = {BATON_RETURN, BATON_CONFIRM, BATON_RELEASE,
						BATON_ASK};
	struct client client = CLIENT;
	struct front_flow before, after;
	struct baton_header said;
	struct frame segment, in;
	unsigned int owner;

	(void)state;
	owner = ntohs(client_request(&client, GET).node);
	client_segment(&client, ACK | PSH, GET, &segment);
	before = front_flow(&client);
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		said = message(&client, types[i], another(owner));
		said.node = htons(owner);
		message_make(said, &segment, &in);
		assert_dropped(&in, FRONT_COUNT_STALE);
		/* The owner, of an earlier and of a later generation. */
		said = message(&client, types[i], owner);
		said.node = htons(another(owner));
		said.generation = htonl(before.owner.generation - 1);
		message_make(said, &segment, &in);
		assert_dropped(&in, FRONT_COUNT_STALE);
		said.generation = htonl(before.owner.generation + 1);
		message_make(said, &segment, &in);
		assert_dropped(&in, FRONT_COUNT_STALE);
	}
	after = front_flow(&client);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void forged_and_old_headers(void **state)
{
	struct client client = CLIENT;
	struct frame segment, good, in;
	struct baton_header said;
	unsigned int owner;

	(void)state;
	owner = served(&client);
	client_segment(&client, ACK | PSH, GET, &segment);
	said = message(&client, BATON_RETURN, owner);
	said.node = htons(another(owner));
	message_make(said, &segment, &good);
	/* Any bit of the header before the MAC, the MAC, or the inner packet. */
	for (unsigned int at = 42; at < good.length; at++) {
		__u64 refused =
			front_count(FRONT_COUNT_BAD_MAC) + front_count(FRONT_COUNT_BAD_HEADER);
		struct frame out;

		in = good;
		in.bytes[at] ^= 1 << at % 8;
		assert_int_equal(front_run(&in, &out), XDP_DROP);
		assert_int_equal(front_count(FRONT_COUNT_BAD_MAC) +
					 front_count(FRONT_COUNT_BAD_HEADER),
				 refused + 1);
	}
	/* Too old, of the future. */
	said.time = htonl((cluster_ns() >> BATON_TIME_SHIFT) - BATON_FRESH - 2);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NOT_FRESH);
	said.time = htonl((cluster_ns() >> BATON_TIME_SHIFT) + BATON_FRESH + 100);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NOT_FRESH);
	/* A type that a front never gets. */
	said.time = 0;
	said.type = BATON_HANDOFF;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_BAD_HEADER);
	said.type = 200;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_BAD_HEADER);
	/* Cut off. */
	in = good;
	in.length -= 10;
	assert_dropped(&in, FRONT_COUNT_BAD_HEADER);
	/* A flow that nobody has. */
	client.port++;
	client_segment(&client, ACK | PSH, GET, &segment);
	said.type = BATON_RETURN;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_NO_FLOW);
	/* And the good one is as good as ever. */
	client.port--;
	client_segment(&client, ACK | PSH, GET, &segment);
	said = message(&client, BATON_RETURN, owner);
	said.node = htons(another(owner));
	message_make(said, &segment, &good);
	handed_on(&good, another(owner), &segment);
}

static void the_other_key(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out;
	unsigned int owner;

	(void)state;
	owner = ntohs(client_request(&client, GET).node);
	client_segment(&client, ACK, NULL, &segment);
	message_make(message(&client, BATON_CONFIRM, owner), &segment, &in);
	cluster_now_is.epoch = 1;
	front_cluster();
	assert_dropped(&in, FRONT_COUNT_BAD_MAC);
	cluster_now_is.key_count = 2;
	front_cluster();
	assert_dropped(&in, FRONT_COUNT_CONFIRMS);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	assert_int_equal(out.length, segment.length);
}

static void a_confirmation_ends_the_wrapping(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out;
	unsigned int owner;

	(void)state;
	owner = ntohs(client_request(&client, GET).node);
	client_segment(&client, ACK | PSH, "body", &segment);
	client_handoff(&segment);
	message_make(message(&client, BATON_CONFIRM, owner), &segment, &in);
	assert_dropped(&in, FRONT_COUNT_CONFIRMS);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	assert_int_equal(out.length, segment.length);
	assert_int_equal(out.bytes[5], owner);
}

static void a_release_ends_the_flow(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in, out;
	unsigned int owner;

	(void)state;
	owner = served(&client);
	client_segment(&client, ACK, NULL, &segment);
	message_make(message(&client, BATON_RELEASE, owner), &segment, &in);
	assert_dropped(&in, FRONT_COUNT_RELEASES);
	assert_int_equal(front_flow(&client).owner.state, FRONT_ENDED);
	/* Last acknowledgements still find their way, and then nothing does. */
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	assert_int_equal(out.bytes[5], owner);
	front_age(&client, FRONT_ENDED_TICKS + 2);
	assert_dropped(&segment, FRONT_COUNT_REPLAYS);
	/* A return of what is over. */
	client_segment(&client, ACK | PSH, GET, &segment);
	message_make(message(&client, BATON_RETURN, owner), &segment, &in);
	assert_dropped(&in, FRONT_COUNT_STALE);
}

/* One whose client gets RSTs goes on getting them, whatever its owner says. */
static void a_release_does_not_revive_a_lost_flow(void **state)
{
	struct client client = CLIENT;
	struct frame segment, in;
	struct front_flow flow;
	struct flow_key key;
	unsigned int owner;

	(void)state;
	owner = served(&client);
	key = client_key(&client);
	flow = front_flow(&client);
	flow.owner.state = FRONT_LOST;
	front_map_set(front->maps.flows, &key, &flow);
	client_segment(&client, ACK, NULL, &segment);
	message_make(message(&client, BATON_RELEASE, owner), &segment, &in);
	assert_dropped(&in, FRONT_COUNT_RELEASES);
	assert_int_equal(front_flow(&client).owner.state, FRONT_LOST);
}

static void astray_segments_find_the_owner(void **state)
{
	struct client client = CLIENT;
	struct baton_header said;
	struct frame segment, in, out;
	unsigned int owner;

	(void)state;
	owner = ntohs(client_request(&client, GET).node);
	client_segment(&client, ACK | PSH, "more", &segment);
	said = message(&client, BATON_ASTRAY, another(owner));
	said.generation = 0;
	/* Under the handoff while that is not confirmed, as it came afterwards. */
	message_make(said, &segment, &in);
	handed_on(&in, owner, &segment);
	client.ack += 10;
	client_segment(&client, ACK | PSH, "more", &segment);
	message_make(said, &segment, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(out.length, segment.length);
	assert_int_equal(out.bytes[5], owner);
	assert_memory_equal(out.bytes + 12, segment.bytes + 12, segment.length - 12);
}

static void a_forgotten_flow_is_reset(void **state)
{
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct baton_header said;
	struct frame segment, in, out;
	unsigned int owner;

	(void)state;
	owner = served(&client);
	client_segment(&client, ACK | PSH, GET, &segment);
	/* The owner remembers that it is over: nothing to be done. */
	said = message(&client, BATON_ASTRAY, owner);
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_ASTRAY_DROPPED);
	assert_int_equal(front_flow(&client).owner.state, FRONT_OPEN);
	/* It knows nothing of it. */
	said.generation = 0;
	message_make(said, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_FORGOTTEN);
	assert_int_equal(front_run(&segment, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
	assert_memory_equal(answer.destination_mac, client_mac, 6);
}

#define T(name) cmocka_unit_test_setup(name, front_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_return_names_the_next_owner),
		T(the_front_chooses),
		T(a_question_is_answered),
		T(only_the_owner_is_believed),
		T(forged_and_old_headers),
		T(the_other_key),
		T(a_confirmation_ends_the_wrapping),
		T(a_release_ends_the_flow),
		T(a_release_does_not_revive_a_lost_flow),
		T(astray_segments_find_the_owner),
		T(a_forgotten_flow_is_reset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

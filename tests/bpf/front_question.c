/* The front that asks a dispatcher on another host about first requests and undecided returns.
 * Needs root. */
#include "slow_daemon.h"

#include "base/clock.h"

#define GET "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

enum { DISPATCHER = 9 }; /* its address and MAC are made of this, as a node's are */

static void state_is(__u64 open_ns, __u32 away)
{
	struct dispatcher_state state = {.open_ns = open_ns, .away = away};
	__u32 zero = 0;

	front_map_set(front->maps.dispatchers, &zero, &state);
}

static int reset(void **state)
{
	struct node_entry *entry = &cluster_now_is.dispatchers[0];
	struct flow_key key;

	daemon_starts();
	front_reset(state);
	while (!bpf_map_get_next_key(bpf_map__fd(front->maps.questions), NULL, &key))
		bpf_map_delete_elem(bpf_map__fd(front->maps.questions), &key);
	front_pool_of(PLACE_LARD, 0);
	*entry = (struct node_entry){
		.mac = {2, 0, 0, 0, 1, DISPATCHER}, .state = NODE_UP, .reachable = HOP_KNOWN};
	entry->address = run_address("10.77.0.19");
	cluster_now_is.dispatcher_count = 1;
	front_cluster();
	state_is(0, 0);
	return 0;
}

/* Sends a segment that must come out as a question with these flags. */
static struct baton_header asked(const struct frame *in, unsigned int flags)
{
	struct baton_header header;
	struct frame out, inner;

	assert_int_equal(front_run(in, &out), XDP_TX);
	header = wrapped_read(&out, DISPATCHER, &inner);
	assert_int_equal(header.type, BATON_ASK);
	assert_int_equal(ntohs(header.flags), flags);
	assert_int_equal(ntohs(header.sender), BATON_FRONT(0));
	return header;
}

/* The answer to `question` about the segment. */
static void answer(struct baton_header question, unsigned int node, const struct frame *segment,
		   struct frame *frame)
{
	question.type = BATON_ANSWER;
	question.sender = htons(BATON_DISPATCHER(0));
	question.node = htons(node);
	question.reason = PLACE_REASON_HIT;
	question.time = 0;
	message_make(question, segment, frame);
}

/* A frame that must come out as a handoff of `segment` to `node`. */
static struct baton_header handed(const struct frame *in, unsigned int node,
				  const struct frame *segment)
{
	struct baton_header header;
	struct frame out, inner;

	assert_int_equal(front_run(in, &out), XDP_TX);
	header = wrapped_read(&out, node, &inner);
	assert_int_equal(header.type, BATON_HANDOFF);
	assert_int_equal(ntohs(header.node), node);
	assert_int_equal(inner.length, segment->length - 14);
	assert_memory_equal(inner.bytes, segment->bytes + 14, inner.length);
	return header;
}

static struct client first_data(bool six, struct frame *segment)
{
	struct client client = CLIENT;

	client.six = six;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, segment);
	return client;
}

static void ask_once(bool six)
{
	struct frame segment, in;
	struct client client = first_data(six, &segment);
	struct baton_header question = asked(&segment, BATON_FLAG_FIRST);
	struct flow_key key = client_key(&client);
	struct front_flow flow;

	/* Nothing is known of the flow before the answer. */
	assert_int_not_equal(bpf_map_lookup_elem(bpf_map__fd(front->maps.flows), &key, &flow), 0);
	answer(question, 2, &segment, &in);
	assert_int_equal(handed(&in, 2, &segment).reason, PLACE_REASON_HIT);
	assert_int_equal(front_flow(&client).owner.node, 2);
	/* The same again finds that nobody waits. */
	assert_dropped(&in, FRONT_COUNT_ANSWERS_LATE);
	/* The client's repeat goes where the first one went. */
	handed(&segment, 2, &segment);
}

static void a_first_request_is_asked_about(void **state)
{
	(void)state;
	each_family(ask_once);
}

static void no_answer(void **state)
{
	struct frame segment, in;
	struct client client = first_data(false, &segment);
	struct baton_header question = asked(&segment, BATON_FLAG_FIRST);
	struct flow_key key = client_key(&client);
	struct front_question open;
	__u64 before = front_count(FRONT_COUNT_FALLBACK_UNANSWERED);

	(void)state;
	/* The client says it again. */
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(front->maps.questions), &key, &open), 0);
	open.tick -= FRONT_REPEAT_TICKS;
	front_map_set(front->maps.questions, &key, &open);
	client_handoff(&segment);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_UNANSWERED), before + 1);
	answer(question, 2, &segment, &in);
	assert_dropped(&in, FRONT_COUNT_ANSWERS_LATE);
}

static void what_is_behind_comes_behind(void **state)
{
	struct frame segment, later, in;
	struct client client = first_data(false, &segment);
	struct baton_header question = asked(&segment, BATON_FLAG_FIRST), follows;

	(void)state;
	client.seq += strlen(GET);
	client_segment(&client, ACK | PSH, "more", &later);
	follows = asked(&later, BATON_FLAG_LATER);
	answer(question, 3, &segment, &in);
	handed(&in, 3, &segment);
	answer(follows, 0, &later, &in);
	handed(&in, 3, &later);
	/* From now on it goes by itself. */
	client.seq += 4;
	client_segment(&client, ACK | PSH, "and more", &later);
	handed(&later, 3, &later);
}

static void a_lost_dispatcher(void **state)
{
	__u64 long_ago = clock_now() - 2 * DISPATCHER_PATIENCE_NS;
	__u64 before = front_count(FRONT_COUNT_FALLBACK_DISPATCHER);
	struct client client = CLIENT;
	struct frame segment, in;
	struct baton_header question;
	unsigned int node;

	(void)state;
	state_is(long_ago, 1);
	node = ntohs(client_request(&client, GET).node);
	for (unsigned short port = 1; port < 4; port++) {
		client = CLIENT;
		client.port = CLIENT_PORT + port;
		assert_int_equal(ntohs(client_request(&client, GET).node), node);
	}
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_DISPATCHER), before + 4);
	/* Now and then one is asked about all the same, and its answer ends it. */
	state_is(long_ago, 0);
	client = CLIENT;
	client.port = CLIENT_PORT + 10;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &segment);
	question = asked(&segment, BATON_FLAG_FIRST);
	answer(question, node % NODES + 1, &segment, &in);
	handed(&in, node % NODES + 1, &segment);
	client = CLIENT;
	client.port = CLIENT_PORT + 11;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &segment);
	asked(&segment, BATON_FLAG_FIRST);
}

static void an_answer_that_names_nobody_up(void **state)
{
	static const unsigned int named[] = {0, 2, NODES_MAX, BATON_FRONT(1)};
	__u64 before = front_count(FRONT_COUNT_FALLBACK_ANSWER);

	(void)state;
	front_pool_of(PLACE_LARD, 2);
	front_node(2, NODE_DOWN);
	for (unsigned int i = 0; i < 4; i++) {
		struct client client = CLIENT;
		struct frame segment, in, out, inner;
		struct baton_header question;

		client.port = CLIENT_PORT + i;
		client_connect(&client, NULL);
		client_segment(&client, ACK | PSH, GET, &segment);
		question = asked(&segment, BATON_FLAG_FIRST);
		answer(question, named[i], &segment, &in);
		assert_int_equal(front_run(&in, &out), XDP_TX);
		assert_int_not_equal(out.bytes[5], 2);
		assert_int_equal(wrapped_read(&out, out.bytes[5], &inner).type, BATON_HANDOFF);
	}
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_ANSWER), before + 4);
}

static void an_undecided_return(void **state)
{
	struct frame segment, in, returned;
	struct client client = first_data(false, &segment);
	struct baton_header question = asked(&segment, BATON_FLAG_FIRST), said, header;

	(void)state;
	answer(question, 1, &segment, &in);
	said = handed(&in, 1, &segment);
	client.seq += strlen(GET);
	client_segment(&client, ACK | PSH, GET, &segment);
	said.type = BATON_RETURN;
	said.flags = 0;
	said.sender = htons(1);
	said.node = 0;
	said.seq = htonl(client.seq);
	said.srtt = htonl(1234);
	said.time = 0;
	message_make(said, &segment, &returned);
	question = asked(&returned, BATON_FLAG_RETURNED);
	assert_int_equal(ntohl(question.load), 1);
	answer(question, 3, &segment, &in);
	header = handed(&in, 3, &segment);
	assert_int_equal(ntohl(header.generation), ntohl(said.generation) + 1);
	assert_int_equal(header.seq, said.seq);
	assert_int_equal(header.srtt, said.srtt);
	/* The answer once more speaks of what is over. */
	assert_dropped(&in, FRONT_COUNT_STALE);
}

/* What the daemon wants to know of a first request in several segments. */
static struct slow_order placing(const struct client *client)
{
	struct slow_order order = order_of(client, SLOW_PLACE);

	order.flags = SLOW_BY_TARGET | SLOW_MAY_ASK;
	order.pool = POOL;
	order.target = 0x1122334455667788;
	order.carp = 1;
	order.md5 = 2;
	return order;
}

static void a_first_request_of_the_slow_path(bool six)
{
	struct frame first, question, out, inner, in;
	struct client client = CLIENT;
	struct baton_header header;
	struct slow_order order;
	__u64 answers = front_count(FRONT_COUNT_ANSWERS);

	client.six = six;
	begin(&client, &first);
	order = placing(&client);
	assert_int_equal(carry_out(&order), -EINPROGRESS);
	assert_int_equal(order.dispatcher, 0);
	assert_int_equal(order.pool, POOL);
	assert_int_equal(front_flow(&client).owner.node, 0);
	/* The question, and nobody is to be named meanwhile. */
	client_segment(&client, ACK | PSH, "what the daemon read", &question);
	order.action = SLOW_ASK;
	assert_int_equal(carry_out_with(&order, &question, &out), XDP_TX);
	header = wrapped_read(&out, DISPATCHER, &inner);
	assert_int_equal(header.type, BATON_ASK);
	assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST | BATON_FLAG_TARGET);
	assert_int_equal(ntohl(header.generation), order.generation);
	assert_memory_equal(inner.bytes, question.bytes + 14, inner.length);
	/* The answer goes to the daemon, not to a node. */
	answer(header, 2, &question, &in);
	assert_dropped(&in, FRONT_COUNT_ANSWERS);
	assert_int_equal(front_count(FRONT_COUNT_ANSWERS), answers + 1);
	assert_int_equal(given(), 1);
	assert_int_equal(record.length, 0);
	assert_int_equal(record.node, 2);
	assert_int_equal(record.reason, PLACE_REASON_HIT);
	assert_int_equal(record.generation, order.generation);
	order.action = SLOW_PLACE;
	order.answered = record.node;
	order.answer_reason = record.reason;
	assert_int_equal(carry_out(&order), 0);
	assert_int_equal(order.node, 2);
	assert_int_equal(front_flow(&client).owner.node, 2);
	/* Once is enough. */
	assert_dropped(&in, FRONT_COUNT_ANSWERS_LATE);
	assert_int_equal(given(), 0);
	order.action = SLOW_ASK;
	assert_int_equal(carry_out_with(&order, &question, &out), XDP_DROP);
}

static void the_slow_path_asks(void **state)
{
	(void)state;
	each_family(a_first_request_of_the_slow_path);
}

static void the_slow_path_has_no_answer(void **state)
{
	static const enum front_counter why[] = {
		FRONT_COUNT_FALLBACK_UNANSWERED,
		FRONT_COUNT_FALLBACK_ANSWER,
		FRONT_COUNT_FALLBACK_UNASKED,
		FRONT_COUNT_FALLBACK_DISPATCHER,
	};
	unsigned int node = 0;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		__u64 before = front_count(why[i]);
		struct client client = CLIENT;
		struct slow_order order;
		struct frame first;

		client.port = CLIENT_PORT + i;
		begin(&client, &first);
		order = placing(&client);
		if (why[i] == FRONT_COUNT_FALLBACK_UNANSWERED)
			order.flags |= SLOW_UNANSWERED;
		else if (why[i] == FRONT_COUNT_FALLBACK_ANSWER)
			order.answered = ANSWERED_NOBODY;
		else if (why[i] == FRONT_COUNT_FALLBACK_UNASKED)
			order.flags &= ~SLOW_MAY_ASK;
		else
			state_is(clock_now() - 2 * DISPATCHER_PATIENCE_NS, 1);
		assert_int_equal(carry_out(&order), 0);
		assert_int_equal(front_count(why[i]), before + 1);
		/* By hash, which is the same whatever the reason. */
		assert_true(order.node && (!node || order.node == node));
		node = order.node;
	}
}

#define T(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_request_is_asked_about),
		T(no_answer),
		T(what_is_behind_comes_behind),
		T(a_lost_dispatcher),
		T(an_answer_that_names_nobody_up),
		T(an_undecided_return),
		T(the_slow_path_asks),
		T(the_slow_path_has_no_answer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

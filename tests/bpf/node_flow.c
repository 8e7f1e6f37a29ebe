/* Flows that a node has, on a wire, with the kernel's own sockets at the end: their requests and
 * responses followed, moved to other nodes, what they may say. What must be dropped is asked of
 * BPF_PROG_TEST_RUN, which waits for nothing. */
#include "node.h"

/* The next request belongs to another node: it comes back as a RETURN, whole; the server's socket
 * is reset, the client hears nothing of it; the flow's later segments are astray here. */
static void leave(struct flow *flow, int fd, enum release_kind release)
{
	struct frame frame;
	struct seen seen;
	struct held held;
	char byte;

	place_at(THERE);
	segment(flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	do
		expect_frame(flow, &frame, &seen);
	while (!seen.wrapped);
	place_at(HERE);
	assert_true(seen.mac_good);
	assert_int_equal(seen.header.type, BATON_RETURN);
	assert_int_equal(ntohs(seen.header.node), OTHER);
	assert_int_equal(ntohs(seen.header.sender), SELF);
	assert_int_equal(ntohl(seen.header.generation), flow->generation);
	assert_int_equal(ntohl(seen.header.seq), flow->seq);
	assert_int_equal(ntohl(seen.header.ack), flow->ack);
	assert_int_equal(seen.header.protocol, flow->six ? 6 : 4);
	assert_true((int32_t)(ntohl(seen.header.ts_clock) - flow->tsecr) >= 0);
	assert_true(ntohs(seen.header.cwnd) > 0);
	assert_int_equal(seen.inner_length, (flow->six ? 40 : 20) + 32 + strlen(REQUEST));
	assert_memory_equal(seen.inner + seen.inner_length - strlen(REQUEST), REQUEST,
			    strlen(REQUEST));
	if (release == RELEASE_FIN) {
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
	} else {
		assert_int_equal(recv(fd, &byte, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
	}
	assert_true(flow_held(flow, &held));
	assert_int_equal(held.owner, (uint64_t)flow->generation << 32 | HELD_LEFT);
	assert_int_equal(held.moved_seq, flow->seq);
}

/* A return is not repeated for a moment; this makes it long past. */
static void told_long_ago(const struct flow *flow)
{
	struct flow_key k = flow_key(flow);
	struct held held;

	assert_true(flow_held(flow, &held));
	held.told_ms -= 1000;
	put(node->maps.held, &k, &held);
}

/* `place: spread`: a first request that the front has not read and that belongs elsewhere goes on
 * before a socket is made; repeated, again; what belongs here is served. */
static void test_unread_request_goes_on(void **state)
{
	struct service service = {
		.pool = POOL, .kind = SERVICE_HTTP, .rcv_wscale = 7, .flags = SERVICE_SPREAD};
	struct service_key service_key = {.port = htons(80), .protocol = IPPROTO_TCP};

	ROOT_ONLY();
	service_key.vip = wire_address(VIP4);
	put(node->maps.services, &service_key, &service);
	service_key.vip = wire_address(VIP6);
	put(node->maps.services, &service_key, &service);
	for (int six = 0; six < 2; six++) {
		uint64_t passed = counter(NODE_COUNT_PASSED_ON),
			 again = counter(NODE_COUNT_MOVED_AGAIN);
		struct flow flow = flow_new(six);
		struct frame frame;
		struct seen seen;
		struct held held;
		int fd;

		place_at(THERE);
		for (int repeat = 0; repeat < 2; repeat++) {
			handoff(&flow, &frame, TCP_PSH, REQUEST);
			assert_int_equal(wire_send(&wire, &frame), 0);
			do
				expect_frame(&flow, &frame, &seen);
			while (!seen.wrapped);
			assert_true(seen.mac_good);
			assert_int_equal(seen.header.type, BATON_RETURN);
			assert_int_equal(ntohs(seen.header.node), OTHER);
			assert_int_equal(ntohl(seen.header.generation), flow.generation);
			assert_int_equal(ntohl(seen.header.seq), flow.handoff_seq);
			assert_int_equal(ntohl(seen.header.ack), flow.handoff_ack);
			assert_int_equal(ntohl(seen.header.ts_clock), flow.ts_clock);
			assert_int_equal(!!(ntohs(seen.header.flags) & BATON_FLAG_REPEAT), repeat);
			assert_memory_equal(seen.inner + seen.inner_length - strlen(REQUEST),
					    REQUEST, strlen(REQUEST));
			assert_int_equal(flow_state(&flow), HELD_LEFT);
			told_long_ago(&flow);
		}
		assert_int_equal(counter(NODE_COUNT_PASSED_ON), passed + 1);
		assert_int_equal(counter(NODE_COUNT_MOVED_AGAIN), again + 1);
		assert_int_equal(accept_now(&flow, 0), -1);
		assert_true(flow_held(&flow, &held));
		assert_int_equal(held.moved_seq, flow.handoff_seq);
		/* It comes back in a later generation, read by now: served, wherever it belongs. */
		flow.generation++;
		{
			struct baton_header header = handoff_header(&flow);

			header.flags = 0;
			segment(&flow, &frame, TCP_PSH, REQUEST);
			frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);
		}
		assert_int_equal(wire_send(&wire, &frame), 0);
		fd = accept_now(&flow, WIRE_WAIT_MS);
		assert_true(fd >= 0);
		expect_request(fd, REQUEST);
		close(fd);
		place_at(HERE);
		flow = flow_new(six);
		fd = begin(&flow);
		answer(&flow, fd, RESPONSE);
		close(fd);
	}
	serve(RELEASE_RST);
	(void)state;
}

static void test_leave_and_return(void **state)
{
	ROOT_ONLY();
	for (int six = 0; six < 2; six++) {
		struct flow flow = flow_new(six);
		struct flow before = flow;
		struct frame frame, out;
		struct seen seen;
		int fd = begin(&flow);

		answer(&flow, fd, RESPONSE);
		leave(&flow, fd, RELEASE_RST);
		close(fd);
		/* Nothing of the old socket's reaches the client. */
		while (wire_receive(&wire, &out, 0)) {
			frame_read(&out, key, &seen);
			assert_false(!seen.wrapped && seen.to_port == flow.port);
		}

		/* The client repeats the request: so does the return. */
		segment(&flow, &frame, TCP_PSH, REQUEST);
		told_long_ago(&flow);
		assert_int_equal(verdict(node->progs.node_in, &frame, &out), TC_ACT_REDIRECT);
		frame_read(&out, key, &seen);
		assert_true(seen.wrapped && seen.mac_good);
		assert_int_equal(seen.header.type, BATON_RETURN);
		assert_true(seen.header.flags & htons(BATON_FLAG_REPEAT));

		/* More bytes than that go to the front to find their owner; a bare ACK has none. */
		flow.seq += strlen(REQUEST);
		segment(&flow, &frame, TCP_PSH, "more");
		assert_int_equal(verdict(node->progs.node_in, &frame, &out), TC_ACT_REDIRECT);
		frame_read(&out, key, &seen);
		assert_true(seen.wrapped && seen.mac_good);
		assert_int_equal(seen.header.type, BATON_ASTRAY);
		assert_int_equal(ntohl(seen.header.generation), flow.generation);
		handoff(&flow, &frame, TCP_PSH, "more");
		assert_int_equal(verdict(node->progs.node_in, &frame, &out), TC_ACT_REDIRECT);
		frame_read(&out, key, &seen);
		assert_true(seen.wrapped && seen.mac_good);
		assert_int_equal(seen.header.type, BATON_ASTRAY);
		segment(&flow, &frame, 0, NULL);
		assert_dropped(&frame, ASTRAY_DROPPED);
		flow.seq -= strlen(REQUEST);

		/* A late copy of the first handoff builds nothing. */
		handoff(&before, &frame, TCP_PSH, REQUEST);
		assert_dropped(&frame, REPEATED);

		/* It comes back in a later generation, at once. */
		flow.generation += 2;
		flow.handoff_seq = flow.seq;
		flow.handoff_ack = flow.ack;
		flow.ts_clock = flow.tsecr + 1;
		fd = begin(&flow);
		handoff(&before, &frame, TCP_PSH, REQUEST);
		assert_dropped(&frame, STALE);
		answer(&flow, fd, RESPONSE);
		close(fd);
	}
	(void)state;
}

/* The same by FIN: the server closes in its own time, its socket is gone then and has no TIME_WAIT,
 * and of all that the client hears nothing. */
static void test_leave_by_fin(void **state)
{
	ROOT_ONLY();
	serve(RELEASE_FIN);
	for (int six = 0; six < 2; six++) {
		struct flow flow = flow_new(six);
		int fd = begin(&flow);
		struct tcp_info info;
		socklen_t size = sizeof(info);
		struct frame out;
		struct seen seen;

		answer(&flow, fd, RESPONSE);
		leave(&flow, fd, RELEASE_FIN);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
		for (int ms = 0; info.tcpi_state != TCP_CLOSE && ms < WIRE_WAIT_MS; ms++) {
			usleep(1000);
			assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
		}
		assert_int_equal(info.tcpi_state, TCP_CLOSE);
		while (wire_receive(&wire, &out, 0)) {
			frame_read(&out, key, &seen);
			assert_false(!seen.wrapped && seen.to_port == flow.port);
		}
		close(fd);
	}
	serve(RELEASE_RST);
	(void)state;
}

/* The client's next request, whose service has a central policy, goes out as a question, whole; the
 * server hears nothing of it. */
static struct baton_header question(const struct flow *flow)
{
	struct frame frame;
	struct seen seen;

	segment(flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	do
		expect_frame(flow, &frame, &seen);
	while (!seen.wrapped);
	assert_true(seen.mac_good);
	assert_int_equal(seen.header.type, BATON_ASK);
	assert_int_equal(seen.header.node, 0);
	assert_int_equal(ntohs(seen.header.sender), SELF);
	assert_int_equal(ntohl(seen.header.generation), flow->generation);
	assert_int_equal(ntohl(seen.header.seq), flow->seq);
	assert_int_equal(ntohl(seen.header.load), 0);
	assert_int_equal(seen.inner_length, (flow->six ? 40 : 20) + 32 + strlen(REQUEST));
	assert_memory_equal(seen.inner + seen.inner_length - strlen(REQUEST), REQUEST,
			    strlen(REQUEST));
	return seen.header;
}

static void reply_make(const struct flow *flow, struct frame *frame, struct baton_header header,
		       uint32_t to)
{
	header.type = BATON_ANSWER;
	header.node = htons(to);
	header.sender = htons(BATON_FRONT(0));
	segment(flow, frame, TCP_PSH, REQUEST);
	frame_wrap(&wire, frame, &header, FRONT4, NODE4, key);
}

static uint64_t received(void)
{
	struct node_load load;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(node->maps.node_load), &zero, &load), 0);
	return load.received;
}

static void test_asks(void **state)
{
	ROOT_ONLY();
	for (int six = 0; six < 2; six++) {
		struct flow flow = flow_new(six);
		struct baton_header asked;
		struct frame frame;
		struct seen seen;
		uint64_t before;
		int fd;

		place_by(PLACE_LARD, PLACE_WANT_CENTRAL_LOAD, HERE);
		fd = begin(&flow);
		answer(&flow, fd, RESPONSE);
		before = received();
		/* Stay: the same socket gets it. */
		asked = question(&flow);
		assert_int_equal(ntohl(asked.ts_clock), before);
		reply_make(&flow, &frame, asked, SELF);
		assert_int_equal(wire_send(&wire, &frame), 0);
		expect_request(fd, REQUEST);
		assert_int_equal(accept_now(&flow, 0), -1);
		assert_int_equal(received(), before + 1);
		assert_dropped(&frame, ANSWERED_LATE);
		flow.seq += strlen(REQUEST);
		answer(&flow, fd, RESPONSE);
		/* No answer: the client's repeat is served here, and an answer then is too late. */
		asked = question(&flow);
		before = counter(NODE_COUNT_UNANSWERED);
		segment(&flow, &frame, TCP_PSH, REQUEST);
		assert_int_equal(wire_send(&wire, &frame), 0);
		expect_request(fd, REQUEST);
		assert_int_equal(counter(NODE_COUNT_UNANSWERED), before + 1);
		reply_make(&flow, &frame, asked, OTHER);
		assert_dropped(&frame, ANSWERED_LATE);
		flow.seq += strlen(REQUEST);
		answer(&flow, fd, RESPONSE);
		/* An answer of another generation is nobody's. Another node: the flow goes. */
		asked = question(&flow);
		asked.generation = htonl(flow.generation - 1);
		reply_make(&flow, &frame, asked, OTHER);
		assert_dropped(&frame, STALE);
		asked.generation = htonl(flow.generation);
		reply_make(&flow, &frame, asked, OTHER);
		assert_int_equal(wire_send(&wire, &frame), 0);
		do
			expect_frame(&flow, &frame, &seen);
		while (!seen.wrapped);
		assert_true(seen.mac_good);
		assert_int_equal(seen.header.type, BATON_RETURN);
		assert_int_equal(ntohs(seen.header.node), OTHER);
		assert_int_equal(ntohl(seen.header.seq), flow.seq);
		assert_int_equal(recv(fd, &before, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		assert_int_equal(flow_state(&flow), HELD_LEFT);
		close(fd);
	}
	place_at(HERE);
	(void)state;
}

/* What is in service is known at any time: connections that end in the middle leave nothing. */
static void test_load(void **state)
{
	static const uint8_t ends[] = {TCP_RST, 0};
	struct node_load load;
	struct frame frame;
	uint32_t zero = 0;
	int64_t before;

	ROOT_ONLY();
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(node->maps.node_load), &zero, &load), 0);
	before = load.in_service;
	for (unsigned int i = 0; i < sizeof(ends); i++) {
		struct linger hard = {.l_onoff = 1};
		struct flow flow = flow_new(false);
		struct seen seen;
		int fd = begin(&flow);

		bpf_map_lookup_elem(bpf_map__fd(node->maps.node_load), &zero, &load);
		assert_int_equal(load.in_service, before + 1);
		if (ends[i]) {
			segment(&flow, &frame, ends[i], NULL);
			assert_int_equal(wire_send(&wire, &frame), 0);
		} else {
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		}
		close(fd);
		if (!ends[i])
			expect_frame(&flow, &frame, &seen);
		bpf_map_lookup_elem(bpf_map__fd(node->maps.node_load), &zero, &load);
		assert_int_equal(load.in_service, before);
	}
	(void)state;
}

/* While a response is not acknowledged, or has not ended, the flow stays. */
static void test_stays_until_quiet(void **state)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
	struct frame frame;
	struct flow flow;
	uint64_t moved;
	int fd;

	ROOT_ONLY();
	flow = flow_new(false);
	moved = counter(NODE_COUNT_MOVED);
	fd = begin(&flow);
	answer(&flow, fd, half);
	place_at(THERE);
	segment(&flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	expect_request(fd, REQUEST);
	flow.seq += strlen(REQUEST);
	/* The rest of the first response and the second one. */
	answer(&flow, fd, "world" RESPONSE);
	assert_int_equal(counter(NODE_COUNT_MOVED), moved);
	place_at(HERE);
	/* Quiet now: the third one goes. */
	leave(&flow, fd, RELEASE_RST);
	assert_int_equal(counter(NODE_COUNT_MOVED), moved + 1);
	close(fd);
	(void)state;
}

/* Responses whose end is told in every way HTTP/1.1 knows, and pins where it isn't told. */
static void test_ends_of_responses(void **state)
{
	static const struct {
		const char *request, *response;
		uint8_t pin;
	} rows[] = {
		{REQUEST,
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "5\r\nhello\r\n0\r\n\r\n",
		 PIN_NONE},
		{REQUEST, "HTTP/1.1 304 Not Modified\r\n\r\n", PIN_NONE},
		{REQUEST, "HTTP/1.1 204 No Content\r\n\r\n", PIN_NONE},
		{REQUEST, "HTTP/1.1 100 Continue\r\n\r\n" RESPONSE, PIN_NONE},
		{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", PIN_NONE},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\nGET /x HTTP/1.1\r",
		 RESPONSE, PIN_NONE},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\n0\r\n\r\n",
		 RESPONSE, PIN_NONE},
		{REQUEST REQUEST, RESPONSE RESPONSE, PIN_NONE},
		{REQUEST, "HTTP/1.1 200 OK\r\n\r\nuntil the end", PIN_CLOSE},
		{REQUEST, "HTTP/1.1 101 Switching Protocols\r\n\r\n", PIN_UPGRADE},
		{REQUEST, RESPONSE RESPONSE, PIN_RESPONSE},
		{REQUEST, "what is this", PIN_NONE}, /* may become a status line yet */
		{REQUEST, "what is this to be?\r\n", PIN_RESPONSE},
		{"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
		 PIN_UPGRADE},
		{"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM abcd\r\n\r\n", RESPONSE,
		 PIN_LOGIN},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: y", "", PIN_NONE},
		{"GET / HTTP/1.1\r\nHost: a\r\n", "", PIN_NONE},
		{"GET /lo", "", PIN_NONE},
		{"GET /", RESPONSE, PIN_RESPONSE}, /* before the request's head has ended */
		{"GET / HTTP/1.1\r\nHost: a\r\nX: y\r", "", PIN_SPLIT},
		{"GET / HTTP/1.1\r\nHost: a\r\nContent-Le", "", PIN_SPLIT},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: cl", "", PIN_SPLIT},
		{"GET / HTT", "", PIN_SPLIT},
		{"no request\r\n\r\n", "", PIN_FRAMING},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", RESPONSE,
		 PIN_EARLY},
	};

	ROOT_ONLY();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flow flow = flow_new(i % 2);
		struct frame frame;
		struct held held;
		int fd;

		print_message("# row %zu\n", i);
		handoff(&flow, &frame, TCP_PSH, rows[i].request);
		assert_int_equal(wire_send(&wire, &frame), 0);
		fd = accept_now(&flow, WIRE_WAIT_MS);
		assert_true(fd >= 0);
		expect_request(fd, rows[i].request);
		flow.seq += strlen(rows[i].request);
		answer(&flow, fd, rows[i].response);
		assert_true(flow_held(&flow, &held));
		assert_int_equal(held.pin, rows[i].pin);
		assert_int_equal(!!(held.flags & HELD_PINNED), rows[i].pin != PIN_NONE);
		close(fd);
	}
	(void)state;
}

/* What isn't ours is let through; what is ours and has no flow never reaches the stack. */
static void test_bare_segments(void **state)
{
	struct tcp_words words = {
		.from = CLIENT4, .to = NODE4, .from_port = 9, .to_port = 80, .flags = TCP_SYN};
	struct frame frame, out;
	struct flow flow;
	struct seen seen;

	ROOT_ONLY();
	flow = flow_new(false);
	frame_tcp(&wire, &frame, &words); /* to the node's own address */
	assert_int_equal(verdict(node->progs.node_in, &frame, NULL), -1);
	words.to = VIP4;
	words.to_port = 81;
	frame_tcp(&wire, &frame, &words);
	assert_int_equal(verdict(node->progs.node_in, &frame, NULL), -1);
	words.to_port = 80;
	frame_tcp(&wire, &frame, &words);
	assert_dropped(&frame, SYN_DROPPED);
	segment(&flow, &frame, 0, NULL);
	assert_dropped(&frame, ASTRAY_DROPPED);
	frame.bytes[14 + 6] = 0x20; /* more fragments */
	assert_dropped(&frame, FRAGMENTS);
	segment(&flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(verdict(node->progs.node_in, &frame, &out), TC_ACT_REDIRECT);
	frame_read(&out, key, &seen);
	assert_true(seen.wrapped && seen.mac_good);
	assert_int_equal(seen.header.type, BATON_ASTRAY);
	assert_int_equal(seen.header.generation, 0);
	(void)state;
}

/* Only a flow that is here may speak. */
static void test_egress(void **state)
{
	struct tcp_words words = {.from = VIP4,
				  .to = CLIENT4,
				  .from_port = 80,
				  .to_port = 1,
				  .flags = TCP_ACK,
				  .payload = "words"};
	struct held held = {.owner = 5ull << 32 | HELD_OPEN};
	struct flow_key k;
	struct frame frame;
	struct flow flow;

	ROOT_ONLY();
	flow = flow_new(false);
	k = flow_key(&flow);
	words.to_port = flow.port;
	frame_tcp(&wire, &frame, &words);
	assert_int_equal(verdict(node->progs.node_out, &frame, NULL), TC_ACT_SHOT);
	put(node->maps.held, &k, &held);
	assert_int_equal(verdict(node->progs.node_out, &frame, NULL), -1);
	for (uint32_t silent = HELD_MUTED; silent <= HELD_LEFT; silent++) {
		held.owner = 5ull << 32 | silent;
		put(node->maps.held, &k, &held);
		for (int i = 0; i < 4; i++) {
			static const uint8_t flags[] = {0, TCP_FIN, TCP_RST, TCP_SYN};

			words.flags = TCP_ACK | flags[i];
			frame_tcp(&wire, &frame, &words);
			assert_int_equal(verdict(node->progs.node_out, &frame, NULL), TC_ACT_SHOT);
		}
	}
	held.owner = 5ull << 32 | HELD_OPEN;
	put(node->maps.held, &k, &held);
	words.flags = TCP_ACK | TCP_SYN;
	frame_tcp(&wire, &frame, &words);
	assert_int_equal(verdict(node->progs.node_out, &frame, NULL), TC_ACT_SHOT);
	words.flags = TCP_ACK | TCP_RST;
	frame_tcp(&wire, &frame, &words);
	assert_int_equal(verdict(node->progs.node_out, &frame, NULL), -1);
	assert_int_equal(flow_state(&flow), HELD_OVER);
	words.from_port = 81; /* not a service */
	frame_tcp(&wire, &frame, &words);
	assert_int_equal(verdict(node->progs.node_out, &frame, NULL), -1);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave_and_return),
		cmocka_unit_test(test_unread_request_goes_on),
		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_stays_until_quiet),
		cmocka_unit_test(test_leave_by_fin),
		cmocka_unit_test(test_ends_of_responses),
		cmocka_unit_test(test_bare_segments),
		cmocka_unit_test(test_egress),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

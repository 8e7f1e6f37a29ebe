/* The node's programs on a wire: handoffs, later segments, returns and refusals, with the kernel's
 * own sockets at the end. What must be dropped is asked of BPF_PROG_TEST_RUN, which waits for
 * nothing. */
#include "../unit/unit.h"

#include "wire.h"
#include "node.skel.h"
#include "wire/cluster.h"
#include "wire/counters.h"
#include "wire/node.h"
#include "wire/place.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VIP4	"10.99.0.100"
#define VIP6	"fd99::100"
#define CLIENT4 "10.99.0.1"
#define CLIENT6 "fd99::1"
#define NODE4	"10.99.0.11"
#define FRONT4	"10.99.0.2"

enum { SELF = 1, OTHER = 2, POOL = 0, HERE = SELF, THERE = OTHER };

static const uint64_t key[2] = {0x0123456789abcdefull, 0xfedcba9876543210ull};
static struct wire wire;
static struct node_bpf *node;
static int listener4 = -1, listener6 = -1;
static const char *skipped;

static uint32_t cluster_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec * 1000000000ll + now.tv_nsec) >> BATON_TIME_SHIFT;
}

static uint64_t counter(enum node_counter which)
{
	uint64_t values[libbpf_num_possible_cpus()], sum = 0;
	uint32_t at = which;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(node->maps.node_counters), &at, values),
			 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += values[i];
	return sum;
}

static void put(struct bpf_map *map, const void *map_key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), map_key, value, BPF_ANY), 0);
}

/* Every request belongs to `which` from now on. */
static void place_at(uint32_t which)
{
	struct place_pool pool = {.policy = PLACE_HRW,
				  .wants = PLACE_WANT_TARGET,
				  .flags = PLACE_EVEN,
				  .up = 1,
				  .count = 1,
				  .weight_total = 1,
				  .weight_most = 1};
	struct place_member member = {.hash = 1, .node = which, .weight = 1, .state = PLACE_UP};
	struct place_state filled = {.ready = 1};
	uint32_t at = 0;

	put(node->maps.place_members, &at, &member);
	put(node->maps.place_pools, &at, &pool);
	put(node->maps.place_state, &at, &filled);
}

static int listen_at(int family)
{
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	if (family == AF_INET) {
		assert_int_equal(bind(fd, (struct sockaddr *)&any4, sizeof(any4)), 0);
	} else {
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&any6, sizeof(any6)), 0);
	}
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void attach(struct bpf_program *program, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = wire.ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));

	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
}

static int set_up(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct node_entry entry = {.state = NODE_UP, .reachable = 1, .weight = 1};
	struct service service = {.pool = POOL, .kind = SERVICE_HTTP, .rcv_wscale = 7};
	struct service_key service_key = {.port = htons(80), .protocol = IPPROTO_TCP};
	struct cluster cluster = {
		.key_count = 1, .port = htons(BATON_PORT), .self = SELF, .ready = 1};
	uint32_t at = 0;

	(void)state;
	if (wire_open(&wire)) {
		skipped = "needs root";
		return 0;
	}
	both.ifindex = wire.ifindex;
	node = node_bpf__open_and_load();
	assert_non_null(node);
	memcpy(cluster.keys[0], key, sizeof(key));
	memcpy(cluster.mac, wire.mac, 6);
	cluster.address4 = wire_address(NODE4);
	cluster.address6 = wire_address("fd99::11");
	cluster.fronts[0] = entry;
	cluster.fronts[0].address = wire_address(FRONT4);
	memcpy(cluster.fronts[0].mac, wire.peer_mac, 6);
	put(node->maps.cluster, &at, &cluster);
	for (at = SELF; at <= OTHER; at++)
		put(node->maps.nodes, &at, &entry);
	service_key.vip = wire_address(VIP4);
	put(node->maps.services, &service_key, &service);
	service_key.vip = wire_address(VIP6);
	put(node->maps.services, &service_key, &service);
	place_at(HERE);
	assert_int_equal(bpf_tc_hook_create(&both), 0);
	attach(node->progs.node_in, BPF_TC_INGRESS);
	attach(node->progs.node_out, BPF_TC_EGRESS);
	listener4 = listen_at(AF_INET);
	listener6 = listen_at(AF_INET6);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	node_bpf__destroy(node);
	wire_close(&wire);
	if (listener4 >= 0)
		close(listener4);
	if (listener6 >= 0)
		close(listener6);
	return 0;
}

/* A connection as its client and front see it. */
struct flow {
	bool six;
	uint16_t port;
	uint32_t seq, ack; /* the client's next, and what it has acknowledged */
	uint32_t handoff_seq, handoff_ack;
	uint32_t generation, ts_clock;
	uint32_t tsval, tsecr;
};

static struct flow flow_new(bool six)
{
	static uint16_t port = 20000;
	struct flow flow = {.six = six,
			    .port = port++,
			    .seq = 1000,
			    .ack = 500000,
			    .generation = cluster_time(),
			    .ts_clock = 7000000,
			    .tsval = 100,
			    .tsecr = 6999990};

	flow.handoff_seq = flow.seq;
	flow.handoff_ack = flow.ack;
	return flow;
}

static struct flow_key flow_key(const struct flow *flow)
{
	struct flow_key k = {.client = wire_address(flow->six ? CLIENT6 : CLIENT4),
			     .vip = wire_address(flow->six ? VIP6 : VIP4),
			     .client_port = htons(flow->port),
			     .vip_port = htons(80)};

	return k;
}

static bool flow_held(const struct flow *flow, struct held *held)
{
	struct flow_key k = flow_key(flow);

	return !bpf_map_lookup_elem(bpf_map__fd(node->maps.held), &k, held);
}

static uint32_t flow_state(const struct flow *flow)
{
	struct held held;

	return flow_held(flow, &held) ? (uint32_t)held.owner : 0;
}

/* A bare segment of the client's. */
static void segment(const struct flow *flow, struct frame *frame, uint8_t flags,
		    const char *payload)
{
	struct tcp_words words = {.from = flow->six ? CLIENT6 : CLIENT4,
				  .to = flow->six ? VIP6 : VIP4,
				  .from_port = flow->port,
				  .to_port = 80,
				  .seq = flow->seq,
				  .ack = flow->ack,
				  .flags = flags | TCP_ACK,
				  .stamped = true,
				  .tsval = flow->tsval,
				  .tsecr = flow->tsecr,
				  .payload = payload};

	frame_tcp(&wire, frame, &words);
}

static struct baton_header handoff_header(const struct flow *flow)
{
	struct baton_header header = {.magic = htons(BATON_MAGIC),
				      .version = BATON_VERSION_WIRE,
				      .type = BATON_HANDOFF,
				      .flags = htons(BATON_FLAG_FIRST),
				      .node = htons(SELF),
				      .sender = htons(BATON_FRONT(0)),
				      .generation = htonl(flow->generation),
				      .time = htonl(cluster_time()),
				      .seq = htonl(flow->handoff_seq),
				      .ack = htonl(flow->handoff_ack),
				      .ts_clock = htonl(flow->ts_clock),
				      .mss = htons(flow->six ? 1340 : 1376),
				      .snd_wscale = 9,
				      .rcv_wscale = 7,
				      .options = BATON_OPTION_TIMESTAMPS | BATON_OPTION_SACK |
						 BATON_OPTION_WSCALE,
				      .protocol = flow->six ? 6 : 4};

	return header;
}

/* The same segment as a handoff. */
static void handoff(const struct flow *flow, struct frame *frame, uint8_t flags,
		    const char *payload)
{
	struct baton_header header = handoff_header(flow);

	segment(flow, frame, flags, payload);
	frame_wrap(&wire, frame, &header, FRONT4, NODE4, key);
}

/* The verdict that a program gives for a frame, without the world around it. */
static int verdict(struct bpf_program *program, const struct frame *frame, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes, .data_size_in = frame->length,
		    .data_out = out ? out->bytes : NULL,
		    .data_size_out = out ? sizeof(out->bytes) : 0, .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
	if (out)
		out->length = run.data_size_out;
	return (int)run.retval;
}

#define assert_dropped(frame, why)                                                                 \
	do {                                                                                       \
		uint64_t before_ = counter(NODE_COUNT_##why);                                      \
		assert_int_equal(verdict(node->progs.node_in, frame, NULL), TC_ACT_SHOT);          \
		assert_int_equal(counter(NODE_COUNT_##why), before_ + 1);                          \
	} while (0)

/* The server's end of a connection; -1 if none is there. */
static int accept_now(const struct flow *flow, int ms)
{
	struct pollfd ready = {.fd = flow->six ? listener6 : listener4, .events = POLLIN};
	struct timeval limit = {.tv_sec = WIRE_WAIT_MS / 1000};
	int fd;

	if (poll(&ready, 1, ms) != 1)
		return -1;
	fd = accept4(ready.fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return fd;
}

static void expect_request(int fd, const char *request)
{
	char got[2048];
	size_t length = strlen(request);

	assert_int_equal(recv(fd, got, length, MSG_WAITALL), length);
	assert_memory_equal(got, request, length);
}

/* The next frame on the wire of this flow, or wrapped. */
static void expect_frame(const struct flow *flow, struct frame *frame, struct seen *seen)
{
	do {
		assert_true(wire_receive(&wire, frame, WIRE_WAIT_MS));
		frame_read(frame, key, seen);
	} while (!seen->wrapped && seen->to_port != flow->port);
}

/* The server answers and the client acknowledges: quiet again. */
static void answer(struct flow *flow, int fd, const char *response)
{
	uint32_t length = strlen(response), got = 0;
	struct frame frame;
	struct seen seen;

	assert_int_equal(send(fd, response, length, MSG_NOSIGNAL), length);
	while (got < length) {
		expect_frame(flow, &frame, &seen);
		assert_false(seen.wrapped);
		assert_int_equal(seen.from_port, 80);
		assert_true(seen.checksum_good);
		if (!seen.length)
			continue;
		assert_int_equal(seen.seq, flow->ack);
		assert_memory_equal(seen.payload, response + got, seen.length);
		assert_int_equal(seen.ack, flow->seq);
		got += seen.length;
		flow->ack += seen.length;
		flow->tsecr = seen.tsval;
		flow->tsval++;
	}
	segment(flow, &frame, 0, NULL);
	assert_int_equal(wire_send(&wire, &frame), 0);
}

#define REQUEST	 "GET /a HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* A first handoff; returns the server's socket. */
static int begin(struct flow *flow)
{
	struct frame frame;
	int fd;

	handoff(flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	fd = accept_now(flow, WIRE_WAIT_MS);
	assert_true(fd >= 0);
	expect_request(fd, REQUEST);
	flow->seq += strlen(REQUEST);
	return fd;
}

#define ROOT_ONLY()                                                                                \
	do {                                                                                       \
		if (skipped)                                                                       \
			skip();                                                                    \
	} while (0)

static void test_first_handoff(void **state)
{
	ROOT_ONLY();
	for (int six = 0; six < 2; six++) {
		struct flow flow = flow_new(six);
		uint64_t taken = counter(NODE_COUNT_TAKEN_FIRST);
		struct sockaddr_in6 peer = {0};
		socklen_t size = sizeof(peer);
		struct tcp_info info;
		struct held held;
		int fd = begin(&flow);

		assert_int_equal(counter(NODE_COUNT_TAKEN_FIRST), taken + 1);
		assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &size), 0);
		assert_int_equal(ntohs(peer.sin6_port), flow.port);
		size = sizeof(info);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
		assert_int_equal(info.tcpi_snd_wscale, 9);
		assert_int_equal(info.tcpi_rcv_wscale, 7);
		assert_true(info.tcpi_options & TCPI_OPT_TIMESTAMPS);
		assert_true(info.tcpi_options & TCPI_OPT_SACK);
		answer(&flow, fd, RESPONSE);
		/* The socket's clock goes on from the one in the header. */
		assert_true((int32_t)(flow.tsecr - flow.ts_clock) >= 0);
		assert_true(flow_held(&flow, &held));
		assert_int_equal(held.owner, (uint64_t)flow.generation << 32 | HELD_OPEN);
		assert_true(held.flags & HELD_SPOKEN);
		assert_int_equal(held.requests, 1);
		assert_int_equal(held.responses, 1);
		assert_int_equal(held.bytes_out, strlen(RESPONSE));
		close(fd);
	}
	(void)state;
}

/* A repeat of the handoff is nothing new: no second socket, no second request. */
static void test_repeated_handoff(void **state)
{
	struct frame frame;
	struct flow flow;
	uint64_t repeated, taken;
	int fd;

	ROOT_ONLY();
	flow = flow_new(false);
	taken = counter(NODE_COUNT_TAKEN_FIRST);
	repeated = counter(NODE_COUNT_REPEATED);
	fd = begin(&flow);
	flow.seq = flow.handoff_seq;
	handoff(&flow, &frame, TCP_PSH, REQUEST);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wire_send(&wire, &frame), 0);
	flow.seq += strlen(REQUEST);
	/* The next request is read behind the first one, with nothing between them. */
	segment(&flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	expect_request(fd, REQUEST);
	assert_int_equal(counter(NODE_COUNT_TAKEN_FIRST), taken + 1);
	assert_int_equal(counter(NODE_COUNT_REPEATED), repeated + 3);
	assert_int_equal(accept_now(&flow, 0), -1);
	close(fd);
	(void)state;
}

/* The next request belongs to another node: it comes back as a RETURN, whole; the server's socket
 * is reset, the client hears nothing of it; the flow's later segments are astray here. */
static void leave(struct flow *flow, int fd)
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
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
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
		leave(&flow, fd);
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
	leave(&flow, fd);
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
		{"GET / HTTP/1.1\r\nHost: a\r\nX: y", "", PIN_SPLIT},
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

/* A server that closed first has a socket in TIME_WAIT; a new connection from the same port takes
 * its place at once. */
static void test_time_wait(void **state)
{
	struct frame frame;
	struct flow flow;
	struct seen seen;
	uint64_t ousted;
	int fd;

	ROOT_ONLY();
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	close(fd);
	do
		expect_frame(&flow, &frame, &seen);
	while (!(seen.flags & TCP_FIN));
	flow.ack = seen.seq + 1;
	segment(&flow, &frame, TCP_FIN, NULL);
	assert_int_equal(wire_send(&wire, &frame), 0);
	do
		expect_frame(&flow, &frame, &seen);
	while (seen.ack != flow.seq + 1);

	ousted = counter(NODE_COUNT_OUSTED_TIME_WAIT);
	flow.generation++;
	flow.handoff_seq = flow.seq = 77000;
	flow.handoff_ack = flow.ack = 900000;
	flow.tsval = 1; /* even a client whose clock went back is served */
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	assert_int_equal(counter(NODE_COUNT_OUSTED_TIME_WAIT), ousted + 1);
	close(fd);
	(void)state;
}

/* A connection that the node still believes in is ousted by a newer one of the same port. */
static void test_oust_established(void **state)
{
	struct flow flow;
	uint64_t ousted;
	int old, fd;
	char byte;

	ROOT_ONLY();
	flow = flow_new(true);
	old = begin(&flow);
	answer(&flow, old, RESPONSE);
	ousted = counter(NODE_COUNT_OUSTED);
	flow.generation++;
	flow.handoff_seq = flow.seq = 5000000;
	flow.handoff_ack = flow.ack = 7;
	fd = begin(&flow);
	assert_int_equal(counter(NODE_COUNT_OUSTED), ousted + 1);
	assert_int_equal(recv(old, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	answer(&flow, fd, RESPONSE);
	close(fd);
	close(old);
	(void)state;
}

/* Every single thing that can be wrong with a header refuses it. */
static void test_refused_headers(void **state)
{
	struct baton_header header;
	struct frame frame, bare;
	struct flow flow;
	uint32_t at;

	ROOT_ONLY();
	flow = flow_new(false);
	segment(&flow, &bare, TCP_PSH, REQUEST);

#define ROW(field, value, why)                                                                     \
	do {                                                                                       \
		header = handoff_header(&flow);                                                    \
		header.field = (value);                                                            \
		frame = bare;                                                                      \
		frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);                            \
		assert_dropped(&frame, why);                                                       \
	} while (0)
	ROW(magic, 0, BAD_HEADER);
	ROW(version, BATON_VERSION_WIRE + 1, BAD_HEADER);
	ROW(type, BATON_RETURN, BAD_HEADER);
	ROW(epoch, 2, BAD_HEADER);
	ROW(protocol, 5, BAD_HEADER);
	ROW(protocol, 6, BAD_HEADER);
	ROW(epoch, 1, BAD_MAC); /* a key that isn't in force */
	ROW(node, htons(OTHER), NOT_MINE);
	ROW(time, htonl(cluster_time() - BATON_FRESH - 1), NOT_FRESH);
	ROW(time, htonl(cluster_time() + BATON_FRESH + 100), NOT_FRESH);
	ROW(seq, htonl(flow.seq - 1), EARLY);
#undef ROW

	/* Another key; then each byte of header and packet bent. */
	header = handoff_header(&flow);
	frame = bare;
	frame_wrap(&wire, &frame, &header, FRONT4, NODE4, (const uint64_t[2]){key[0], key[1] ^ 1});
	assert_dropped(&frame, BAD_MAC);
	frame = bare;
	frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);
	for (at = 14 + 28; at < frame.length; at++) {
		struct frame bent = frame;

		bent.bytes[at] ^= 0x10;
		assert_int_equal(verdict(node->progs.node_in, &bent, NULL), TC_ACT_SHOT);
		assert_int_equal(flow_state(&flow), 0);
	}
	/* Every truncation. */
	for (at = 14 + 28; at < frame.length; at++) {
		struct frame cut = frame;

		cut.length = at;
		assert_int_equal(verdict(node->progs.node_in, &cut, NULL), TC_ACT_SHOT);
		assert_int_equal(flow_state(&flow), 0);
	}

	/* Inner segments that no socket is made of. */
	for (int i = 0; i < 3; i++) {
		static const uint8_t flags[] = {TCP_SYN, TCP_RST, 0};

		segment(&flow, &frame, flags[i], i == 2 ? NULL : REQUEST);
		frame_wrap(&wire, &frame, &header, FRONT4, NODE4, key);
		assert_int_equal(verdict(node->progs.node_in, &frame, NULL), TC_ACT_SHOT);
		assert_int_equal(flow_state(&flow), 0);
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

/* No listener: the client is reset at once. */
static void test_no_listener(void **state)
{
	struct frame frame;
	struct flow flow;
	struct seen seen;

	ROOT_ONLY();
	close(listener4);
	flow = flow_new(false);
	handoff(&flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	expect_frame(&flow, &frame, &seen);
	assert_int_equal(seen.flags & TCP_RST, TCP_RST);
	assert_int_equal(seen.seq, flow.ack);
	assert_int_equal(flow_state(&flow), HELD_OVER);
	listener4 = listen_at(AF_INET);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_handoff),	  cmocka_unit_test(test_repeated_handoff),
		cmocka_unit_test(test_leave_and_return),  cmocka_unit_test(test_stays_until_quiet),
		cmocka_unit_test(test_ends_of_responses), cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_oust_established),  cmocka_unit_test(test_refused_headers),
		cmocka_unit_test(test_bare_segments),	  cmocka_unit_test(test_egress),
		cmocka_unit_test(test_no_listener),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* A node on a wire: its programs at eth0, stock sockets behind them, and a client and a front that
 * the test plays. */
#ifndef BATON_TESTS_BPF_NODE_H
#define BATON_TESTS_BPF_NODE_H

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

static __attribute__((unused)) uint32_t cluster_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec * 1000000000ll + now.tv_nsec) >> BATON_TIME_SHIFT;
}

static __attribute__((unused)) uint64_t counter(enum node_counter which)
{
	uint64_t values[libbpf_num_possible_cpus()], sum = 0;
	uint32_t at = which;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(node->maps.node_counters), &at, values),
			 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += values[i];
	return sum;
}

static __attribute__((unused)) void put(struct bpf_map *map, const void *map_key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), map_key, value, BPF_ANY), 0);
}

/* Every request belongs to `which` from now on. */
static __attribute__((unused)) void place_by(enum place_policy policy, uint32_t wants,
					     uint32_t which)
{
	struct place_pool pool = {.policy = policy,
				  .wants = wants,
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

static __attribute__((unused)) void place_at(uint32_t which)
{
	place_by(PLACE_HRW, PLACE_WANT_TARGET, which);
}

static __attribute__((unused)) int listen_at(int family)
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

static __attribute__((unused)) void attach(struct bpf_program *program,
					   enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = wire.ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));

	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
}

/* How sockets that were left are told to go, and what the services are otherwise. */
static __attribute__((unused)) void serve(enum release_kind release)
{
	struct service service = {
		.pool = POOL, .kind = SERVICE_HTTP, .rcv_wscale = 7, .release = release};
	struct service_key service_key = {.port = htons(80), .protocol = IPPROTO_TCP};

	service_key.vip = wire_address(VIP4);
	put(node->maps.services, &service_key, &service);
	service_key.vip = wire_address(VIP6);
	put(node->maps.services, &service_key, &service);
}

static __attribute__((unused)) int set_up(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct node_entry entry = {.state = NODE_UP, .reachable = 1, .weight = 1};
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
	serve(RELEASE_RST);
	place_at(HERE);
	assert_int_equal(bpf_tc_hook_create(&both), 0);
	attach(node->progs.node_in, BPF_TC_INGRESS);
	attach(node->progs.node_out, BPF_TC_EGRESS);
	listener4 = listen_at(AF_INET);
	listener6 = listen_at(AF_INET6);
	return 0;
}

static __attribute__((unused)) int tear_down(void **state)
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

static __attribute__((unused)) struct flow flow_new(bool six)
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

static __attribute__((unused)) struct flow_key flow_key(const struct flow *flow)
{
	struct flow_key k = {.client = wire_address(flow->six ? CLIENT6 : CLIENT4),
			     .vip = wire_address(flow->six ? VIP6 : VIP4),
			     .client_port = htons(flow->port),
			     .vip_port = htons(80)};

	return k;
}

static __attribute__((unused)) bool flow_held(const struct flow *flow, struct held *held)
{
	struct flow_key k = flow_key(flow);

	return !bpf_map_lookup_elem(bpf_map__fd(node->maps.held), &k, held);
}

static __attribute__((unused)) uint32_t flow_state(const struct flow *flow)
{
	struct held held;

	return flow_held(flow, &held) ? (uint32_t)held.owner : 0;
}

/* A bare segment of the client's. */
static __attribute__((unused)) void segment(const struct flow *flow, struct frame *frame,
					    uint8_t flags, const char *payload)
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

static __attribute__((unused)) struct baton_header handoff_header(const struct flow *flow)
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
static __attribute__((unused)) void handoff(const struct flow *flow, struct frame *frame,
					    uint8_t flags, const char *payload)
{
	struct baton_header header = handoff_header(flow);

	segment(flow, frame, flags, payload);
	frame_wrap(&wire, frame, &header, FRONT4, NODE4, key);
}

/* The verdict that a program gives for a frame, without the world around it. */
static __attribute__((unused)) int verdict(struct bpf_program *program, const struct frame *frame,
					   struct frame *out)
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
static __attribute__((unused)) int accept_now(const struct flow *flow, int ms)
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

static __attribute__((unused)) void expect_request(int fd, const char *request)
{
	char got[2048];
	size_t length = strlen(request);

	assert_int_equal(recv(fd, got, length, MSG_WAITALL), length);
	assert_memory_equal(got, request, length);
}

/* The next frame on the wire of this flow, or wrapped. */
static __attribute__((unused)) void expect_frame(const struct flow *flow, struct frame *frame,
						 struct seen *seen)
{
	do {
		assert_true(wire_receive(&wire, frame, WIRE_WAIT_MS));
		frame_read(frame, key, seen);
	} while (!seen->wrapped && seen->to_port != flow->port);
}

/* The server answers and the client acknowledges: quiet again. */
static __attribute__((unused)) void answer(struct flow *flow, int fd, const char *response)
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
static __attribute__((unused)) int begin(struct flow *flow)
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

#endif

/* Handoffs on a wire, with the kernel's own sockets at the end: taken, repeated, refused, and what
 * was in a new connection's way. What must be dropped is asked of BPF_PROG_TEST_RUN, which waits
 * for nothing. */
#include "node.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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
	struct seen seen;
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
	/* The front learns that it need not wrap any more. */
	do
		expect_frame(&flow, &frame, &seen);
	while (!seen.wrapped);
	assert_true(seen.mac_good);
	assert_int_equal(seen.header.type, BATON_CONFIRM);
	assert_int_equal(ntohl(seen.header.generation), flow.generation);
	while (wire_receive(&wire, &frame, 0))
		;
	close(fd);
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

/* A server in the middle of a system call on its socket: it sends from a page that isn't there
 * until the test says so, and the kernel holds the socket's lock meanwhile. */
struct busy {
	int fd, fault;
	char *page;
	pthread_t thread;
};

static void *busy_send(void *owner)
{
	struct busy *busy = owner;

	send(busy->fd, busy->page, 4096, MSG_NOSIGNAL);
	return NULL;
}

static bool busy_begin(struct busy *busy, int fd)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	struct pollfd ready = {.events = POLLIN};

	busy->fd = fd;
	busy->fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (busy->fault < 0)
		return false;
	assert_int_equal(ioctl(busy->fault, UFFDIO_API, &api), 0);
	busy->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(busy->page != MAP_FAILED);
	range.range.start = (uintptr_t)busy->page;
	range.range.len = 4096;
	assert_int_equal(ioctl(busy->fault, UFFDIO_REGISTER, &range), 0);
	assert_int_equal(pthread_create(&busy->thread, NULL, busy_send, busy), 0);
	ready.fd = busy->fault;
	assert_int_equal(poll(&ready, 1, WIRE_WAIT_MS), 1); /* it is in the middle */
	assert_int_equal(ready.revents, POLLIN);
	return true;
}

static void busy_end(struct busy *busy)
{
	struct uffdio_zeropage fill = {.range = {.start = (uintptr_t)busy->page, .len = 4096}};

	assert_int_equal(ioctl(busy->fault, UFFDIO_ZEROPAGE, &fill), 0);
	assert_int_equal(pthread_join(busy->thread, NULL), 0);
	munmap(busy->page, 4096);
	close(busy->fault);
}

static int take_parked(void *owner, void *data, size_t size)
{
	assert_int_equal(size, sizeof(struct parked));
	memcpy(owner, data, size);
	return 0;
}

/* A request that comes to a socket that is still held by its server waits: it goes round a few
 * times, then the daemon has it, and when the socket is gone it is served. */
static void test_parked(void **state)
{
	static struct parked parked;
	struct __sk_buff context = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = parked.frame, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	struct ring_buffer *ring;
	struct busy busy;
	struct frame frame;
	struct flow flow;
	uint64_t bounced;
	int old, fd;

	ROOT_ONLY();
	flow = flow_new(false);
	ring = ring_buffer__new(bpf_map__fd(node->maps.parked), take_parked, &parked, NULL);
	assert_non_null(ring);
	old = begin(&flow);
	if (!busy_begin(&busy, old)) {
		print_message("# no userfaultfd here\n");
		skip();
	}
	bounced = counter(NODE_COUNT_BOUNCED);
	flow.generation++;
	flow.handoff_seq = flow.seq = 3000000000;
	flow.handoff_ack = flow.ack = 4294967290;
	handoff(&flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	assert_int_equal(ring_buffer__poll(ring, WIRE_WAIT_MS), 1);
	assert_int_equal(counter(NODE_COUNT_BOUNCED), bounced + PARK_BOUNCES);
	assert_int_equal(parked.length, frame.length);
	assert_memory_equal(parked.frame, frame.bytes, frame.length);
	assert_int_equal(accept_now(&flow, 0), -1);

	busy_end(&busy);
	while (wire_receive(&wire, &frame, 0))
		; /* what the old connection still had to say */
	run.data_size_in = parked.length;
	context.ifindex = parked.ifindex;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(node->progs.node_unpark), &run), 0);
	fd = accept_now(&flow, WIRE_WAIT_MS);
	assert_true(fd >= 0);
	expect_request(fd, REQUEST);
	flow.seq += strlen(REQUEST);
	answer(&flow, fd, RESPONSE);
	ring_buffer__free(ring);
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
		cmocka_unit_test(test_first_handoff), cmocka_unit_test(test_repeated_handoff),
		cmocka_unit_test(test_time_wait),     cmocka_unit_test(test_oust_established),
		cmocka_unit_test(test_parked),	      cmocka_unit_test(test_refused_headers),
		cmocka_unit_test(test_no_listener),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

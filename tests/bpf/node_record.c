/* What the node's programs tell of single requests, and the durations that they count. */
#include "node.h"

#include "wire/request_record.h"
#include "wire/times.h"

#include <stdlib.h>

enum { RECORDS_MOST = 64 };

static struct request_record records[RECORDS_MOST];
static unsigned int record_count;
static struct ring_buffer *ring;

static int keep(void *owner, void *data, size_t size)
{
	(void)owner;
	assert_in_range(size, offsetof(struct request_record, text), sizeof(*records));
	assert_true(record_count < RECORDS_MOST);
	memset(&records[record_count], 0, sizeof(*records));
	memcpy(&records[record_count++], data, size);
	return 0;
}

static void want(bool log)
{
	struct watch watch = {.log = log};
	uint32_t at = 0;

	put(node->maps.watch, &at, &watch);
}

/* What has been told since the last call. */
static unsigned int told(void)
{
	record_count = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	return record_count;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void open_ring(void)
{
	ring = ring_buffer__new(bpf_map__fd(node->maps.records), keep, NULL, NULL);
	assert_non_null(ring);
}

#define assert_text(record, line, host)                                                            \
	do {                                                                                       \
		assert_int_equal((record)->line_length, strlen(line));                             \
		assert_memory_equal((record)->text, line, strlen(line));                           \
		assert_int_equal((record)->host_length, strlen(host));                             \
		assert_memory_equal((record)->text + strlen(line), host, strlen(host));            \
	} while (0)

static void request_again(struct flow *flow, int fd, const char *request)
{
	struct frame frame;

	segment(flow, &frame, TCP_PSH, request);
	assert_int_equal(wire_send(&wire, &frame), 0);
	expect_request(fd, request);
	flow->seq += strlen(request);
}

static void test_nothing_unless_wanted(void **state)
{
	struct flow flow;
	int fd;

	(void)state;
	ROOT_ONLY();
	open_ring();
	want(false);
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	assert_int_equal(told(), 0);
	close(fd);
	assert_int_equal(told(), 0);
}

static void test_request_and_response(void **state)
{
	struct flow_key k;
	struct flow flow;
	uint64_t before, between, after;
	int fd;

	(void)state;
	ROOT_ONLY();
	want(true);
	for (int six = 0; six < 2; six++) {
		flow = flow_new(six);
		k = flow_key(&flow);
		before = now_ns();
		fd = begin(&flow);
		between = now_ns();
		answer(&flow, fd, RESPONSE);
		after = now_ns();
		assert_int_equal(told(), 2);
		assert_int_equal(records[0].kind, RECORD_REQUEST);
		assert_memory_equal(&records[0].key, &k, sizeof(k));
		assert_int_equal(records[0].generation, flow.generation);
		assert_int_equal(records[0].number, 0);
		assert_int_equal(records[0].flags, RECORD_FIRST | RECORD_MINOR_1);
		assert_int_equal(records[0].wanted, 0);
		assert_text(&records[0], "GET /a", "www.example.org");
		assert_in_range(records[0].time_ns, before, between);
		assert_int_equal(records[1].kind, RECORD_RESPONSE);
		assert_memory_equal(&records[1].key, &k, sizeof(k));
		assert_int_equal(records[1].number, 0);
		assert_int_equal(records[1].status, 200);
		assert_int_equal(records[1].bytes, 5);
		assert_int_equal(records[1].flags, 0);
		assert_in_range(records[1].first_ns, between, after);
		assert_in_range(records[1].time_ns, records[1].first_ns, after);
		/* The next one on the connection came by no handoff. */
		request_again(&flow, fd, "HEAD /b?c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
		answer(&flow, fd,
		       "HTTP/1.1 404 Not Found\r\nContent-Length: 700\r\nConnection: "
		       "keep-alive\r\n\r\n");
		assert_int_equal(told(), 2);
		assert_int_equal(records[0].number, 1);
		assert_int_equal(records[0].flags, 0);
		assert_text(&records[0], "HEAD /b?c", "");
		assert_int_equal(records[1].number, 1);
		assert_int_equal(records[1].status, 404);
		assert_int_equal(records[1].bytes, 0);
		close(fd);
	}
}

/* Each of several responses in one packet has its own record, and bodies are counted as sent. */
static void test_pipelined(void **state)
{
	static const struct {
		unsigned int status, bytes;
	} wanted[] = {{200, 5}, {206, 15}, {304, 0}, {200, 0}};
	struct flow flow;
	struct frame frame;
	int fd;

	(void)state;
	ROOT_ONLY();
	want(true);
	flow = flow_new(false);
	fd = begin(&flow);
	segment(&flow, &frame, TCP_PSH, REQUEST REQUEST REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	expect_request(fd, REQUEST REQUEST REQUEST);
	flow.seq += 3 * strlen(REQUEST);
	answer(&flow, fd,
	       RESPONSE "HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n"
			"5\r\nhello\r\n0\r\n\r\n"
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(told(), 8);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(records[i].kind, RECORD_REQUEST);
		assert_int_equal(records[i].number, i);
		assert_int_equal(records[4 + i].kind, RECORD_RESPONSE);
		assert_int_equal(records[4 + i].number, i);
		assert_int_equal(records[4 + i].status, wanted[i].status);
		assert_int_equal(records[4 + i].bytes, wanted[i].bytes);
	}
	close(fd);
}

/* A response that ends with its connection, and those that the connection's end cuts. */
static void test_ends_of_connections(void **state)
{
	static const struct {
		const char *response;
		bool reset;
		unsigned int status, bytes, flags;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\n\r\nup to the end", false, 200, 13, 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", false, 200, 5, RECORD_CUT},
		{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true, 200, 5, RECORD_CUT},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nother", false, 101, 5,
		 RECORD_CUT | RECORD_UNFOLLOWED},
		{"", false, 0, 0, RECORD_CUT},
	};
	struct linger linger = {.l_onoff = 1};
	struct frame frame;
	struct flow flow;
	struct seen seen;
	int fd;

	(void)state;
	ROOT_ONLY();
	want(true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		flow = flow_new(false);
		fd = begin(&flow);
		if (*rows[i].response)
			answer(&flow, fd, rows[i].response);
		assert_int_equal(told(), 1);
		if (rows[i].reset)
			assert_int_equal(
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
		close(fd);
		do
			expect_frame(&flow, &frame, &seen);
		while (!(seen.flags & (TCP_FIN | TCP_RST)));
		assert_int_equal(told(), 1);
		assert_int_equal(records[0].kind, RECORD_RESPONSE);
		assert_int_equal(records[0].status, rows[i].status);
		assert_int_equal(records[0].bytes, rows[i].bytes);
		assert_int_equal(records[0].flags, rows[i].flags);
	}
}

/* A request that goes to another node is told of, and taken back. */
static void test_moved(void **state)
{
	struct frame frame;
	struct flow flow;
	struct seen seen;
	int fd;

	(void)state;
	ROOT_ONLY();
	want(true);
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	assert_int_equal(told(), 2);
	place_at(THERE);
	segment(&flow, &frame, TCP_PSH, REQUEST);
	assert_int_equal(wire_send(&wire, &frame), 0);
	expect_frame(&flow, &frame, &seen);
	assert_true(seen.wrapped);
	assert_int_equal(told(), 2);
	assert_int_equal(records[0].kind, RECORD_REQUEST);
	assert_int_equal(records[0].number, 1);
	assert_int_equal(records[0].wanted, THERE);
	assert_int_equal(records[1].kind, RECORD_MOVED);
	assert_int_equal(records[1].number, 1);
	/* While an answer is under way the flow can't move: the request is served here. */
	flow = flow_new(false);
	place_at(HERE);
	close(fd);
	fd = begin(&flow);
	place_at(THERE);
	request_again(&flow, fd, REQUEST);
	answer(&flow, fd, RESPONSE RESPONSE);
	assert_int_equal(told(), 4);
	assert_int_equal(records[1].kind, RECORD_REQUEST);
	assert_int_equal(records[1].reason, PLACE_REASON_STAY);
	place_at(HERE);
	close(fd);
}

/* Long lines and hosts are cut, and say so. */
static void test_cut_texts(void **state)
{
	char request[1300], path[701], host[201];
	struct flow flow;
	int fd;

	(void)state;
	ROOT_ONLY();
	want(true);
	memset(path, 'p', 700);
	path[700] = 0;
	memset(host, 'h', 200);
	host[200] = 0;
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	snprintf(request, sizeof(request), "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
	request_again(&flow, fd, request);
	assert_int_equal(told(), 3);
	assert_int_equal(records[2].flags, RECORD_MINOR_1 | RECORD_CUT_LINE | RECORD_CUT_HOST);
	assert_int_equal(records[2].line_length, RECORD_LINE_MAX);
	assert_int_equal(records[2].host_length, RECORD_HOST_MAX);
	assert_memory_equal(records[2].text, request, RECORD_LINE_MAX);
	assert_memory_equal(records[2].text + RECORD_LINE_MAX, host, RECORD_HOST_MAX);
	close(fd);
}

/* Nobody reads: what finds no room is counted, and the responses go out all the same. */
static void test_lost(void **state)
{
	char request[700];
	uint64_t lost;
	struct flow flow;
	int fd, count = 0;

	(void)state;
	ROOT_ONLY();
	want(true);
	memset(request, 'p', sizeof(request));
	memcpy(request, "GET /", 5);
	strcpy(request + 600, " HTTP/1.1\r\nHost: h\r\n\r\n");
	lost = counter(NODE_COUNT_LOG_LOST);
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	while (counter(NODE_COUNT_LOG_LOST) == lost) {
		request_again(&flow, fd, request);
		answer(&flow, fd, RESPONSE);
		assert_true(++count <= RECORDS_SIZE / RECORD_LINE_MAX);
	}
	close(fd);
}

static uint64_t timed(enum times_kind kind)
{
	struct times values[libbpf_num_possible_cpus()];
	uint32_t at = TIMES_OF(0, kind);
	uint64_t sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(node->maps.node_times), &at, values), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		for (int j = 0; j < TIMES_BUCKETS; j++)
			sum += values[i].buckets[j];
	return sum;
}

static void test_times(void **state)
{
	uint64_t first_byte, whole;
	struct flow flow;
	int fd;

	(void)state;
	ROOT_ONLY();
	first_byte = timed(TIMES_FIRST_BYTE);
	whole = timed(TIMES_WHOLE);
	flow = flow_new(false);
	fd = begin(&flow);
	answer(&flow, fd, RESPONSE);
	assert_int_equal(timed(TIMES_FIRST_BYTE), first_byte + 1);
	assert_int_equal(timed(TIMES_WHOLE), whole + 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_unless_wanted),
		cmocka_unit_test(test_request_and_response),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_ends_of_connections),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_cut_texts),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_lost),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

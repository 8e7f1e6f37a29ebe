/* The front's other kinds of services: TLS, placed by server name; TCP and UDP, only forwarded.
 * Needs root. */
#include "front.h"

static const char web[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

static void kind_is(unsigned int kind, unsigned int flags)
{
	struct service service = {
		.id = 1, .pool = POOL, .kind = kind, .flags = flags, .rcv_wscale = RCV_WSCALE};
	struct service_key udp = {
		.vip = vip4, .port = htons(SERVICE_PORT), .protocol = IPPROTO_UDP};

	front_services(service);
	if (kind == SERVICE_LAYER4) {
		front_map_set(front->maps.services, &udp, &service);
		udp.vip = vip6;
		front_map_set(front->maps.services, &udp, &service);
	}
}

static int reset(void **state)
{
	struct layer4_key key;

	while (!bpf_map_get_next_key(bpf_map__fd(front->maps.layer4), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(front->maps.layer4), &key), 0);
	return front_reset(state);
}

/* A TLS 1.2 ClientHello with this server name. Returns its length. */
static unsigned int hello_make(unsigned char *at, const char *name)
{
	unsigned int length = strlen(name);
	unsigned char *record = at, *extensions;

	memcpy(at, "\x16\3\1\0\0\1\0\0\0\3\3", 11);
	memset(at + 11, 0x55, 32); /* random */
	memcpy(at + 43, "\0\0\2\x13\1\1\0", 7);
	extensions = at + 50;
	run_put16(extensions, 9 + length);
	run_put16(extensions + 2, 0);
	run_put16(extensions + 4, 5 + length);
	run_put16(extensions + 6, 3 + length);
	extensions[8] = 0;
	run_put16(extensions + 9, length);
	memcpy(extensions + 11, name, length);
	at = extensions + 11 + length;
	run_put16(record + 3, at - record - 5);
	run_put16(record + 7, at - record - 9);
	return at - record;
}

/* As client_segment, of bytes that may be nought. */
static void client_bytes(const struct client *client, const unsigned char *bytes,
			 unsigned int length, struct frame *frame)
{
	struct tcp_segment segment;

	client_segment(client, ACK | PSH, NULL, frame);
	run_read_tcp(frame, &segment);
	segment.payload = bytes;
	segment.length = length;
	run_make_tcp(frame, &segment);
}

static void tls_goes_by_server_name(void **state)
{
	__u64 split = front_count(FRONT_COUNT_FALLBACK_SPLIT),
	      other = front_count(FRONT_COUNT_FALLBACK_NOT_HTTP);
	static struct scratch scratch;
	struct client client = CLIENT;
	struct baton_header header;
	unsigned char hello[200];
	unsigned int length, seen[NODES + 1] = {0};
	struct frame in;

	(void)state;
	kind_is(SERVICE_TLS, 0);
	for (int i = 0; i < 30; i++) {
		struct place_query query = {.pool = POOL};
		struct target_text text = {0};
		char name[50];

		client.port++;
		snprintf(name, sizeof(name), "host%d.example.org", i);
		text.host_length = strlen(name);
		memcpy(scratch.bytes, name, sizeof(name));
		place_text(&query, place_wants(POOL), &scratch, &text);
		length = hello_make(hello, name);
		client_connect(&client, NULL);
		client_bytes(&client, hello, length, &in);
		header = client_handoff(&in);
		assert_int_equal(ntohs(header.node), place_choose(&query));
		assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST | BATON_FLAG_PINNED);
		assert_int_equal(header.reason, PLACE_REASON_POLICY);
		seen[ntohs(header.node)]++;
	}
	for (int node = 1; node <= NODES; node++)
		assert_int_not_equal(seen[node], 0);
	/* Cut off before the name, and no TLS. */
	length = hello_make(hello, "host.example.org");
	client.port++;
	client_connect(&client, NULL);
	client_bytes(&client, hello, 50, &in);
	assert_int_equal(client_handoff(&in).reason, PLACE_REASON_FALLBACK);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_SPLIT), split + 1);
	client.port++;
	client_connect(&client, NULL);
	client_bytes(&client, (const unsigned char *)web, strlen(web), &in);
	assert_int_equal(client_handoff(&in).reason, PLACE_REASON_FALLBACK);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_NOT_HTTP), other + 1);
}

/* The node that the frame goes to, as it came. */
static unsigned int forwarded(const struct frame *in)
{
	struct frame out;

	assert_int_equal(front_run(in, &out), XDP_TX);
	assert_int_equal(out.length, in->length);
	assert_memory_equal(out.bytes + 6, front_mac, 6);
	assert_memory_equal(out.bytes + 12, in->bytes + 12, in->length - 12);
	assert_in_range(out.bytes[5], 1, NODES);
	return out.bytes[5];
}

static void tcp_from_the_syn_on(void **state)
{
	struct client client = CLIENT;
	unsigned int seen[NODES + 1] = {0}, node, again;
	struct tcp_segment answer;
	struct frame in, out;

	(void)state;
	kind_is(SERVICE_LAYER4, 0);
	for (int i = 0; i < 60; i++) {
		client.port++;
		client.six = i & 1;
		client_segment(&client, SYN, NULL, &in);
		node = forwarded(&in);
		seen[node]++;
		assert_int_equal(forwarded(&in), node);
		client_segment(&client, ACK, NULL, &in);
		assert_int_equal(forwarded(&in), node);
		client_segment(&client, ACK | PSH, "anything", &in);
		assert_int_equal(forwarded(&in), node);
	}
	for (int i = 1; i <= NODES; i++)
		assert_int_not_equal(seen[i], 0);
	/* A node that drains keeps its connections. */
	front_node(node, NODE_DRAIN);
	assert_int_equal(forwarded(&in), node);
	/* Of one that is down they end, and begin elsewhere. */
	front_node(node, NODE_DOWN);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
	front_pool_without(node);
	client_segment(&client, SYN, NULL, &in);
	again = forwarded(&in);
	assert_int_not_equal(again, node);
	/* Nobody there. */
	front_pool(false);
	client.port++;
	client_segment(&client, SYN, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST | ACK);
	assert_int_equal(answer.ack, client.seq + 1);
}

static void datagram(const struct client *client, struct frame *frame)
{
	struct address source = client->six ? client6 : client4,
		       destination = client->six ? vip6 : vip4;
	unsigned char *udp;

	run_ethernet(frame->bytes, client_mac, front_mac, &source);
	udp = frame->bytes + 14;
	udp += run_ip(udp, &source, &destination, IPPROTO_UDP, 8 + 12);
	run_put16(udp, client->port);
	run_put16(udp + 2, SERVICE_PORT);
	run_put16(udp + 4, 20);
	run_put16(udp + 6, 0);
	memcpy(udp + 8, "hello, world", 12);
	frame->length = udp + 20 - frame->bytes;
}

static void udp_by_flow(void **state)
{
	unsigned int seen[NODES + 1] = {0}, node = 0;
	struct client client = CLIENT;
	struct frame in, out;

	(void)state;
	kind_is(SERVICE_LAYER4, 0);
	for (int i = 0; i < 60; i++) {
		client.port++;
		client.six = i & 1;
		datagram(&client, &in);
		node = forwarded(&in);
		seen[node]++;
		assert_int_equal(forwarded(&in), node);
	}
	for (int i = 1; i <= NODES; i++)
		assert_int_not_equal(seen[i], 0);
	front_node(node, NODE_DOWN);
	front_pool_without(node);
	assert_int_not_equal(forwarded(&in), node);
	/* A fragment. */
	client.six = false;
	datagram(&client, &in);
	run_put16(in.bytes + 20, 0x2000);
	assert_dropped(&in, FRONT_COUNT_FRAGMENTS);
	/* Nobody there. */
	front_pool(false);
	client.port++;
	datagram(&client, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
}

static void udp_datagram_by_datagram(void **state)
{
	unsigned int seen[NODES + 1] = {0};
	struct client client = CLIENT;
	struct layer4_key key;
	struct frame in;

	(void)state;
	front_pool_of(PLACE_RR, 0);
	kind_is(SERVICE_LAYER4, SERVICE_PACKET);
	datagram(&client, &in);
	for (int i = 0; i < 3 * NODES; i++)
		seen[forwarded(&in)]++;
	for (int i = 1; i <= NODES; i++)
		assert_int_equal(seen[i], 3);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(front->maps.layer4), NULL, &key),
			 -ENOENT);
}

#define T(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tls_goes_by_server_name),
		T(tcp_from_the_syn_on),
		T(udp_by_flow),
		T(udp_datagram_by_datagram),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

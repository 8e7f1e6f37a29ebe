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
	while (!bpf_map_get_next_key(bpf_map__fd(front->maps.nat_back), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(front->maps.nat_back), &key), 0);
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

/* Policies that go by load see a connection from its SYN to its end, and no longer. */
static void connections_weigh_until_they_end(void **state)
{
	struct client client = CLIENT, first;
	unsigned int node;
	struct frame in;

	(void)state;
	kind_is(SERVICE_LAYER4, 0);
	front_pool_of(PLACE_LC, 0);
	memset(kernel_world->loads, 0, sizeof(*kernel_world->loads) * (NODES + 1));
	kernel_world->loads[PLACE_NODES_MAX + POOL].flows = 0;
	/* One each, then the one that has room again. */
	for (int i = 0; i < 3 * NODES; i++) {
		client.port++;
		client_segment(&client, SYN, NULL, &in);
		node = forwarded(&in);
		if (!i)
			first = client;
	}
	for (node = 1; node <= NODES; node++)
		assert_int_equal(place_node_load(node), 3);
	assert_int_equal(kernel_world->loads[PLACE_NODES_MAX + POOL].flows, 3 * NODES);
	client_segment(&first, ACK | FIN, NULL, &in);
	node = forwarded(&in);
	assert_int_equal(place_node_load(node), 2);
	/* Said twice it is over once; its port is used again. */
	assert_int_equal(forwarded(&in), node);
	client_segment(&first, RST, NULL, &in);
	assert_int_equal(forwarded(&in), node);
	assert_int_equal(place_node_load(node), 2);
	client_segment(&first, SYN, NULL, &in);
	assert_int_equal(forwarded(&in), node);
	assert_int_equal(place_node_load(node), 3);
	assert_int_equal(kernel_world->loads[PLACE_NODES_MAX + POOL].flows, 3 * NODES);
	/* Other policies leave no charge behind. */
	front_pool(true);
	client.port++;
	client_segment(&client, SYN, NULL, &in);
	node = forwarded(&in);
	client_segment(&client, RST, NULL, &in);
	forwarded(&in);
	assert_int_equal(place_node_load(node), 3);
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

/* ---- nat ---- */

static struct address node_address(unsigned int node, bool six)
{
	struct address address = run_address(six ? "fd77::10" : "10.77.0.10");

	address.words[3] = htonl(ntohl(address.words[3]) + node);
	return address;
}

static void nat_begins(void)
{
	struct service service = {.id = 1,
				  .pool = POOL,
				  .kind = SERVICE_LAYER4,
				  .forward = FORWARD_NAT,
				  .rcv_wscale = RCV_WSCALE};
	struct service_key udp = {
		.vip = vip4, .port = htons(SERVICE_PORT), .protocol = IPPROTO_UDP};

	for (__u32 id = 1; id <= NODES; id++) {
		struct node_entry node = {.mac = {2, 0, 0, 0, 1, id},
					  .state = NODE_UP,
					  .reachable = 1,
					  .address = node_address(id, false),
					  .address6 = node_address(id, true)};

		front_map_set(front->maps.nodes, &id, &node);
	}
	front_services(service);
	front_map_set(front->maps.services, &udp, &service);
	udp.vip = vip6;
	front_map_set(front->maps.services, &udp, &service);
}

static const unsigned char *ip_of(const struct frame *frame)
{
	return frame->bytes + 14;
}

/* The sum of what the transport's checksum covers, pseudo header included: right if 0xffff. */
static unsigned int transport_sum(const unsigned char *ip, unsigned int length)
{
	bool six = *ip >> 4 == 6;
	unsigned int header = six ? 40 : 20, sum;

	sum = run_sum(ip + (six ? 8 : 12), six ? 32 : 8, length - header + ip[six ? 6 : 9]);
	return run_sum(ip + header, length - header, sum);
}

static void assert_address(const unsigned char *ip, bool source, const struct address *is)
{
	bool six = *ip >> 4 == 6;

	if (six)
		assert_memory_equal(ip + (source ? 8 : 24), is, 16);
	else
		assert_memory_equal(ip + (source ? 12 : 16), &is->words[3], 4);
}

/* The frame turned round: what its receiver would answer with the same bytes. */
static void turned(const struct frame *frame, struct frame *back)
{
	unsigned int size = *ip_of(frame) >> 4 == 6 ? 16 : 4, at = size == 16 ? 22 : 26;

	*back = *frame;
	memcpy(back->bytes, front_mac, 6);
	memcpy(back->bytes + 6, frame->bytes, 6);
	memcpy(back->bytes + at, frame->bytes + at + size, size);
	memcpy(back->bytes + at + size, frame->bytes + at, size);
	memcpy(back->bytes + at + 2 * size, frame->bytes + at + 2 * size + 2, 2);
	memcpy(back->bytes + at + 2 * size + 2, frame->bytes + at + 2 * size, 2);
}

/* There and back: addresses and checksums of both ways. Returns the node. */
static unsigned int nat_both_ways(const struct client *client, const struct frame *in)
{
	unsigned int node, length = in->length - 14;
	struct address own;
	struct frame out, back, heard;

	assert_int_equal(front_run(in, &out), XDP_TX);
	node = out.bytes[5];
	assert_in_range(node, 1, NODES);
	own = node_address(node, client->six);
	assert_int_equal(out.length, in->length);
	assert_memory_equal(out.bytes + 6, front_mac, 6);
	assert_address(ip_of(&out), true, client->six ? &client6 : &client4);
	assert_address(ip_of(&out), false, &own);
	if (!client->six)
		assert_int_equal(run_sum(ip_of(&out), 20, 0), 0xffff);
	assert_int_equal(transport_sum(ip_of(&out), length), 0xffff);
	turned(&out, &back);
	assert_int_equal(front_run(&back, &heard), XDP_TX);
	assert_memory_equal(heard.bytes, client_mac, 6);
	assert_memory_equal(heard.bytes + 6, front_mac, 6);
	assert_address(ip_of(&heard), true, client->six ? &vip6 : &vip4);
	assert_address(ip_of(&heard), false, client->six ? &client6 : &client4);
	if (!client->six)
		assert_int_equal(run_sum(ip_of(&heard), 20, 0), 0xffff);
	assert_int_equal(transport_sum(ip_of(&heard), length), 0xffff);
	return node;
}

static void checksum_fill(struct frame *frame)
{
	unsigned char *ip = frame->bytes + 14, *field = ip + (*ip >> 4 == 6 ? 40 : 20) + 6;
	unsigned int sum = ~transport_sum(ip, frame->length - 14) & 0xffff;

	run_put16(field, sum ? sum : 0xffff);
}

static void nat_both_ways_tcp_and_udp(void **state)
{
	unsigned int seen[NODES + 1] = {0}, node;
	struct client client = CLIENT;
	struct frame in, out, back;

	(void)state;
	nat_begins();
	for (int i = 0; i < 60; i++) {
		client.port++;
		client.six = i & 1;
		client_segment(&client, SYN, NULL, &in);
		node = nat_both_ways(&client, &in);
		seen[node]++;
		client_segment(&client, ACK | PSH, "anything", &in);
		assert_int_equal(nat_both_ways(&client, &in), node);
		datagram(&client, &in);
		checksum_fill(&in);
		nat_both_ways(&client, &in);
	}
	for (int i = 1; i <= NODES; i++)
		assert_int_not_equal(seen[i], 0);
	/* A datagram without a checksum gets none. */
	client.six = false;
	datagram(&client, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(run_get16(out.bytes + 40), 0);
	/* What no client asked for is the host's own. */
	turned(&out, &back);
	run_put16(back.bytes + 36, client.port + 1);
	assert_int_equal(front_run(&back, &out), XDP_PASS);
}

static void nat_refuses_two_vips_on_one_port(void **state)
{
	struct service service = {
		.id = 2, .pool = POOL, .kind = SERVICE_LAYER4, .forward = FORWARD_NAT};
	struct place_node node = {1, "n1", 1, PLACE_UP};
	struct place_plan plan = {.policy = PLACE_HRW, .nodes = &node, .count = 1};
	struct address first = vip4, second = run_address("10.77.0.101");
	struct client client = CLIENT;
	struct frame in, out;

	(void)state;
	nat_begins();
	assert_int_equal(place_build(kernel_world, POOL, &plan), 0);
	front_service(&second, service);
	client_segment(&client, SYN, NULL, &in);
	assert_int_equal(nat_both_ways(&client, &in), 1);
	vip4 = second;
	client_segment(&client, SYN, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_NAT_CLASHES);
	/* The first one has ended: now it may. */
	vip4 = first;
	client_segment(&client, ACK | RST, NULL, &out);
	assert_int_equal(front_run(&out, &out), XDP_TX);
	vip4 = second;
	assert_int_equal(nat_both_ways(&client, &in), 1);
	vip4 = first;
}

/* An ICMP message of `type` from `source` to `destination` that quotes the IP packet of `quoted`.
 */
static void icmp_quotes(const struct frame *quoted, unsigned int type, unsigned int code,
			const struct address *source, const struct address *destination,
			struct frame *frame)
{
	bool six = *ip_of(quoted) >> 4 == 6;
	unsigned int header = six ? 40 : 20, length = header + 8;
	unsigned char *icmp = frame->bytes + 14 + header;

	run_ethernet(frame->bytes, client_mac, front_mac, source);
	run_ip(frame->bytes + 14, source, destination, six ? 58 : IPPROTO_ICMP, 8 + length);
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 8, ip_of(quoted), length);
	frame->length = 14 + header + 8 + length;
	run_put16(icmp + 2, ~(six ? transport_sum(ip_of(frame), frame->length - 14)
				  : run_sum(icmp, 8 + length, 0)));
}

static void assert_icmp_good(const struct frame *frame)
{
	bool six = *ip_of(frame) >> 4 == 6;

	if (six) {
		assert_int_equal(transport_sum(ip_of(frame), frame->length - 14), 0xffff);
	} else {
		assert_int_equal(run_sum(ip_of(frame), 20, 0), 0xffff);
		assert_int_equal(run_sum(frame->bytes + 34, frame->length - 34, 0), 0xffff);
		assert_int_equal(run_sum(frame->bytes + 42, 20, 0), 0xffff);
	}
}

static void nat_translates_icmp(void **state)
{
	(void)state;
	nat_begins();
	for (int i = 0; i < 4; i++) {
		bool six = i & 1;
		struct address router = run_address(six ? "fd77:9::9" : "10.77.9.9"), own;
		unsigned int quoted = six ? 14 + 40 + 8 : 14 + 20 + 8;
		struct client client = CLIENT;
		struct frame in, out, back, heard, icmp;

		client.six = six;
		client.port += i;
		if (i < 2) {
			datagram(&client, &in);
			checksum_fill(&in);
		} else {
			client_segment(&client, SYN, NULL, &in);
		}
		assert_int_equal(front_run(&in, &out), XDP_TX);
		own = node_address(out.bytes[5], six);
		/* The node says that nobody listens there. */
		icmp_quotes(&out, six ? 1 : 3, six ? 4 : 3, &own, six ? &client6 : &client4, &icmp);
		assert_int_equal(front_run(&icmp, &heard), XDP_TX);
		assert_memory_equal(heard.bytes, client_mac, 6);
		assert_address(ip_of(&heard), true, six ? &vip6 : &vip4);
		assert_address(heard.bytes + quoted, false, six ? &vip6 : &vip4);
		assert_icmp_good(&heard);
		/* A router before the node: speaks for itself. */
		icmp_quotes(&out, six ? 3 : 11, 0, &router, six ? &client6 : &client4, &icmp);
		assert_int_equal(front_run(&icmp, &heard), XDP_TX);
		assert_address(ip_of(&heard), true, &router);
		assert_address(heard.bytes + quoted, false, six ? &vip6 : &vip4);
		assert_icmp_good(&heard);
		/* A router before the client tells the VIP that the node's packet is too big. */
		turned(&out, &back);
		assert_int_equal(front_run(&back, &heard), XDP_TX);
		icmp_quotes(&heard, six ? 2 : 3, six ? 0 : 4, &router, six ? &vip6 : &vip4, &icmp);
		assert_int_equal(front_run(&icmp, &heard), XDP_TX);
		assert_int_equal(heard.bytes[5], out.bytes[5]);
		assert_address(ip_of(&heard), false, &own);
		assert_address(heard.bytes + quoted, true, &own);
		assert_icmp_good(&heard);
	}
}

#define T(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tls_goes_by_server_name),	     T(tcp_from_the_syn_on),
		T(connections_weigh_until_they_end), T(udp_by_flow),
		T(udp_datagram_by_datagram),	     T(nat_both_ways_tcp_and_udp),
		T(nat_refuses_two_vips_on_one_port), T(nat_translates_icmp),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

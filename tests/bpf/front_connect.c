/* How clients' connections begin at the front: SYN, cookie, the first request and its node, and
 * what is refused. Needs root. */
#include "front.h"

#define GET "GET /a/b.html?x=1 HTTP/1.1\r\nHost: www.example.org\r\n\r\n"

static void others_pass(void **state)
{
	struct client client = CLIENT;
	unsigned char data[200] = {0};
	struct frame in, out;

	(void)state;
	/* ARP. */
	memset(in.bytes, 0xff, 60);
	run_put16(in.bytes + 12, 0x0806);
	in.length = 60;
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	/* Another port of the VIP. */
	client_segment(&client, SYN, NULL, &in);
	run_put16(in.bytes + 36, 81);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	/* UDP to the VIP, at the cluster's port. */
	run_ethernet(in.bytes, client_mac, front_mac, &client4);
	run_ip(in.bytes + 14, &client4, &vip4, IPPROTO_UDP, sizeof(data));
	run_put16(data + 2, BATON_PORT);
	memcpy(in.bytes + 34, data, sizeof(data));
	in.length = 34 + sizeof(data);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	/* Everything, while the maps are being filled. */
	cluster_now_is.ready = 0;
	front_cluster();
	client_segment(&client, SYN, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
}

/* One connection, from a SYN with this subset of options to its handoff. */
static void handshake(bool six, unsigned int subset)
{
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct baton_header header;
	unsigned int options = 0;
	struct frame in, out;
	__u64 swallowed;

	client.six = six;
	client.port += subset;
	client.mss = subset & 1;
	client.wscale = subset & 2;
	client.sack = subset & 4;
	client.timestamps = subset & 8;
	client_connect(&client, &answer);
	assert_memory_equal(answer.source_mac, front_mac, 6);
	assert_memory_equal(answer.destination_mac, client_mac, 6);
	assert_memory_equal(&answer.source, six ? &vip6 : &vip4, 16);
	assert_memory_equal(&answer.destination, six ? &client6 : &client4, 16);
	assert_int_equal(answer.source_port, SERVICE_PORT);
	assert_int_equal(answer.destination_port, client.port);
	assert_in_range(answer.window, 16384, 32768);
	assert_int_equal(answer.length, 0);
	/* What fits under a Baton header in 1500 bytes. */
	assert_non_null(run_option(&answer, 2));
	assert_int_equal(run_get16(run_option(&answer, 2)),
			 1500 - (six ? 60 : 40) - BATON_OVERHEAD_IPV6);
	assert_int_equal(!!run_option(&answer, 3), client.wscale);
	if (client.wscale)
		assert_int_equal(*run_option(&answer, 3), RCV_WSCALE);
	assert_int_equal(!!run_option(&answer, 4), client.sack);
	assert_int_equal(!!run_option(&answer, 8), client.timestamps);
	if (client.timestamps)
		assert_int_equal(run_get32(run_option(&answer, 8) + 4), client.tsval);

	swallowed = front_count(FRONT_COUNT_ACKS_SWALLOWED);
	client_segment(&client, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
	assert_int_equal(front_count(FRONT_COUNT_ACKS_SWALLOWED), swallowed + 1);

	client.tsval += 20;
	client_segment(&client, ACK | PSH, GET, &in);
	header = client_handoff(&in);
	assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST);
	assert_int_equal(ntohl(header.seq), client.seq);
	assert_int_equal(ntohl(header.ack), client.ack);
	/* No option: the default of RFC 9293, 3.7.1, or what IPv6's least link carries. */
	assert_int_equal(ntohs(header.mss), client.mss ? 1460 : six ? 1220 : 536);
	if (client.wscale)
		options |= BATON_OPTION_WSCALE;
	if (client.sack)
		options |= BATON_OPTION_SACK;
	if (client.timestamps)
		options |= BATON_OPTION_TIMESTAMPS;
	assert_int_equal(header.options, options);
	assert_int_equal(header.snd_wscale, client.wscale ? client.wscale_value : 0);
	assert_int_equal(header.rcv_wscale, RCV_WSCALE);
	/* The clock goes on from the echo, by the time that has gone, and not for ever. */
	if (client.timestamps)
		assert_in_range(ntohl(header.ts_clock) - client.tsecr, 0, 333);
}

static void any_subset_of_options(void **state)
{
	(void)state;
	for (unsigned int subset = 0; subset < 16; subset++) {
		handshake(false, subset);
		handshake(true, subset);
	}
}

static void small_mss_is_raised_and_counted(void **state)
{
	struct client client = CLIENT;
	__u64 counted = front_count(FRONT_COUNT_MSS_TOO_SMALL);

	(void)state;
	client.mss_value = 200;
	assert_int_equal(ntohs(client_request(&client, GET).mss), 536);
	client.port++;
	client.six = true;
	client.mss_value = 1200;
	assert_int_equal(ntohs(client_request(&client, GET).mss), 1220);
	assert_int_equal(front_count(FRONT_COUNT_MSS_TOO_SMALL), counted + 2);
}

static void refuse_cookie(bool six)
{
	struct client client = CLIENT, other;
	struct tcp_segment answer;
	struct frame in, out;
	__u64 expired;

	client.six = six;
	client_connect(&client, NULL);
	/* A cookie that is one off in its MAC, another client's, another connection's of the
	 * client, and a good one for a segment that isn't the first. */
	other = client;
	other.ack ^= 0x1000;
	client_segment(&other, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	client_segment(&other, ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	other = client;
	other.port++;
	client_segment(&other, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	other = client;
	other.seq += 100000;
	client_segment(&other, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	other = client;
	other.seq += 1376;
	client_segment(&other, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	/* Without ACK, and an RST. */
	client_segment(&client, PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	client_segment(&client, RST, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	/* Too old: an RST, so that the client asks anew; older than anybody remembers: nothing. */
	cluster_now_is.clock_offset += (COOKIE_LIFE_MAX_S + 1) * 1000000000ll;
	front_cluster();
	client_segment(&client, ACK | PSH, GET, &in);
	expired = front_count(FRONT_COUNT_COOKIES_EXPIRED);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
	assert_int_equal(front_count(FRONT_COUNT_COOKIES_EXPIRED), expired + 1);
	other = client;
	other.seq--;
	client_segment(&other, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(front_count(FRONT_COUNT_COOKIES_EXPIRED), expired + 2);
	other.ack ^= 0x1000;
	client_segment(&other, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	cluster_now_is.clock_offset += 8ll * COOKIE_LIFE_MAX_S * 1000000000ll;
	front_cluster();
	client_segment(&client, ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	cluster_now_is.clock_offset -= 8ll * COOKIE_LIFE_MAX_S * 1000000000ll;
	/* Nearly as old as every cookie may become. */
	cluster_now_is.clock_offset -=
		(COOKIE_LIFE_MAX_S + 1 - COOKIE_LIFE_MIN_S + 30) * 1000000000ll;
	front_cluster();
	client_handoff(&in);
}

static void cookies_are_checked(void **state)
{
	(void)state;
	each_family(refuse_cookie);
}

static void cookies_of_the_last_key_are_good(void **state)
{
	struct client client = CLIENT;
	struct frame in;

	(void)state;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &in);
	cluster_now_is.epoch = 1;
	front_cluster();
	assert_dropped(&in, FRONT_COUNT_COOKIES_BAD);
	cluster_now_is.key_count = 2;
	front_cluster();
	assert_int_equal(client_handoff(&in).epoch, 1);
}

static void probe_and_close(bool six)
{
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct frame in, out;

	client.six = six;
	client_connect(&client, NULL);
	/* Keepalive probes, with and without the byte. */
	client.seq--;
	client_segment(&client, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, ACK);
	assert_int_equal(answer.seq, client.ack);
	assert_int_equal(answer.ack, client.seq + 1);
	/* The options still come back in what the client echoes. */
	assert_int_equal(run_get32(run_option(&answer, 8)) & COOKIE_TS_MASK,
			 client.tsecr & COOKIE_TS_MASK);
	client_segment(&client, ACK, "x", &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	/* A FIN, and the answer to ours. */
	client.seq++;
	client_segment(&client, ACK | FIN, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, FIN | ACK);
	assert_int_equal(answer.seq, client.ack);
	assert_int_equal(answer.ack, client.seq + 1);
	client.seq++;
	client.ack++;
	client_segment(&client, ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_ACKS_SWALLOWED);
}

static void nothing_is_kept_before_a_request(void **state)
{
	struct flow_key key;

	(void)state;
	each_family(probe_and_close);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(front->maps.flows), NULL, &key), -ENOENT);
}

/* The node that the host's own copy of the policy gives these bytes. */
static unsigned int host_choice(const char *host, const char *path)
{
	static struct scratch scratch;
	struct target_text text = {
		.host_length = strlen(host), .path_at = strlen(host), .path_length = strlen(path)};
	struct place_query query = {.pool = POOL};

	snprintf((char *)scratch.bytes, sizeof(scratch.bytes), "%s%s", host, path);
	place_text(&query, place_wants(POOL), &scratch, &text);
	return place_choose(&query);
}

static void placed_as_the_host_would(void **state)
{
	unsigned int seen[NODES + 1] = {0};
	struct client client = CLIENT;
	char request[200], path[50];

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct baton_header header;

		client.port++;
		client.seq += 1000;
		snprintf(path, sizeof(path), "/object/%d", i);
		snprintf(request, sizeof(request),
			 "GET %s?q=%d HTTP/1.1\r\nUser-Agent: x\r\nHost: WWW.example.org\r\n\r\n",
			 path, i);
		header = client_request(&client, request);
		assert_int_equal(ntohs(header.node), host_choice("www.example.org", path));
		assert_int_equal(header.reason, PLACE_REASON_POLICY);
		seen[ntohs(header.node)]++;
	}
	for (int node = 1; node <= NODES; node++)
		assert_int_not_equal(seen[node], 0);
}

static void query_counts_if_the_service_says_so(void **state)
{
	struct client client = CLIENT;

	(void)state;
	front_services((struct service){
		.id = 1, .pool = POOL, .kind = SERVICE_HTTP, .target = SERVICE_TARGET_URL});
	for (int i = 0; i < 20; i++) {
		char request[100], path[50];

		client.port++;
		snprintf(path, sizeof(path), "/search?q=%d", i);
		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
		assert_int_equal(ntohs(client_request(&client, request).node),
				 host_choice("h", path));
	}
}

static void not_whole_or_not_http(void **state)
{
	__u64 split = front_count(FRONT_COUNT_FALLBACK_SPLIT),
	      other = front_count(FRONT_COUNT_FALLBACK_NOT_HTTP),
	      hostless = front_count(FRONT_COUNT_FALLBACK_NO_HOST);
	struct client client = CLIENT;
	struct baton_header header;

	(void)state;
	header = client_request(&client, "GET /lo");
	assert_int_equal(header.reason, PLACE_REASON_FALLBACK);
	assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST);
	client.port++;
	header = client_request(&client, "GET / HTTP/1.1\r\nAccept: */*\r\n");
	assert_int_equal(header.reason, PLACE_REASON_FALLBACK);
	/* Host is known: what is missing behind it doesn't matter. */
	client.port++;
	header = client_request(&client, "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n");
	assert_int_equal(header.reason, PLACE_REASON_POLICY);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_SPLIT), split + 2);
	client.port++;
	header = client_request(&client, "SSH-2.0-OpenSSH_9.2p1\r\n");
	assert_int_equal(header.reason, PLACE_REASON_FALLBACK);
	assert_int_equal(ntohs(header.flags), BATON_FLAG_FIRST | BATON_FLAG_PINNED);
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_NOT_HTTP), other + 1);
	client.port++;
	header = client_request(&client, "GET /old HTTP/1.0\r\n\r\n");
	assert_int_equal(header.reason, PLACE_REASON_POLICY);
	assert_int_equal(ntohs(header.node), host_choice("", "/old"));
	assert_int_equal(front_count(FRONT_COUNT_FALLBACK_NO_HOST), hostless + 1);
}

static void broken_segments(bool six)
{
	unsigned int ip = six ? 40 : 20;
	struct client client = CLIENT;
	struct frame in, whole;

	client.six = six;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &whole);
	/* A checksum that is wrong. */
	in = whole;
	in.bytes[in.length - 1] ^= 1;
	assert_dropped(&in, FRONT_COUNT_BAD_CHECKSUM);
	/* A TCP header that is too short, or longer than the packet. */
	in = whole;
	in.bytes[14 + ip + 12] = 4 << 4;
	assert_dropped(&in, FRONT_COUNT_MALFORMED);
	client_segment(&client, ACK, NULL, &in);
	in.bytes[14 + ip + 12] = 15 << 4;
	assert_dropped(&in, FRONT_COUNT_MALFORMED);
	/* An IP packet that is longer than the frame. */
	in = whole;
	in.length -= 20;
	assert_dropped(&in, FRONT_COUNT_MALFORMED);
	/* SYN with what doesn't go with it. */
	client_segment(&client, SYN | FIN, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_BAD_FLAGS);
	client_segment(&client, SYN | RST, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_BAD_FLAGS);
	client_segment(&client, SYN | ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_BAD_FLAGS);
	client_handoff(&whole);
}

static void broken_segments_are_refused(void **state)
{
	(void)state;
	each_family(broken_segments);
}

static void fragments_and_options_are_refused(void **state)
{
	struct client client = CLIENT;
	struct frame in, out;

	(void)state;
	client_segment(&client, SYN, NULL, &in);
	run_put16(in.bytes + 20, 0x2000); /* the first fragment */
	assert_dropped(&in, FRONT_COUNT_FRAGMENTS);
	run_put16(in.bytes + 20, 0x2001); /* a later one has no ports; no stack can use it */
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	client_segment(&client, SYN, NULL, &in);
	memmove(in.bytes + 38, in.bytes + 34, in.length - 34);
	in.length += 4;
	in.bytes[14] = 0x46;
	memset(in.bytes + 34, 1, 4);
	assert_dropped(&in, FRONT_COUNT_IP_OPTIONS);
	client.six = true;
	client_segment(&client, SYN, NULL, &in);
	memmove(in.bytes + 62, in.bytes + 54, in.length - 54);
	in.length += 8;
	memset(in.bytes + 54, 0, 8);
	in.bytes[54] = IPPROTO_TCP;
	in.bytes[20] = 60; /* destination options */
	assert_dropped(&in, FRONT_COUNT_IP_OPTIONS);
	in.bytes[20] = 44; /* fragment, the first one */
	assert_dropped(&in, FRONT_COUNT_FRAGMENTS);
	run_put16(in.bytes + 56, 0x100);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
}

static void nobody_up(void **state)
{
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct frame in, out;

	(void)state;
	front_pool(false);
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
}

/* Bytes of frames that a service gets, changed at random: none makes an entry without a cookie,
 * none ends the program. */
static void damaged_frames(void **state)
{
	struct client client = CLIENT;
	unsigned int random = 12345;
	struct frame kinds[6], in, out;
	struct flow_key key;

	(void)state;
	for (int six = 0; six < 2; six++) {
		client.six = six;
		client_segment(&client, SYN, NULL, &kinds[3 * six]);
		client_segment(&client, ACK, NULL, &kinds[3 * six + 1]);
		client_segment(&client, ACK | PSH, GET, &kinds[3 * six + 2]);
	}
	for (int i = 0; i < 30000; i++) {
		in = kinds[i % 6];
		for (int changes = 0; changes < 1 + i % 5; changes++) {
			random = random * 1103515245 + 12345;
			/* Half of the changes in the headers. */
			in.bytes[(random >> 8) % (changes & 1 ? in.length : 78)] = random >> 24;
		}
		if (i % 7 == 0)
			in.length = 14 + (random >> 4) % (in.length - 14);
		front_run(&in, &out);
		assert_true(out.verdict == XDP_DROP || out.verdict == XDP_PASS ||
			    out.verdict == XDP_TX);
	}
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(front->maps.flows), NULL, &key), -ENOENT);
}

static struct rule_text rule_text(const char *text, __u32 flags)
{
	struct rule_text to = {.length = strlen(text), .flags = flags};

	memcpy(to.words, text, to.length);
	return to;
}

/* Pool 4 has node 3 alone, pool 5 nobody who is up; the rules stand in the second set. */
static void rules_choose_the_pool(void **state)
{
	static const struct {
		const char *request;
		int node; /* 0: by the service's own pool; -1: refused; -2: by the client */
	} rows[] = {
		{"GET /img/a HTTP/1.1\r\nHost: h\r\n\r\n", 3},
		{"GET /other HTTP/1.1\r\nHost: h\r\n\r\n", 0},
		{"GET /other HTTP/1.1\r\nHost: h\r\nAccept: x\r\nX-Api:  1\r\n\r\n", 3},
		{"GET /other HTTP/1.1\r\nHost: h\r\nAccept: x\r\nX-Api: 2\r\n\r\n", 0},
		{"PUT /other HTTP/1.1\r\nHost: h\r\n\r\n", -1},
		/* Whether there will be a line X-Api isn't known yet. */
		{"GET /img/a HTTP/1.1\r\nHost: h\r\nAccept: x\r\n", -2},
	};
	struct place_node node = {3, "n3", 1, PLACE_UP};
	struct place_plan plan = {.policy = PLACE_MAGLEV, .nodes = &node, .count = 1};
	struct rule_set set = {.count = 3, .headers = 1, .names[0] = rule_text("x-api", RULE_FOLD)};
	struct rule some[] = {
		{.path = rule_text("/img/", RULE_BEGIN), .pool = 4},
		{.header = 1, .value = rule_text("1", 0), .pool = 4},
		{.method = rule_text("PUT", 0), .pool = 5},
	};
	__u32 index = 1;

	(void)state;
	assert_int_equal(place_build(kernel_world, 4, &plan), 0);
	node.state = PLACE_DOWN;
	assert_int_equal(place_build(kernel_world, 5, &plan), 0);
	front_map_set(front->maps.rule_sets, &index, &set);
	for (__u32 i = 0; i < 3; i++) {
		__u32 at = RULES_MAX + i;

		front_map_set(front->maps.rules, &at, &some[i]);
	}
	front_services((struct service){
		.id = 1, .pool = POOL, .kind = SERVICE_HTTP, .rcv_wscale = RCV_WSCALE, .rules = 2});
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const char *request = rows[i / 2].request;
		struct client client = CLIENT;
		__u64 split = front_count(FRONT_COUNT_FALLBACK_SPLIT);
		struct baton_header header;
		struct frame in, out;

		client.six = i & 1;
		client.port += i;
		client_connect(&client, NULL);
		client_segment(&client, ACK | PSH, request, &in);
		if (rows[i / 2].node == -1) {
			struct tcp_segment answer;

			assert_int_equal(front_run(&in, &out), XDP_TX);
			run_read_tcp(&out, &answer);
			assert_int_equal(answer.flags, RST);
			continue;
		}
		header = client_handoff(&in);
		if (rows[i / 2].node > 0) {
			assert_int_equal(ntohs(header.node), rows[i / 2].node);
			assert_int_equal(header.reason, PLACE_REASON_RULE);
		} else {
			assert_int_equal(header.reason, rows[i / 2].node ? PLACE_REASON_FALLBACK
									 : PLACE_REASON_POLICY);
		}
		assert_int_equal(front_count(FRONT_COUNT_FALLBACK_SPLIT) - split,
				 rows[i / 2].node == -2);
	}
}

#define T(name) cmocka_unit_test_setup(name, front_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(others_pass),
		T(any_subset_of_options),
		T(small_mss_is_raised_and_counted),
		T(cookies_are_checked),
		T(cookies_of_the_last_key_are_good),
		T(nothing_is_kept_before_a_request),
		T(placed_as_the_host_would),
		T(query_counts_if_the_service_says_so),
		T(rules_choose_the_pool),
		T(not_whole_or_not_http),
		T(broken_segments_are_refused),
		T(fragments_and_options_are_refused),
		T(nobody_up),
		T(damaged_frames),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

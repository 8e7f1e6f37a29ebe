/* The front towards clients: SYN, ACK, request, and every refusal. Needs root. */
#include "front.h"

#define GET "GET /a/b.html?x=1 HTTP/1.1\r\nHost: www.example.org\r\n\r\n"

/* Both families. */
static void each_family(void (*check)(bool six))
{
	check(false);
	check(true);
}

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
		.id = 1, .pool = POOL, .kind = SERVICE_HTTP, .flags = SERVICE_KEEP_QUERY});
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

/* What comes out has other MAC addresses and is else what went in. */
static void assert_bare(const struct frame *in, unsigned int node)
{
	const unsigned char mac[6] = {2, 0, 0, 0, 1, node};
	struct frame out;

	assert_int_equal(front_run(in, &out), XDP_TX);
	assert_int_equal(out.length, in->length);
	assert_memory_equal(out.bytes, mac, 6);
	assert_memory_equal(out.bytes + 6, front_mac, 6);
	assert_memory_equal(out.bytes + 12, in->bytes + 12, in->length - 12);
}

static void wrapped_until_the_client_has_heard(bool six)
{
	struct client client = CLIENT;
	struct baton_header first, next;
	struct frame in;

	client.six = six;
	first = client_request(&client, GET);
	/* More data, a bare ACK, the first segment again: each under the same handoff. */
	client_segment(&client, ACK | PSH, "more", &in);
	next = client_handoff(&in);
	assert_int_equal(next.generation, first.generation);
	assert_int_equal(next.seq, first.seq);
	assert_int_equal(next.ack, first.ack);
	assert_int_equal(next.ts_clock, first.ts_clock);
	assert_int_equal(next.flags, first.flags);
	client.seq -= strlen(GET);
	client_segment(&client, ACK | PSH, GET, &in);
	client_handoff(&in);
	client.seq += strlen(GET);
	client_segment(&client, ACK, NULL, &in);
	client_handoff(&in);
	/* One byte of the response. */
	client.ack++;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(first.node));
	client_segment(&client, ACK | PSH, GET, &in);
	assert_bare(&in, ntohs(first.node));
}

static void bare_when_confirmed(void **state)
{
	(void)state;
	each_family(wrapped_until_the_client_has_heard);
}

static void bare_after_a_while(void **state)
{
	struct client client = CLIENT;
	struct baton_header first;
	struct frame in;

	(void)state;
	first = client_request(&client, GET);
	front_age(&client, FRONT_HANDOFF_TICKS + 2);
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(first.node));
}

static void tunnelled_for_ever(void **state)
{
	struct client client = CLIENT;
	struct frame in;

	(void)state;
	front_services((struct service){
		.id = 1, .pool = POOL, .kind = SERVICE_HTTP, .forward = FORWARD_TUNNEL});
	client_request(&client, GET);
	client.ack += 100;
	client_segment(&client, ACK, NULL, &in);
	client_handoff(&in);
	client_handoff(&in);
}

static void padding_does_not_travel(void **state)
{
	struct client client = CLIENT;
	struct frame in, out, inner;

	(void)state;
	client.timestamps = false;
	client_request(&client, GET);
	client_segment(&client, ACK, NULL, &in);
	assert_true(in.length < 60);
	memset(in.bytes + in.length, 0xee, 60 - in.length);
	in.length = 60;
	assert_int_equal(front_run(&in, &out), XDP_TX);
	wrapped_read(&out, out.bytes[5], &inner);
	assert_int_equal(inner.length, 40);
}

static void a_syn_changes_no_flow(void **state)
{
	struct client client = CLIENT, again;
	struct front_flow before, after;
	struct frame in;

	(void)state;
	client_request(&client, GET);
	before = front_flow(&client);
	again = CLIENT;
	again.seq += 12345;
	client_connect(&again, NULL);
	after = front_flow(&client);
	assert_memory_equal(&before, &after, sizeof(before));
	client.ack++;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, before.owner.node);
}

static void a_port_is_used_again(void **state)
{
	struct client client = CLIENT, again;
	struct baton_header first, second;
	struct frame in, out;
	__u64 swallowed;

	(void)state;
	first = client_request(&client, GET);
	client.ack += 1000;
	client_segment(&client, ACK | FIN, NULL, &in);
	assert_bare(&in, ntohs(first.node));
	assert_int_equal(front_flow(&client).owner.state, FRONT_CLOSING);

	again = CLIENT;
	again.seq += 77777;
	client_connect(&again, NULL);
	swallowed = front_count(FRONT_COUNT_ACKS_SWALLOWED);
	client_segment(&again, ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
	assert_int_equal(front_count(FRONT_COUNT_ACKS_SWALLOWED), swallowed + 1);
	client_segment(&again, ACK | PSH, GET, &in);
	second = client_handoff(&in);
	assert_true((__s32)(ntohl(second.generation) - ntohl(first.generation)) > 0);
	assert_int_equal(ntohl(second.seq), again.seq);
	assert_int_equal(front_flow(&again).owner.state, FRONT_OPEN);
	assert_int_equal(front_flow(&again).handoffs, 1);

	/* The same while the old one looks alive: its client was killed without a word. */
	client = again;
	client.ack += 100;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(second.node));
	again.port = client.port;
	again.seq += 1u << 30;
	client_connect(&again, NULL);
	client_segment(&again, ACK | PSH, GET, &in);
	assert_true((__s32)(ntohl(client_handoff(&in).generation) - ntohl(second.generation)) > 0);
}

static void a_replay_runs_nothing(void **state)
{
	struct client client = CLIENT;
	struct frame first, in, out;
	struct flow_key key = client_key(&client);

	(void)state;
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, GET, &first);
	client_handoff(&first);
	client.seq += strlen(GET);
	client.ack += 1000;
	client_segment(&client, RST | ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(front_flow(&client).owner.state, FRONT_ENDED);
	/* While the end is young the node that has it decides; then nobody is asked. */
	front_age(&client, FRONT_ENDED_TICKS + 2);
	assert_dropped(&first, FRONT_COUNT_REPLAYS);
	front_age(&client, FRONT_TOMBSTONE_TICKS - FRONT_ENDED_TICKS - 10);
	assert_dropped(&first, FRONT_COUNT_REPLAYS);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(front->maps.flows), &key, &(struct front_flow){0}),
		0);
}

static void an_rst_out_of_place_ends_nothing(void **state)
{
	struct client client = CLIENT, stranger;
	struct frame in, out;

	(void)state;
	client_request(&client, GET);
	stranger = client;
	stranger.seq += 4000;
	client_segment(&stranger, RST | ACK, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	assert_int_equal(front_flow(&client).owner.state, FRONT_OPEN);
}

/* Sweeps the table once. Returns how many entries went. */
static unsigned int swept(unsigned int *tombstones)
{
	struct front_sweep sweep = {.idle_ticks = FRONT_TICKS(3600)};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &sweep, .ctx_size_in = sizeof(sweep));

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(front->progs.front_sweep), &options), 0);
	if (tombstones)
		*tombstones = sweep.tombstones;
	return sweep.removed;
}

static void a_full_table_evicts_nobody(void **state)
{
	struct client clients[FLOWS + 1];
	struct frame in;

	(void)state;
	for (int i = 0; i <= FLOWS; i++) {
		clients[i] = CLIENT;
		clients[i].port += i;
		if (i < FLOWS)
			client_request(&clients[i], GET);
	}
	client_connect(&clients[FLOWS], NULL);
	client_segment(&clients[FLOWS], ACK | PSH, GET, &in);
	assert_dropped(&in, FRONT_COUNT_FLOWS_FULL);
	for (int i = 0; i < FLOWS; i++) {
		client_segment(&clients[i], ACK, NULL, &in);
		client_handoff(&in);
	}
	/* One goes, there is room for one. */
	front_age(&clients[7], FRONT_TICKS(4000));
	assert_int_equal(swept(NULL), 1);
	client_segment(&clients[FLOWS], ACK | PSH, GET, &in);
	client_handoff(&in);
}

static void tombstones_last_as_long_as_cookies(void **state)
{
	struct client client = CLIENT;
	struct frame in, out;
	unsigned int tombstones;

	(void)state;
	client_request(&client, GET);
	client_segment(&client, RST | ACK, NULL, &in);
	front_run(&in, &out);
	assert_int_equal(swept(&tombstones), 0);
	assert_int_equal(tombstones, 0);
	front_age(&client, FRONT_TICKS(COOKIE_LIFE_MAX_S + COOKIE_SKEW_S));
	assert_int_equal(swept(&tombstones), 0);
	assert_int_equal(tombstones, 1);
	front_age(&client, FRONT_TICKS(60));
	cluster_now_is.clock_offset += 600 * 1000000000ll;
	front_cluster();
	assert_int_equal(swept(&tombstones), 1);
}

static void tombstones_make_room(void **state)
{
	struct client clients[FLOWS];
	struct frame in, out;

	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		clients[i] = CLIENT;
		clients[i].port += i;
		client_request(&clients[i], GET);
		client_segment(&clients[i], RST | ACK, NULL, &in);
		front_run(&in, &out);
		front_age(&clients[i], FRONT_TICKS(i < 40 ? 130 : 100));
	}
	cluster_now_is.clock_offset += 600 * 1000000000ll;
	front_cluster();
	/* The first one sees that the table is full, the second one goes by it. */
	assert_int_equal(swept(NULL), 0);
	assert_int_equal(swept(NULL), 40);
	assert_int_equal(swept(NULL), 0);
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

static void too_long_to_wrap(void **state)
{
	static char text[2100];
	struct client client = CLIENT;
	struct frame in;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	client_connect(&client, NULL);
	client_segment(&client, ACK | PSH, text, &in);
	assert_dropped(&in, FRONT_COUNT_TOO_LONG);
}

static void the_client_of_a_dead_node_hears_at_once(bool six)
{
	struct client client = CLIENT;
	struct tcp_segment answer;
	struct baton_header first;
	struct frame in, out;

	client.six = six;
	first = client_request(&client, GET);
	client.ack += 100;
	client_segment(&client, ACK, NULL, &in);
	assert_bare(&in, ntohs(first.node));
	front_node(ntohs(first.node), NODE_DRAIN);
	assert_bare(&in, ntohs(first.node));
	front_node(ntohs(first.node), NODE_DOWN);
	client_segment(&client, ACK | PSH, GET, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, &answer);
	assert_int_equal(answer.flags, RST);
	assert_int_equal(answer.seq, client.ack);
	assert_memory_equal(answer.destination_mac, client_mac, 6);
	/* Its own RST is not answered. */
	client_segment(&client, RST, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_DROP);
	front_node(ntohs(first.node), NODE_UP);
}

static void dead_nodes(void **state)
{
	(void)state;
	each_family(the_client_of_a_dead_node_hears_at_once);
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

static void unresolved_node(void **state)
{
	struct node_entry none = {.state = NODE_UP};
	struct client client = CLIENT;
	struct frame in;
	__u32 id;

	(void)state;
	id = ntohs(client_request(&client, GET).node);
	front_map_set(front->maps.nodes, &id, &none);
	client_segment(&client, ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_UNREACHABLE);
	client.ack += 10;
	client_segment(&client, ACK, NULL, &in);
	assert_dropped(&in, FRONT_COUNT_UNREACHABLE);
}

/* A router that a response was too large for. */
static void icmp_reaches_the_node(void **state)
{
	struct address router = run_address("10.77.9.9"), router6 = run_address("fd77:9::9");
	struct client client = CLIENT;
	struct baton_header header;
	struct frame in, out;

	(void)state;
	header = client_request(&client, GET);
	run_ethernet(in.bytes, client_mac, front_mac, &router);
	run_ip(in.bytes + 14, &router, &vip4, IPPROTO_ICMP, 8 + 28);
	memset(in.bytes + 34, 0, 36);
	in.bytes[34] = 3;
	in.bytes[35] = 4;
	run_ip(in.bytes + 42, &vip4, &client4, IPPROTO_TCP, 1400);
	run_put16(in.bytes + 62, SERVICE_PORT);
	run_put16(in.bytes + 64, client.port);
	in.length = 70;
	assert_bare(&in, ntohs(header.node));
	/* Of no flow: the host's own. */
	run_put16(in.bytes + 64, client.port + 1);
	assert_int_equal(front_run(&in, &out), XDP_PASS);
	/* An echo request. */
	in.bytes[34] = 8;
	assert_int_equal(front_run(&in, &out), XDP_PASS);

	client.six = true;
	header = client_request(&client, GET);
	run_ethernet(in.bytes, client_mac, front_mac, &router6);
	run_ip(in.bytes + 14, &router6, &vip6, 58, 8 + 48);
	memset(in.bytes + 54, 0, 56);
	in.bytes[54] = 2;
	run_ip(in.bytes + 62, &vip6, &client6, IPPROTO_TCP, 1400);
	run_put16(in.bytes + 102, SERVICE_PORT);
	run_put16(in.bytes + 104, client.port);
	in.length = 110;
	assert_bare(&in, ntohs(header.node));
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
		T(bare_when_confirmed),
		T(bare_after_a_while),
		T(tunnelled_for_ever),
		T(padding_does_not_travel),
		T(a_syn_changes_no_flow),
		T(a_port_is_used_again),
		T(a_replay_runs_nothing),
		T(an_rst_out_of_place_ends_nothing),
		T(a_full_table_evicts_nobody),
		T(tombstones_last_as_long_as_cookies),
		T(tombstones_make_room),
		T(broken_segments_are_refused),
		T(fragments_and_options_are_refused),
		T(too_long_to_wrap),
		T(dead_nodes),
		T(nobody_up),
		T(unresolved_node),
		T(icmp_reaches_the_node),
		T(damaged_frames),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

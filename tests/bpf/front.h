/* The front's program in a small cluster: two services (IPv4 and IPv6), three nodes, one client. */
#ifndef BATON_TESTS_BPF_FRONT_H
#define BATON_TESTS_BPF_FRONT_H

#include "run.h"

#include "front.skel.h"

#include "bpf/cookie.h"
#include "bpf/header.h"
#include "bpf/target.h"
#include "place/build.h"
#include "place/place.h"
#include "wire/counters.h"
#include "wire/front.h"
#include "wire/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#ifndef FRONT_TABLE
#define FRONT_TABLE 64
#endif

enum {
	NODES = 3,
	FLOWS = FRONT_TABLE, /* the table's size here */
	SERVICE_PORT = 80,
	CLIENT_PORT = 40000,
	RCV_WSCALE = 7,
	POOL = 3,
};

static const unsigned char client_mac[6] = {2, 0, 0, 0, 0, 1}, front_mac[6] = {2, 0, 0, 0, 0, 2};

static struct front_bpf *front;
static struct place_world *kernel_world;
static struct cluster cluster_now_is;
static struct address client4, client6, vip4, vip6;

static inline void front_map_set(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static inline void front_cluster(void)
{
	__u32 zero = 0;

	front_map_set(front->maps.cluster, &zero, &cluster_now_is);
}

static inline void front_node_at(__u32 id, enum node_state state, bool reachable)
{
	struct node_entry node = {
		.mac = {2, 0, 0, 0, 1, id}, .state = state, .reachable = reachable};

	node.address = run_address("10.77.0.10");
	node.address.words[3] = htonl(0x0a4d000a + id);
	front_map_set(front->maps.nodes, &id, &node);
}

static inline void front_node(__u32 id, enum node_state state)
{
	front_node_at(id, state, true);
}

static inline void front_service(const struct address *vip, struct service service)
{
	struct service_key key = {
		.vip = *vip, .port = htons(SERVICE_PORT), .protocol = IPPROTO_TCP};

	front_map_set(front->maps.services, &key, &service);
}

static inline void *front_memory(struct bpf_map *map)
{
	size_t bytes = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* All nodes up but `without`; 0: really all. */
static inline void front_pool_of(enum place_policy policy, unsigned int without)
{
	static const char *const names[NODES] = {"n1", "n2", "n3"};
	struct place_node nodes[NODES];
	struct place_plan plan = {.policy = policy, .nodes = nodes, .count = NODES};

	for (unsigned int i = 0; i < NODES; i++)
		nodes[i] = (struct place_node){i + 1, names[i], 1,
					       i + 1 == without || without > NODES ? PLACE_DOWN
										   : PLACE_UP};
	assert_int_equal(place_build(kernel_world, POOL, &plan), 0);
}

static inline void front_pool_without(unsigned int node)
{
	front_pool_of(PLACE_HRW, node);
}

static inline void front_pool(bool up)
{
	front_pool_of(PLACE_HRW, up ? 0 : NODES + 1);
}

/* Loads the program; once for all tests. */
static inline int front_setup(void **state)
{
	(void)state;
	client4 = run_address("10.77.0.1");
	client6 = run_address("fd77::1");
	vip4 = run_address("10.77.0.100");
	vip6 = run_address("fd77::100");
	front = front_bpf__open();
	if (!front)
		return -1;
	bpf_map__set_max_entries(front->maps.flows, FLOWS);
	if (front_bpf__load(front))
		return -1;
	kernel_world = calloc(1, sizeof(*kernel_world));
	kernel_world->pools = front_memory(front->maps.place_pools);
	kernel_world->members = front_memory(front->maps.place_members);
	kernel_world->table = front_memory(front->maps.place_table);
	kernel_world->states = front_memory(front->maps.place_state);
	kernel_world->loads = front_memory(front->maps.place_loads);
	kernel_world->members_room = bpf_map__max_entries(front->maps.place_members);
	kernel_world->table_room = bpf_map__max_entries(front->maps.place_table);
	place_world = kernel_world;
	return 0;
}

static inline void front_services(struct service service)
{
	front_service(&vip4, service);
	front_service(&vip6, service);
}

/* What every test begins with: all nodes up, no flow, the same keys each time. */
static inline int front_reset(void **state)
{
	struct flow_key key;

	(void)state;
	while (!bpf_map_get_next_key(bpf_map__fd(front->maps.flows), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(front->maps.flows), &key), 0);
	for (int i = 0; i < 2; i++) {
		struct service_key udp = {.vip = i ? vip6 : vip4,
					  .port = htons(SERVICE_PORT),
					  .protocol = IPPROTO_UDP};

		bpf_map_delete_elem(bpf_map__fd(front->maps.services), &udp);
	}
	front_pool(true);
	cluster_now_is = (struct cluster){
		.keys = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}, {1, 2}},
		.cookie_keys = {{0x1716151413121110, 0x1f1e1d1c1b1a1918}, {3, 4}},
		.clock_offset = 1000000000000,
		.key_count = 1,
		.port = htons(BATON_PORT),
		.self = BATON_FRONT(0),
		.address4 = run_address("10.77.0.2"),
		.address6 = run_address("fd77::2"),
		.idle_s = 3600,
		.ready = 1,
	};
	memcpy(cluster_now_is.mac, front_mac, 6);
	front_cluster();
	for (__u32 id = 1; id <= NODES; id++)
		front_node(id, NODE_UP);
	front_services((struct service){
		.id = 1, .pool = POOL, .kind = SERVICE_HTTP, .rcv_wscale = RCV_WSCALE});
	return 0;
}

static inline void front_unmap(void *memory, struct bpf_map *map)
{
	munmap(memory, (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map));
}

static inline int front_teardown(void **state)
{
	(void)state;
	front_unmap(kernel_world->pools, front->maps.place_pools);
	front_unmap(kernel_world->members, front->maps.place_members);
	front_unmap(kernel_world->table, front->maps.place_table);
	front_unmap(kernel_world->states, front->maps.place_state);
	front_unmap(kernel_world->loads, front->maps.place_loads);
	free(kernel_world);
	front_bpf__destroy(front);
	return 0;
}

static inline __u64 front_count(enum front_counter counter)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 values[cpus], sum = 0;
	__u32 key = counter;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(front->maps.front_counters), &key, values),
			 0);
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

static inline int front_run(const struct frame *in, struct frame *out)
{
	return run_program(bpf_program__fd(front->progs.front), in, out);
}

/* The frame is dropped, and counted as this once more. */
#define assert_dropped(segment, counter)                                                           \
	do {                                                                                       \
		struct frame out_;                                                                 \
		__u64 before_ = front_count(counter);                                              \
		assert_int_equal(front_run(segment, &out_), XDP_DROP);                             \
		assert_int_equal(front_count(counter), before_ + 1);                               \
	} while (0)

/* What one client says and hears. */
struct client {
	bool six;
	unsigned short port;
	bool mss, wscale, sack, timestamps; /* which options its SYN has */
	unsigned int mss_value, wscale_value;
	unsigned int seq, ack; /* of its next segment */
	unsigned int tsval, tsecr;
};

#define CLIENT                                                                                     \
	(struct client)                                                                            \
	{                                                                                          \
		.port = CLIENT_PORT, .mss = true, .wscale = true, .sack = true,                    \
		.timestamps = true, .mss_value = 1460, .wscale_value = 10, .seq = 1000000,         \
		.tsval = 5000                                                                      \
	}

static inline struct flow_key client_key(const struct client *client)
{
	return (struct flow_key){.client = client->six ? client6 : client4,
				 .vip = client->six ? vip6 : vip4,
				 .client_port = htons(client->port),
				 .vip_port = htons(SERVICE_PORT)};
}

static inline void client_segment(const struct client *client, unsigned int flags,
				  const char *payload, struct frame *frame)
{
	struct tcp_segment segment = {
		.source = client->six ? client6 : client4,
		.destination = client->six ? vip6 : vip4,
		.source_port = client->port,
		.destination_port = SERVICE_PORT,
		.seq = client->seq,
		.ack = client->ack,
		.flags = flags,
		.window = 64000,
		.payload = payload,
		.length = payload ? strlen(payload) : 0,
	};
	unsigned char *option = segment.options;

	memcpy(segment.source_mac, client_mac, 6);
	memcpy(segment.destination_mac, front_mac, 6);
	if (flags & SYN && client->mss) {
		memcpy(option, "\2\4", 2);
		run_put16(option + 2, client->mss_value);
		option += 4;
	}
	if (flags & SYN && client->sack) {
		memcpy(option, "\4\2\1\1", 4);
		option += 4;
	}
	if (client->timestamps) {
		memcpy(option, "\1\1\10\12", 4);
		run_put32(option + 4, client->tsval);
		run_put32(option + 8, client->tsecr);
		option += 12;
	}
	if (flags & SYN && client->wscale) {
		memcpy(option, "\1\3\3", 3);
		option[3] = client->wscale_value;
		option += 4;
	}
	segment.options_length = option - segment.options;
	run_make_tcp(frame, &segment);
}

/* Sends a SYN and takes in the SYN-ACK: seq and ack are then those of the first data. */
static inline void client_connect(struct client *client, struct tcp_segment *answer)
{
	struct tcp_segment own;
	struct frame in, out;

	client_segment(client, SYN, NULL, &in);
	assert_int_equal(front_run(&in, &out), XDP_TX);
	run_read_tcp(&out, answer ? answer : &own);
	if (!answer)
		answer = &own;
	assert_int_equal(answer->flags, SYN | ACK);
	client->seq++;
	assert_int_equal(answer->ack, client->seq);
	client->ack = answer->seq + 1;
	if (client->timestamps)
		client->tsecr = run_get32(run_option(answer, 8));
}

/* A frame under a Baton header: that header and the packet behind it. Everything about the outer
 * headers and the MAC is checked. */
static inline struct baton_header wrapped_read(const struct frame *frame, __u32 node,
					       struct frame *inner)
{
	const unsigned char *ip = frame->bytes + 14, *udp = ip + 20;
	const unsigned char mac[6] = {2, 0, 0, 0, 1, node};
	static struct scratch scratch;
	struct baton_header header __attribute__((aligned(8)));

	assert_memory_equal(frame->bytes, mac, 6);
	assert_memory_equal(frame->bytes + 6, front_mac, 6);
	assert_int_equal(run_get16(frame->bytes + 12), 0x0800);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(run_sum(ip, 20, 0), 0xffff);
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_int_equal(run_get16(ip + 2), frame->length - 14);
	assert_int_equal(run_get32(ip + 12), 0x0a4d0002);
	assert_int_equal(run_get32(ip + 16), 0x0a4d000a + node);
	assert_int_equal(run_get16(udp + 2), BATON_PORT);
	assert_int_equal(run_get16(udp + 4), frame->length - 34);
	memcpy(&header, udp + 8, sizeof(header));
	assert_int_equal(header.magic, htons(BATON_MAGIC));
	assert_int_equal(header.version, BATON_VERSION_WIRE);
	inner->length = frame->length - 14 - BATON_OVERHEAD_IPV4;
	memcpy(inner->bytes, udp + 8 + sizeof(header), inner->length);
	memcpy(scratch.bytes, inner->bytes, inner->length);
	assert_true(header.mac == header_mac(&header, &scratch, 0, inner->length,
					     cluster_now_is.keys[header.epoch]));
	return header;
}

/* Sends a client's segment that must come out as a handoff to whoever it is, unchanged within. */
static inline struct baton_header client_handoff(const struct frame *in)
{
	struct baton_header header;
	struct frame out, inner;

	assert_int_equal(front_run(in, &out), XDP_TX);
	header = wrapped_read(&out, out.bytes[5], &inner);
	assert_int_equal(header.type, BATON_HANDOFF);
	assert_int_equal(ntohs(header.node), out.bytes[5]);
	assert_int_equal(ntohs(header.sender), BATON_FRONT(0));
	assert_int_equal(inner.length, in->length - 14);
	assert_memory_equal(inner.bytes, in->bytes + 14, inner.length);
	return header;
}

/* A connection that has sent `request`. */
static inline struct baton_header client_request(struct client *client, const char *request)
{
	struct baton_header header;
	struct frame in;

	client_connect(client, NULL);
	client_segment(client, ACK | PSH, request, &in);
	header = client_handoff(&in);
	client->seq += strlen(request);
	return header;
}

static inline struct front_flow front_flow(const struct client *client)
{
	struct flow_key key = client_key(client);
	struct front_flow flow;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(front->maps.flows), &key, &flow), 0);
	return flow;
}

/* Makes the flow look as if nothing had happened to it for so long. */
static inline void front_age(const struct client *client, unsigned int ticks)
{
	struct flow_key key = client_key(client);
	struct front_flow flow = front_flow(client);

	flow.seen -= ticks;
	flow.since -= ticks;
	flow.made -= ticks;
	front_map_set(front->maps.flows, &key, &flow);
}

static inline __u64 cluster_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec + cluster_now_is.clock_offset;
}

/* Both families. */
static inline void each_family(void (*check)(bool six))
{
	check(false);
	check(true);
}

/* A node's message about a client's segment `inner` (a whole frame). */
static inline void message_make(struct baton_header header, const struct frame *inner,
				struct frame *frame)
{
	struct address source = run_address("10.77.0.10"), destination = cluster_now_is.address4;
	unsigned int length = inner->length - 14;
	unsigned char *udp = frame->bytes + 34;
	static struct scratch scratch;
	struct baton_header aligned __attribute__((aligned(8))) = header;

	source.words[3] = htonl(0x0a4d000a + ntohs(header.sender));
	aligned.magic = htons(BATON_MAGIC);
	aligned.version = BATON_VERSION_WIRE;
	aligned.protocol = inner->bytes[12] == 8 ? 4 : 6;
	if (!aligned.time)
		aligned.time = htonl(cluster_ns() >> BATON_TIME_SHIFT);
	memcpy(scratch.bytes, inner->bytes + 14, length);
	aligned.mac = header_mac(&aligned, &scratch, 0, length, cluster_now_is.keys[0]);
	run_ethernet(frame->bytes, client_mac, front_mac, &source);
	run_ip(frame->bytes + 14, &source, &destination, IPPROTO_UDP, 8 + sizeof(aligned) + length);
	run_put16(udp, 50000);
	run_put16(udp + 2, BATON_PORT);
	run_put16(udp + 4, 8 + sizeof(aligned) + length);
	run_put16(udp + 6, 0);
	memcpy(udp + 8, &aligned, sizeof(aligned));
	memcpy(udp + 8 + sizeof(aligned), inner->bytes + 14, length);
	frame->length = 34 + 8 + sizeof(aligned) + length;
}

#endif

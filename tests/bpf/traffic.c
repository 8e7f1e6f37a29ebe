/* What counts in the kernel against the monitor's own reading of the same frames: every class,
 * packets and bytes, and what comes from the origin. Needs root. */
#include "run.h"

#include "traffic.skel.h"

#include "base/random.h"
#include "monitor/packet.h"
#include "wire/header.h"
#include "wire/traffic.h"

#include <pcap/dlt.h>
#include <string.h>

enum { FRAMES = 20000, PORT = 7700, LENGTH_LEAST = 200, LENGTH_MOST = 400, ETHERNET = 14 };

static struct traffic_bpf *traffic;
static struct random_state chance;

static unsigned int below(unsigned int n)
{
	return (unsigned int)random_below(&chance, n);
}

static unsigned int any_protocol(void)
{
	static const unsigned char some[] = {6, 17, 1, 58, 47, 89, 0, 43, 44, 51, 60, 6, 17};

	return some[below(sizeof(some))];
}

/* What is behind the IP header: anything; with luck a Baton header behind UDP. */
static void put_transport(unsigned char *at)
{
	if (below(2))
		run_put16(at + below(2) * 2, PORT);
	if (below(2)) {
		run_put16(at + 8, BATON_MAGIC);
		at[11] = (unsigned char)below(TRAFFIC_MESSAGE_TYPES + 1);
	}
}

static void put_ipv4(unsigned char *at, unsigned int length)
{
	at[0] = (unsigned char)(0x40 | (below(8) ? 5 + below(3) : below(16)));
	run_put16(at + 2, length);
	run_put16(at + 6, below(3) ? 0x4000 : below(0x10000));
	at[9] = (unsigned char)any_protocol();
	put_transport(at + (at[0] & 15) * 4);
}

static void put_ipv6(unsigned char *at, unsigned int length)
{
	unsigned char *next = at + 6, *header = at + 40;

	at[0] = 0x60;
	run_put16(at + 4, length - 40);
	for (;;) {
		*next = (unsigned char)any_protocol();
		if ((*next && *next != 43 && *next != 44 && *next != 51 && *next != 60) ||
		    header > at + 120)
			break;
		next = header;
		header[1] = (unsigned char)below(2);
		if (below(2))
			run_put16(header + 2, below(2) ? 0 : below(0x10000));
		header += *next == 51 ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
	}
	put_transport(header);
}

static unsigned int make(unsigned char *frame)
{
	static const unsigned int types[] = {0x0800, 0x86dd, 0x0800, 0x86dd,
					     0x0806, 0x8035, 0x88cc, 100};
	static const unsigned int tags[] = {0x8100, 0x88a8, 0x9100};
	unsigned int length = LENGTH_LEAST + below(LENGTH_MOST - LENGTH_LEAST), at = ETHERNET, type;

	for (unsigned int i = 0; i < length; i++)
		frame[i] = (unsigned char)below(256);
	for (unsigned int i = below(3); i; i--, at += 4)
		run_put16(frame + at - 2, tags[below(3)]);
	type = types[below(sizeof(types) / sizeof(*types))];
	run_put16(frame + at - 2, type);
	if (type == 0x0800)
		put_ipv4(frame + at, length - at);
	else if (type == 0x86dd)
		put_ipv6(frame + at, length - at);
	return length;
}

static struct traffic_count count(unsigned int slot)
{
	struct traffic_counts each[256];
	struct traffic_count sum = {0};
	int cpus = libbpf_num_possible_cpus();
	uint32_t zero = 0;

	assert_in_range(cpus, 1, 256);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(traffic->maps.traffic), &zero, each), 0);
	for (int i = 0; i < cpus; i++) {
		sum.packets += each[i].slots[slot].packets;
		sum.bytes += each[i].slots[slot].bytes;
	}
	return sum;
}

static void give(const unsigned char *frame, unsigned int length)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length, .repeat = 1);

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(traffic->progs.count_traffic), &run), 0);
	/* Nothing is to be copied. */
	assert_int_equal(run.retval, 0);
}

/* The filter reads frames from their Ethernet header on, as packet sockets give them to their
 * filter; BPF_PROG_TEST_RUN does so for a classifier, which has the same helpers. */
static int setup(void **state)
{
	const struct address from = run_address("10.77.0.3");

	(void)state;
	traffic = traffic_bpf__open();
	if (!traffic)
		return -1;
	traffic->rodata->baton_port = PORT;
	memcpy((void *)&traffic->rodata->origin, &from, sizeof(from));
	bpf_program__set_type(traffic->progs.count_traffic, BPF_PROG_TYPE_SCHED_CLS);
	bpf_program__set_expected_attach_type(traffic->progs.count_traffic, 0);
	return traffic_bpf__load(traffic);
}

static int teardown(void **state)
{
	(void)state;
	traffic_bpf__destroy(traffic);
	return 0;
}

static void classes_are_the_monitors(void **state)
{
	struct traffic_count expected[TRAFFIC_CLASS_COUNT] = {0};
	uint64_t messages[TRAFFIC_MESSAGE_TYPES] = {0};
	unsigned char frame[LENGTH_MOST];
	struct packet packet;

	(void)state;
	random_seed(&chance, 5);
	for (int i = 0; i < FRAMES; i++) {
		unsigned int length = make(frame);

		packet_read(DLT_EN10MB, frame, length, PORT, &packet);
		give(frame, length);
		for (unsigned int class = 0; class < TRAFFIC_CLASS_COUNT; class ++) {
			struct traffic_count now = count(class);

			if (packet.classes >> class & 1) {
				expected[class].packets++;
				expected[class].bytes += length;
			}
			if (now.packets != expected[class].packets ||
			    now.bytes != expected[class].bytes)
				fail_msg("frame %d: class %u", i, class);
		}
		if (packet.classes >> TRAFFIC_BATON & 1)
			messages[packet.baton_type < TRAFFIC_MESSAGE_TYPES ? packet.baton_type
									   : 0]++;
	}
	for (unsigned int class = 0; class < TRAFFIC_CLASS_COUNT; class ++)
		assert_true(expected[class].packets > FRAMES / 1000);
	for (unsigned int type = 0; type < TRAFFIC_MESSAGE_TYPES; type++)
		assert_int_equal(count(TRAFFIC_MESSAGES + type).packets, messages[type]);
}

/* Segments of 60 bytes of payload from the origin, one of them a response's first; and one to it.
 */
static void the_origins_payload(void **state)
{
	static const unsigned char origin[] = {10, 77, 0, 3}, other[] = {10, 77, 0, 11};
	struct traffic_count before = count(TRAFFIC_ORIGIN), after,
			     answers = count(TRAFFIC_ORIGIN_ANSWERS);
	unsigned char frame[ETHERNET + 20 + 32 + 60] = {0};

	(void)state;
	run_put16(frame + 12, 0x0800);
	frame[ETHERNET] = 0x45;
	run_put16(frame + ETHERNET + 2, sizeof(frame) - ETHERNET);
	frame[ETHERNET + 9] = 6;
	memcpy(frame + ETHERNET + 12, origin, 4);
	memcpy(frame + ETHERNET + 16, other, 4);
	frame[ETHERNET + 20 + 12] = 8 << 4;
	give(frame, sizeof(frame));
	after = count(TRAFFIC_ORIGIN);
	assert_int_equal(after.packets - before.packets, 1);
	assert_int_equal(after.bytes - before.bytes, 60);
	assert_int_equal(count(TRAFFIC_ORIGIN_ANSWERS).packets, answers.packets);
	memcpy(frame + ETHERNET + 20 + 32, "HTTP/1.1 200 OK", 15);
	give(frame, sizeof(frame));
	after = count(TRAFFIC_ORIGIN);
	assert_int_equal(after.packets - before.packets, 2);
	assert_int_equal(count(TRAFFIC_ORIGIN_ANSWERS).packets - answers.packets, 1);
	assert_int_equal(count(TRAFFIC_ORIGIN_ANSWERS).bytes - answers.bytes, 60);
	memcpy(frame + ETHERNET + 12, other, 4);
	memcpy(frame + ETHERNET + 16, origin, 4);
	give(frame, sizeof(frame));
	assert_int_equal(count(TRAFFIC_ORIGIN).packets, after.packets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_are_the_monitors),
		cmocka_unit_test(the_origins_payload),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}

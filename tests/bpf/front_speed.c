/* What each kind of frame costs the front, in ns of one CPU: `meson test --benchmark`. Nothing is
 * asserted of the numbers: they are the machine's. Needs root. */
#include "front.h"

#define GET                                                                                        \
	"GET /a/b.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x/1.0\r\nAccept: "         \
	"*/*\r\n\r\n"

enum { ROUNDS = 20000, REPEAT = 1000000 };

/* A frame that comes out as it went in but for its MAC addresses can be run again and again in the
 * kernel; others are given anew each time, which costs a reading of the clock more. */
static void report(const char *what, const struct frame *in, unsigned int repeat)
{
	unsigned int rounds = repeat > 1 ? 5 : ROUNDS;
	__u64 least = ~0ull, sum = 0;
	struct frame out;

	for (unsigned int i = 0; i < rounds; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes,
			    .data_size_in = in->length, .data_out = out.bytes,
			    .data_size_out = sizeof(out.bytes), .repeat = repeat);

		assert_int_equal(
			bpf_prog_test_run_opts(bpf_program__fd(front->progs.front), &options), 0);
		sum += options.duration;
		if (options.duration < least)
			least = options.duration;
	}
	print_message("# %-40s %6llu ns mean, %6llu least\n", what, sum / rounds, least);
}

static void speed(void **state)
{
	struct client client = CLIENT;
	struct frame in, out;
	int six;

	(void)state;
	for (six = 0; six < 2; six++) {
		client = CLIENT;
		client.six = six;
		print_message("# %s\n", six ? "IPv6" : "IPv4");
		memset(in.bytes, 0xff, 60);
		run_put16(in.bytes + 12, 0x0806);
		in.length = 60;
		report("ARP: passed, the harness's own cost", &in, REPEAT);
		report("the same, given anew each time", &in, 1);
		client_segment(&client, SYN, NULL, &in);
		report("SYN: answered", &in, 1);
		client_connect(&client, NULL);
		client_segment(&client, ACK, NULL, &in);
		report("ACK: cookie checked, swallowed", &in, REPEAT);
		client.ack ^= 0x10000;
		client_segment(&client, ACK, NULL, &in);
		report("ACK with a bad cookie: dropped", &in, REPEAT);
		client.ack ^= 0x10000;
		client_segment(&client, ACK | PSH, GET, &in);
		client_handoff(&in);
		report("request again: wrapped", &in, 1);
		client.seq += strlen(GET);
		client.ack += 100;
		client_segment(&client, ACK, NULL, &in);
		front_run(&in, &out);
		report("ACK of a flow: forwarded", &in, REPEAT);
		client_segment(&client, ACK | PSH, GET, &in);
		report("request of a flow: forwarded", &in, REPEAT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup(speed, front_reset)};

	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

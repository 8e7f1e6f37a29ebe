/* What each kind of frame costs the front, in ns of one CPU: `meson test --benchmark`. Nothing is
 * asserted of the numbers: they are the machine's. Needs root. */
#define FRONT_TABLE (1 << 20) /* a front's, as a rule */
#include "front.h"

#define GET                                                                                        \
	"GET /a/b.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: x/1.0\r\nAccept: "         \
	"*/*\r\n\r\n"

enum { ROUNDS = 20000, REPEAT = 1000000 };

/* The life of a connection with one request, as the front sees it. */
enum step { STEP_SYN, STEP_ACK, STEP_REQUEST, STEP_FIN, STEP_COUNT };

enum {
	CONNECTIONS = 2000, /* each from a port of its own */
	OTHERS = 4 << 20,   /* bytes that the machine is busy with between two segments */
};

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

static int earlier(const void *a, const void *b)
{
	__u32 left = *(const __u32 *)a, right = *(const __u32 *)b;

	return left < right ? -1 : left > right;
}

/* Nothing of the front's is left in the nearer caches. */
static unsigned int forget(void)
{
	static unsigned char others[OTHERS];
	unsigned int sum = 0;

	for (unsigned int at = 0; at < sizeof(others); at += 64)
		sum += others[at]++;
	return sum;
}

static __u32 step_run(const struct frame *in, struct frame *out, bool cold)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = in->length,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes));

	if (cold)
		forget();
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(front->progs.front), &options), 0);
	out->length = options.data_size_out;
	out->verdict = options.retval;
	return options.duration;
}

/* One connection; `took` gets the ns of each step. */
static void connection_run(struct client client, bool cold, __u32 *took)
{
	struct tcp_segment answer;
	struct frame in, out;

	client_segment(&client, SYN, NULL, &in);
	took[STEP_SYN] = step_run(&in, &out, cold);
	run_read_tcp(&out, &answer);
	client.seq++;
	client.ack = answer.seq + 1;
	client.tsecr = run_get32(run_option(&answer, 8));
	client_segment(&client, ACK, NULL, &in);
	took[STEP_ACK] = step_run(&in, &out, cold);
	assert_int_equal(out.verdict, XDP_DROP);
	client_segment(&client, ACK | PSH, GET, &in);
	took[STEP_REQUEST] = step_run(&in, &out, cold);
	assert_int_equal(out.verdict, XDP_TX);
	client.seq += strlen(GET);
	client.ack += 200;
	client_segment(&client, ACK | FIN, NULL, &in);
	took[STEP_FIN] = step_run(&in, &out, cold);
	assert_int_equal(out.verdict, XDP_TX);
}

/* Connections with one request each, from ports that are new to the front, then from the same ones
 * again, as a client's run in turn. */
static void connections(void **state)
{
	static const char *const names[STEP_COUNT] = {"SYN", "ACK", "request", "FIN"};
	static __u32 took[STEP_COUNT][CONNECTIONS];

	(void)state;
	for (int run = 0; run < 4; run++) {
		bool cold = run & 1, again = run >= 2;
		__u32 sum = 0;

		for (unsigned int i = 0; i < CONNECTIONS; i++) {
			struct client client = CLIENT;
			__u32 each[STEP_COUNT];

			client.port = 20000 + 10000 * cold + i;
			client.seq += run * 200000000;
			connection_run(client, cold, each);
			for (int step = 0; step < STEP_COUNT; step++)
				took[step][i] = each[step];
		}
		for (int step = 0; step < STEP_COUNT; step++) {
			qsort(took[step], CONNECTIONS, sizeof(__u32), earlier);
			sum += took[step][CONNECTIONS / 2];
			print_message("# %s, caches %s: %-8s %5u ns median\n",
				      again ? "port used again" : "new port",
				      cold ? "cold" : "warm", names[step],
				      took[step][CONNECTIONS / 2]);
		}
		print_message("# %s, caches %s: %-8s %5u ns\n",
			      again ? "port used again" : "new port", cold ? "cold" : "warm", "all",
			      sum);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup(speed, front_reset),
					   cmocka_unit_test_setup(connections, front_reset)};

	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

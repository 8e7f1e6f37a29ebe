/* The front beside a plain model of it: packets of many kinds, right and wrong, in random order on
 * a few connections; each verdict, and where and how the packet leaves, must be what the model
 * says. Needs root.
 *
 * The model is written from docs/architecture.md and the RFCs, not from the program, and keeps what
 * it knows in its own form. It doesn't choose nodes: it learns where a target goes and insists.
 *
 * BATON_PACKETS says how many (20,000), BATON_SEED of which seed; a disagreement names both. */
#include "front.h"

#include "base/random.h"

enum { PORTS = 8, TARGETS = 6, BATCH = 4000, HANDSHAKES = 100, BATCH_SECONDS = 8 };

/* What becomes of a packet. */
enum fate { PASSED, DROPPED, SYN_ACKED, ACKED, FIN_ACKED, RESET, WRAPPED, BARE, FATES };

static const char *const fate_names[FATES] = {"passed",	   "dropped", "SYN-ACKed",  "ACKed",
					      "FIN-ACKed", "reset",   "wrapped to", "bare to"};

/* A handshake that was answered: its first data has sequence number `seq` and acknowledges `ack`.
 */
struct began {
	unsigned int seq, ack;
};

struct flow_model {
	bool known;
	enum { OPEN, CLOSING, ENDED, LOST } state;
	bool confirmed;
	unsigned int node, generation;
	struct began first;
	unsigned int end, acked; /* what the client has sent and acknowledged, as far as seen */
	unsigned int part;	 /* where the owner's answers begin */
};

/* One client port of one family. */
struct peer_model {
	struct client client;		/* its latest handshake */
	struct began began[HANDSHAKES]; /* all in this batch, for their cookies are good */
	unsigned int count;
	struct flow_model flow;
};

struct expected {
	enum fate fate;
	unsigned int node; /* WRAPPED, BARE; 0: of a new connection, see `target` */
	int target;
};

static struct peer_model peers[2][PORTS];
static unsigned int node_of_target[TARGETS];
static struct random_state chance;
static struct timespec batch_began;
static unsigned long long packets, wanted = 20000, seed = 1, seen[FATES];
static char story[200];

static unsigned int below(unsigned int n)
{
	return random_below(&chance, n);
}

/* 1 if `a` comes before `b` (RFC 9293, 3.4). */
static bool earlier(unsigned int a, unsigned int b)
{
	return (int)(a - b) < 0;
}

/* ---- The model ---- */

static bool begins(const struct peer_model *peer, unsigned int seq, unsigned int ack)
{
	for (unsigned int i = 0; i < peer->count; i++)
		if (seq == peer->began[i].seq && ack == peer->began[i].ack)
			return true;
	return false;
}

struct said {
	unsigned int seq, ack, flags, length;
	bool checksum;
	int target;
};

/* A segment that no flow explains: what stateless answers there are. Returns 1 if one was found. */
static bool stateless(struct peer_model *peer, const struct said *said, struct expected *expected)
{
	*expected = (struct expected){DROPPED, 0, -1};
	if (!(said->flags & ACK) || said->flags & RST)
		return false;
	if (begins(peer, said->seq, said->ack)) {
		if (said->length) {
			if (!said->checksum)
				return true;
			*expected = (struct expected){WRAPPED, 0, said->target};
			peer->flow.known = true;
			peer->flow.state = said->flags & FIN ? CLOSING : OPEN;
			peer->flow.confirmed = false;
			peer->flow.node = 0;
			peer->flow.first = (struct began){said->seq, said->ack};
			peer->flow.end = said->seq + said->length + !!(said->flags & FIN);
			peer->flow.acked = peer->flow.part = said->ack;
		} else if (said->flags & FIN) {
			expected->fate = FIN_ACKED;
		}
		return true;
	}
	if (said->length <= 1 && !(said->flags & FIN) && begins(peer, said->seq + 1, said->ack)) {
		expected->fate = ACKED;
		return true;
	}
	return !said->length && begins(peer, said->seq - 1, said->ack - 1);
}

static struct expected to_owner(struct flow_model *flow, unsigned int ack)
{
	if (earlier(flow->part, ack))
		flow->confirmed = true;
	return (struct expected){flow->confirmed ? BARE : WRAPPED, flow->node, -1};
}

static bool plausible(const struct flow_model *flow, const struct said *said)
{
	int ahead = (int)(said->seq - flow->end), acked = (int)(said->ack - flow->acked);

	return ahead >= -(1 << 24) && ahead < 1 << 24 && acked >= -(1 << 24) &&
	       acked < (1 << 29) - (1 << 24);
}

static struct expected model_segment(struct peer_model *peer, const struct said *said)
{
	struct flow_model *flow = &peer->flow;
	struct expected expected;
	bool first, strange;

	if (said->flags & SYN)
		return (struct expected){said->flags & (ACK | RST | FIN) ? DROPPED : SYN_ACKED, 0,
					 -1};
	if (!flow->known) {
		stateless(peer, said, &expected);
		return expected;
	}
	first = said->seq == flow->first.seq && said->ack == flow->first.ack;
	strange = flow->state == OPEN ? !plausible(flow, said)
				      : said->length || said->seq != flow->end;
	if (strange && !first && stateless(peer, said, &expected))
		return expected;
	if (flow->state == LOST)
		return (struct expected){said->flags & RST ? DROPPED : RESET, 0, -1};
	if (said->flags & RST && said->seq == flow->end)
		flow->state = ENDED;
	else if (!(said->flags & RST) && said->flags & FIN && flow->state == OPEN &&
		 plausible(flow, said))
		flow->state = CLOSING;
	if (earlier(flow->end, said->seq + said->length + !!(said->flags & FIN)))
		flow->end = said->seq + said->length + !!(said->flags & FIN);
	if (earlier(flow->acked, said->ack))
		flow->acked = said->ack;
	return to_owner(flow, said->ack);
}

static struct expected model_message(struct peer_model *peer, enum baton_type type,
				     unsigned int sender, unsigned int generation,
				     unsigned int node, unsigned int ack)
{
	struct flow_model *flow = &peer->flow;
	bool owns = flow->known && flow->node == sender && flow->generation == generation;

	if (!flow->known)
		return (struct expected){DROPPED, 0, -1};
	if (type == BATON_ASTRAY) {
		if (flow->state == LOST || owns)
			return (struct expected){DROPPED, 0, -1};
		if (flow->node == sender && flow->confirmed) {
			flow->state = LOST;
			return (struct expected){DROPPED, 0, -1};
		}
		return to_owner(flow, ack);
	}
	if (owns && type == BATON_CONFIRM)
		flow->confirmed = true;
	if (owns && type == BATON_RELEASE && flow->state != LOST)
		flow->state = ENDED;
	if (!owns || type != BATON_RETURN || flow->state == ENDED)
		return (struct expected){DROPPED, 0, -1};
	flow->node = node;
	flow->generation++;
	flow->confirmed = false;
	flow->part = ack;
	return (struct expected){WRAPPED, node, -1};
}

/* ---- Comparing ---- */

/* 1 if the batch is so old that entries and headers may have come to the end of their time. */
static bool late(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - batch_began.tv_sec > BATCH_SECONDS;
}

static void disagree(const char *what)
{
	if (late())
		skip(); /* the machine stood still meanwhile */
	fail_msg("packet %llu of seed %llu: %s; %s", packets, seed, story, what);
}

static enum fate fate_of(const struct frame *in, const struct frame *out, unsigned int *node)
{
	struct tcp_segment answer;

	*node = 0;
	if (out->verdict == XDP_PASS)
		return PASSED;
	if (out->verdict == XDP_DROP)
		return DROPPED;
	if (out->verdict != XDP_TX)
		disagree("a verdict that there is not");
	if (!memcmp(out->bytes, client_mac, 6)) {
		run_read_tcp(out, &answer);
		if (answer.length)
			disagree("an answer with data");
		if (answer.flags & RST)
			return RESET;
		return answer.flags & SYN ? SYN_ACKED : answer.flags & FIN ? FIN_ACKED : ACKED;
	}
	*node = out->bytes[5];
	if (memcmp(out->bytes, "\2\0\0\0\1", 5) || !*node || *node > NODES)
		disagree("sent to nobody");
	if (out->length == in->length && !memcmp(out->bytes + 12, in->bytes + 12, in->length - 12))
		return BARE;
	return WRAPPED;
}

/* Runs a packet and compares; `segment` is what a node must get whole. */
static void compare(struct peer_model *peer, const struct frame *in, const struct frame *segment,
		    struct expected expected)
{
	struct baton_header header;
	struct frame out, inner;
	unsigned int node;
	enum fate fate;
	char what[120];

	front_run(in, &out);
	fate = fate_of(segment, &out, &node);
	packets++;
	seen[fate]++;
	if (expected.target >= 0 && !expected.node)
		expected.node = node_of_target[expected.target];
	if (fate != expected.fate || (expected.node && node != expected.node)) {
		snprintf(what, sizeof(what), "%s %u, the model says %s %u", fate_names[fate], node,
			 fate_names[expected.fate], expected.node);
		disagree(what);
	}
	if (fate != WRAPPED)
		return;
	header = wrapped_read(&out, node, &inner);
	if (header.type != BATON_HANDOFF || inner.length != segment->length - 14 ||
	    memcmp(inner.bytes, segment->bytes + 14, inner.length))
		disagree("not the segment under a HANDOFF");
	if (expected.target >= 0) {
		/* A new connection: a later generation than any before on these ports. */
		if (peer->flow.generation &&
		    !earlier(peer->flow.generation, ntohl(header.generation)))
			disagree("its generation is not later");
		peer->flow.generation = ntohl(header.generation);
		peer->flow.node = node_of_target[expected.target] = node;
	}
	if (ntohl(header.generation) != peer->flow.generation || ntohs(header.node) != node)
		disagree("generation or node of the header");
}

/* ---- Packets ---- */

static void payload_of(int target, char text[128])
{
	snprintf(text, 128, "GET /%d HTTP/1.1\r\nHost: www.example.org\r\n\r\n", target);
}

/* A number near `base`, mostly it itself. */
static unsigned int near(unsigned int base)
{
	static const int offsets[] = {0, 0, 0, 0, 0, 0, 1, -1, -2, 1448, -1448, 1 << 23};

	if (!below(12))
		return random_next(&chance);
	return base + offsets[below(sizeof(offsets) / sizeof(offsets[0]))];
}

static void handshake(struct peer_model *peer)
{
	struct client *client = &peer->client;

	client->seq = random_next(&chance);
	client->tsval++;
	client->tsecr = 0;
	client_connect(client, NULL);
	assert_true(peer->count < HANDSHAKES);
	peer->began[peer->count++] = (struct began){client->seq, client->ack};
	packets++;
	seen[SYN_ACKED]++;
}

/* Some segment of the connection, of one before it, or of none. */
static void segment(struct peer_model *peer)
{
	static const unsigned int kinds[] = {
		ACK,	   ACK, ACK | PSH, ACK | PSH, ACK | PSH, FIN | ACK, RST,
		RST | ACK, FIN, SYN,	   SYN | ACK, SYN | FIN, 0,	    ACK | FIN | PSH};
	struct said said = {.checksum = true, .target = (int)below(TARGETS)};
	struct client sender = peer->client;
	char text[128] = "";
	struct frame frame;

	said.flags = kinds[below(sizeof(kinds) / sizeof(kinds[0]))];
	said.seq = near(sender.seq);
	said.ack = near(sender.ack);
	if (!below(6)) {
		const struct began *some = &peer->began[below(peer->count)];

		said.seq = some->seq;
		said.ack = some->ack;
	} else if (peer->flow.known && below(2)) {
		said.seq = near(peer->flow.end);
		said.ack = near(peer->flow.acked);
	}
	if (said.flags & PSH)
		payload_of(said.target, text);
	else if (!below(10))
		strcpy(text, "x");
	if (said.flags & SYN)
		*text = 0;
	said.length = strlen(text);
	sender.seq = said.seq;
	sender.ack = said.ack;
	client_segment(&sender, said.flags, *text ? text : NULL, &frame);
	/* One byte alone is no whole request: of a new connection the slow path has it. */
	if (said.length == 1 && begins(peer, said.seq, said.ack))
		return;
	if (!below(10)) {
		/* Only who looks at it can know. */
		frame.bytes[14 + (sender.six ? 40 : 20) + 16] ^= 0x40;
		said.checksum = false;
	}
	snprintf(story, sizeof(story), "port %u v%d: flags %#x seq %u ack %u length %u%s",
		 sender.port, sender.six ? 6 : 4, said.flags, said.seq, said.ack, said.length,
		 said.checksum ? "" : " bad checksum");
	compare(peer, &frame, &frame, model_segment(peer, &said));
}

/* A packet that can't be a segment of a connection. */
static void odd(struct peer_model *peer)
{
	struct expected expected = {DROPPED, 0, -1};
	struct client sender = peer->client;
	unsigned char *ip, *tcp;
	struct frame frame;
	const char *what;

	client_segment(&sender, ACK, NULL, &frame);
	ip = frame.bytes + 14;
	tcp = ip + (sender.six ? 40 : 20);
	switch (below(9)) {
	case 0:
		what = "another protocol";
		run_put16(frame.bytes + 12, 0x0806);
		expected.fate = PASSED;
		break;
	case 1:
		what = "another address";
		(sender.six ? ip + 24 : ip + 16)[3] ^= 1;
		expected.fate = PASSED;
		break;
	case 2:
		what = "another port";
		run_put16(tcp + 2, 81);
		expected.fate = PASSED;
		break;
	case 3:
		what = "a short TCP header";
		tcp[12] = below(5) << 4;
		break;
	case 4:
		what = "a TCP header longer than the packet";
		tcp[12] = 15 << 4;
		break;
	case 5:
		what = "an IP length beyond the frame";
		if (sender.six)
			run_put16(ip + 4, run_get16(ip + 4) + 1 + below(1000));
		else
			run_put16(ip + 2, run_get16(ip + 2) + 1 + below(1000));
		break;
	case 6:
		what = "a first fragment";
		if (sender.six) {
			memmove(tcp + 8, tcp, frame.length - 54);
			memcpy(tcp, "\6\0\0\1\0\0\0\1", 8);
			ip[6] = 44;
			run_put16(ip + 4, run_get16(ip + 4) + 8);
			frame.length += 8;
		} else {
			run_put16(ip + 6, 0x2000);
		}
		break;
	case 7:
		what = "a later fragment";
		if (sender.six) {
			memmove(tcp + 8, tcp, frame.length - 54);
			memcpy(tcp, "\6\0\1\0\0\0\0\1", 8);
			ip[6] = 44;
			run_put16(ip + 4, run_get16(ip + 4) + 8);
			frame.length += 8;
		} else {
			run_put16(ip + 6, 100);
		}
		expected.fate = PASSED;
		break;
	default:
		what = "IP options or an extension header";
		memmove(tcp + 8, tcp, frame.length - (tcp - frame.bytes));
		memcpy(tcp, sender.six ? "\6\0\1\4\0\0\0\0" : "\1\1\1\1\1\1\1\0", 8);
		if (sender.six) {
			ip[6] = 60;
			run_put16(ip + 4, run_get16(ip + 4) + 8);
		} else {
			ip[0] = 0x47;
			run_put16(ip + 2, run_get16(ip + 2) + 8);
		}
		frame.length += 8;
	}
	snprintf(story, sizeof(story), "port %u v%d: %s", sender.port, sender.six ? 6 : 4, what);
	compare(peer, &frame, &frame, expected);
}

/* A message of some node about the connection: right, or wrong in one of many ways. */
static void message(struct peer_model *peer)
{
	static const enum baton_type types[] = {BATON_RETURN,  BATON_RETURN, BATON_CONFIRM,
						BATON_CONFIRM, BATON_ASTRAY, BATON_RELEASE};
	enum baton_type type = types[below(6)];
	struct flow_model *flow = &peer->flow;
	unsigned int node = 1 + below(NODES), sender, generation, ack;
	struct client client = peer->client;
	struct expected expected;
	struct frame segment, frame;
	bool forged = !below(8);
	char text[128];

	/* What ends flows is rare, or there would be few to look at. */
	if (type == BATON_RELEASE && below(4))
		type = BATON_CONFIRM;
	sender = flow->known && below(4) ? flow->node : 1 + below(NODES);
	generation = flow->generation + (below(4) ? 0 : (int)below(5) - 2);
	client.seq = flow->known ? flow->end : client.seq;
	client.ack = ack = flow->known ? flow->acked + below(2) * 100 : client.ack;
	payload_of(below(TARGETS), text);
	client_segment(&client, ACK | PSH, text, &segment);
	message_make((struct baton_header){.type = type,
					   .node = htons(node),
					   .sender = htons(sender),
					   .generation = htonl(generation),
					   .seq = htonl(client.seq),
					   .ack = htonl(ack)},
		     &segment, &frame);
	if (forged) {
		frame.bytes[42 + below(frame.length - 42)] ^= 1 << below(8);
		expected = (struct expected){DROPPED, 0, -1};
	} else {
		expected = model_message(peer, type, sender, generation, node, ack);
	}
	snprintf(story, sizeof(story),
		 "port %u v%d: message %d of node %u, generation %u, to node %u, ack %u%s",
		 client.port, client.six ? 6 : 4, type, sender, generation, node, ack,
		 forged ? ", forged" : "");
	compare(peer, &frame, &segment, expected);
}

static void batch(unsigned long long number)
{
	assert_int_equal(front_reset(NULL), 0);
	memset(peers, 0, sizeof(peers));
	memset(node_of_target, 0, sizeof(node_of_target));
	random_seed(&chance, seed + number);
	clock_gettime(CLOCK_MONOTONIC, &batch_began);
	for (int six = 0; six < 2; six++)
		for (int i = 0; i < PORTS; i++) {
			peers[six][i].client = CLIENT;
			peers[six][i].client.six = six;
			peers[six][i].client.port += i;
			handshake(&peers[six][i]);
		}
	for (int i = 0; i < BATCH && packets < wanted && !late(); i++) {
		struct peer_model *peer = &peers[below(2)][below(PORTS)];

		switch (below(20)) {
		case 0:
			handshake(peer);
			break;
		case 1:
		case 2:
			odd(peer);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			message(peer);
			break;
		default:
			segment(peer);
		}
	}
}

static void agrees(void **state)
{
	(void)state;
	for (unsigned long long number = 0; packets < wanted; number++)
		batch(number);
	for (int fate = 0; fate < FATES; fate++) {
		/* A kind that never came was not tested. */
		print_message("%llu %s\n", seen[fate], fate_names[fate]);
		assert_true(seen[fate] > wanted / 10000);
	}
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(agrees)};

int main(void)
{
	if (getenv("BATON_PACKETS"))
		wanted = strtoull(getenv("BATON_PACKETS"), NULL, 10);
	if (getenv("BATON_SEED"))
		seed = strtoull(getenv("BATON_SEED"), NULL, 10);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, front_setup, front_teardown);
}

/* `baton lab line`: frames from one device to another and back, with impairments.
 *
 * Frames are taken and given by packet sockets with the kernel's offload header, so that large
 * (GSO) frames and checksums that are still to be filled in pass unchanged; such a frame is lost or
 * doubled as one. What waits lies in a heap for each direction, by the time when it is due, then by
 * the order in which it came, bounded in bytes: what finds it full is dropped and counted, as a
 * router does. Rules come over a Unix socket, one JSON line each, which is answered when they hold.
 */
#include "lab/line.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FRAME_MOST = 70000 + sizeof(struct virtio_net_hdr),
	QUEUE_MOST = 256 << 20,
	BATCH = 64,
	SOCKET_ROOM = 64 << 20,
	RULES_MOST = 64,
	TEXT_MOST = 16384,
};

struct frame {
	uint64_t due, number;
	size_t length;
	unsigned char bytes[];
};

struct rule {
	bool all; /* whichever the peer */
	unsigned char peer[ETH_ALEN];
	struct impairment impairment;
};

struct direction {
	int from, to;
	struct frame **heap;
	size_t count, room, queued;
	uint64_t frames, lost, doubled, reordered, dropped;
};

struct line {
	struct direction ways[2]; /* from the host; to it */
	struct rule rules[RULES_MOST];
	unsigned int rule_count;
	struct random_state random;
	int listener, teller, signals;
	char text[TEXT_MOST];
	size_t text_length;
};

static int open_device(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1, room = SOCKET_ROOM, error;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	at.sll_ifindex = (int)if_nametoindex(name);
	if (at.sll_ifindex && !setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) &&
	    !setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) &&
	    !bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static bool sooner(const struct frame *a, const struct frame *b)
{
	return a->due != b->due ? a->due < b->due : a->number < b->number;
}

/* Keeps a frame until it is due, or drops it for want of room. */
static void keep(struct direction *way, const unsigned char *bytes, size_t length, uint64_t due,
		 uint64_t number)
{
	struct frame *frame = way->queued < QUEUE_MOST ? malloc(sizeof(*frame) + length) : NULL;
	size_t at;

	if (frame && way->count == way->room) {
		size_t room = way->room ? way->room * 2 : 1024;
		struct frame **heap = reallocarray(way->heap, room, sizeof(*heap));

		if (heap) {
			way->heap = heap;
			way->room = room;
		}
	}
	if (!frame || way->count == way->room) {
		free(frame);
		way->dropped++;
		return;
	}
	memcpy(frame->bytes, bytes, length);
	frame->length = length;
	frame->due = due;
	frame->number = number;
	way->queued += length;
	for (at = way->count++; at && sooner(frame, way->heap[(at - 1) / 2]); at = (at - 1) / 2)
		way->heap[at] = way->heap[(at - 1) / 2];
	way->heap[at] = frame;
}

static struct frame *take_first(struct direction *way)
{
	struct frame *first = way->heap[0], *last = way->heap[--way->count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < way->count) {
		if (child + 1 < way->count && sooner(way->heap[child + 1], way->heap[child]))
			child++;
		if (!sooner(way->heap[child], last))
			break;
		way->heap[at] = way->heap[child];
		at = child;
	}
	way->heap[at] = last;
	way->queued -= first->length;
	return first;
}

/* The first rule for the host at the other end; none: the frame passes as it is. */
static const struct impairment *rule_for(const struct line *line, const unsigned char *peer)
{
	static const struct impairment none;

	for (unsigned int i = 0; i < line->rule_count; i++)
		if (line->rules[i].all || !memcmp(line->rules[i].peer, peer, ETH_ALEN))
			return &line->rules[i].impairment;
	return &none;
}

static bool chance(struct line *line, double share)
{
	return share > 0 && random_unit(&line->random) <= share;
}

/* Takes what has arrived, at most a batch. */
static void take(struct line *line, unsigned int side)
{
	static unsigned char bytes[FRAME_MOST];
	static uint64_t number;
	struct direction *way = &line->ways[side];

	for (unsigned int i = 0; i < BATCH; i++) {
		ssize_t got = recv(way->from, bytes, sizeof(bytes), 0);
		const struct impairment *what;
		const unsigned char *ethernet = bytes + sizeof(struct virtio_net_hdr);
		uint64_t due;

		if (got < (ssize_t)(sizeof(struct virtio_net_hdr) + ETH_HLEN))
			return;
		/* Where a frame goes on its way out, whence it came on its way in. */
		what = rule_for(line, ethernet + (side ? ETH_ALEN : 0));
		if (chance(line, what->loss)) {
			way->lost++;
			continue;
		}
		due = clock_now() + what->delay;
		if (chance(line, what->duplicate)) {
			way->doubled++;
			keep(way, bytes, (size_t)got, due, number++);
		}
		if (chance(line, what->reorder)) {
			way->reordered++;
			due += what->behind;
		}
		keep(way, bytes, (size_t)got, due, number++);
	}
}

/* Gives what is due. Returns when the next one is, 0 for none. */
static uint64_t give(struct direction *way)
{
	while (way->count && way->heap[0]->due <= clock_now()) {
		struct frame *frame = take_first(way);

		if (send(way->to, frame->bytes, frame->length, 0) < 0)
			way->dropped++;
		else
			way->frames++;
		free(frame);
	}
	return way->count ? way->heap[0]->due : 0;
}

json_t *line_rule(const struct impairment *impairment, const char *peer)
{
	json_t *rule =
		json_pack("{s:f, s:f, s:f, s:I, s:I}", "loss", impairment->loss, "duplicate",
			  impairment->duplicate, "reorder", impairment->reorder, "delay",
			  (json_int_t)impairment->delay, "behind", (json_int_t)impairment->behind);

	if (peer)
		json_object_set_new(rule, "peer", json_string(peer));
	return rule;
}

static int read_rule(const json_t *object, struct rule *rule)
{
	struct impairment *what = &rule->impairment;
	const char *peer = NULL;
	json_int_t delay, behind;

	if (json_unpack((json_t *)object, "{s:F, s:F, s:F, s:I, s:I, s?s}", "loss", &what->loss,
			"duplicate", &what->duplicate, "reorder", &what->reorder, "delay", &delay,
			"behind", &behind, "peer", &peer))
		return -EINVAL;
	what->delay = (uint64_t)delay;
	what->behind = (uint64_t)behind;
	rule->all = !peer;
	if (peer &&
	    sscanf(peer, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &rule->peer[0], &rule->peer[1],
		   &rule->peer[2], &rule->peer[3], &rule->peer[4], &rule->peer[5]) != ETH_ALEN)
		return -EINVAL;
	return 0;
}

/* Takes on the rules of one line of JSON. Returns 0 or -EINVAL, and nothing is changed. */
static int obey(struct line *line, const char *text)
{
	json_t *said = json_loads(text, 0, NULL), *rules = json_object_get(said, "rules"), *one;
	struct rule read[RULES_MOST] = {0};
	size_t i;
	int error = json_is_array(rules) && json_array_size(rules) <= RULES_MOST ? 0 : -EINVAL;

	for (i = 0; !error && i < json_array_size(rules); i++) {
		one = json_array_get(rules, i);
		error = read_rule(one, &read[i]);
	}
	if (!error) {
		memcpy(line->rules, read, sizeof(read));
		line->rule_count = (unsigned int)i;
		random_seed(&line->random,
			    (uint64_t)json_integer_value(json_object_get(said, "seed")));
	}
	json_decref(said);
	return error;
}

static void hang_up(struct line *line)
{
	close(line->teller);
	line->teller = -1;
	line->text_length = 0;
}

/* Reads from whoever tells rules; one at a time. */
static void listen_to(struct line *line)
{
	ssize_t got = read(line->teller, line->text + line->text_length,
			   sizeof(line->text) - 1 - line->text_length);
	const char *answer;
	char *end;

	if (got <= 0) {
		hang_up(line);
		return;
	}
	line->text_length += (size_t)got;
	line->text[line->text_length] = 0;
	end = strchr(line->text, '\n');
	if (!end && line->text_length < sizeof(line->text) - 1)
		return;
	answer = end && !obey(line, line->text) ? "done\n" : "refused\n";
	if (write(line->teller, answer, strlen(answer)) < 0)
		log_line(LOG_LEVEL_WARNING, "rules are in force, but who told them is gone");
	hang_up(line);
}

static void carry(struct line *line)
{
	for (;;) {
		struct pollfd wake[] = {
			{.fd = line->ways[0].from, .events = POLLIN},
			{.fd = line->ways[1].from, .events = POLLIN},
			{.fd = line->signals, .events = POLLIN},
			{.fd = line->teller < 0 ? line->listener : -1, .events = POLLIN},
			{.fd = line->teller, .events = POLLIN},
		};
		uint64_t next = 0, now;
		struct timespec wait;

		for (unsigned int i = 0; i < 2; i++) {
			uint64_t due = give(&line->ways[i]);

			if (due && (!next || due < next))
				next = due;
		}
		now = clock_now();
		wait.tv_sec = next > now ? (long)((next - now) / NS_PER_S) : 0;
		wait.tv_nsec = next > now ? (long)((next - now) % NS_PER_S) : 0;
		if (ppoll(wake, 5, next ? &wait : NULL, NULL) < 0 && errno != EINTR)
			return;
		if (wake[2].revents)
			return;
		if (wake[3].revents)
			line->teller = accept4(line->listener, NULL, NULL, SOCK_CLOEXEC);
		else if (wake[4].revents)
			listen_to(line);
		for (unsigned int i = 0; i < 2; i++)
			take(line, i);
	}
}

static int unix_socket(const char *path, bool listener)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (listener)
		unlink(path);
	if (listener ? !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 4)
		     : !connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int line_tell(const char *path, const json_t *rules)
{
	int fd = unix_socket(path, false), error = 0;
	char *text, answer[16] = "";

	if (fd < 0)
		return fd;
	text = json_dumps(rules, JSON_COMPACT);
	if (!text)
		error = -ENOMEM;
	else if (write(fd, text, strlen(text)) < 0 || write(fd, "\n", 1) < 0 ||
		 read(fd, answer, sizeof(answer) - 1) < 0)
		error = -errno;
	else if (strcmp(answer, "done\n"))
		error = -EPROTO;
	free(text);
	close(fd);
	return error;
}

static int run(const struct command *self, int argc, char **argv)
{
	int first = command_parse(self, argc, argv, NULL), ends[2];
	static struct line line = {.teller = -1};
	uint64_t delay;
	sigset_t set;

	if (argc - first != 4 || parse_duration(argv[first + 3], &delay))
		return misused("lab line needs two devices, a socket's path and a time, such as "
			       "50ms");
	for (unsigned int i = 0; i < 2; i++) {
		ends[i] = open_device(argv[first + (int)i]);
		if (ends[i] < 0)
			return failed_errno(ends[i], "can't take frames from %s",
					    argv[first + (int)i]);
	}
	for (unsigned int i = 0; i < 2; i++)
		line.ways[i] = (struct direction){.from = ends[i], .to = ends[!i]};
	line.listener = unix_socket(argv[first + 2], true);
	if (line.listener < 0)
		return failed_errno(line.listener, "can't listen on %s", argv[first + 2]);
	line.rules[0] = (struct rule){.all = true, .impairment.delay = delay};
	line.rule_count = 1;
	random_seed(&line.random, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	line.signals = signalfd(-1, &set, SFD_CLOEXEC);
	carry(&line);
	unlink(argv[first + 2]);
	for (unsigned int i = 0; i < 2; i++) {
		const struct direction *way = &line.ways[i];

		log_line(LOG_LEVEL_INFO,
			 "from %s: %llu frames, %llu lost, %llu doubled, %llu reordered, %llu "
			 "dropped for want of room",
			 argv[first + (int)i], (unsigned long long)way->frames,
			 (unsigned long long)way->lost, (unsigned long long)way->doubled,
			 (unsigned long long)way->reordered, (unsigned long long)way->dropped);
	}
	return EXIT_DONE;
}

const struct command command_lab_line = {
	.name = "line",
	.operands = "DEVICE DEVICE SOCKET TIME",
	.summary = "Carry frames between two devices, each TIME later (`lab up` runs it)",
	.run = run,
};

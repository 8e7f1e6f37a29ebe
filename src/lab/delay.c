/* `baton lab delay-line`: frames from one device to another, each a fixed time later, both ways.
 *
 * A wide-area round trip for labs on kernels without netem. Frames are taken and given by packet
 * sockets with the kernel's offload header, so that large (GSO) frames and checksums that are still
 * to be filled in pass unchanged. One FIFO for each direction, bounded in bytes: what finds it full
 * is dropped and counted, as a router does. */
#include "lab/delay.h"
#include "base/clock.h"
#include "base/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_MOST = 70000 + sizeof(struct virtio_net_hdr),
	QUEUE_MOST = 256 << 20,
	BATCH = 64,
	SOCKET_ROOM = 64 << 20,
};

struct frame {
	struct frame *next;
	uint64_t due;
	size_t length;
	unsigned char bytes[];
};

struct direction {
	int from, to;
	struct frame *first, **last;
	size_t queued;
	uint64_t frames, dropped;
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

/* Takes what has arrived, at most a batch. */
static void take(struct direction *way, uint64_t delay)
{
	static unsigned char bytes[FRAME_MOST];

	for (unsigned int i = 0; i < BATCH; i++) {
		ssize_t got = recv(way->from, bytes, sizeof(bytes), 0);
		struct frame *frame;

		if (got <= 0)
			return;
		frame = way->queued < QUEUE_MOST ? malloc(sizeof(*frame) + (size_t)got) : NULL;
		if (!frame) {
			way->dropped++;
			continue;
		}
		memcpy(frame->bytes, bytes, (size_t)got);
		frame->length = (size_t)got;
		frame->due = clock_now() + delay;
		frame->next = NULL;
		*way->last = frame;
		way->last = &frame->next;
		way->queued += frame->length;
	}
}

/* Gives what is due. Returns when the next one is, 0 for none. */
static uint64_t give(struct direction *way)
{
	while (way->first && way->first->due <= clock_now()) {
		struct frame *frame = way->first;

		if (send(way->to, frame->bytes, frame->length, 0) < 0)
			way->dropped++;
		else
			way->frames++;
		way->first = frame->next;
		if (!way->first)
			way->last = &way->first;
		way->queued -= frame->length;
		free(frame);
	}
	return way->first ? way->first->due : 0;
}

static void carry(struct direction ways[2], uint64_t delay, int signals)
{
	for (;;) {
		struct pollfd wake[3] = {{.fd = ways[0].from, .events = POLLIN},
					 {.fd = ways[1].from, .events = POLLIN},
					 {.fd = signals, .events = POLLIN}};
		uint64_t next = 0, now;
		struct timespec wait;

		for (unsigned int i = 0; i < 2; i++) {
			uint64_t due = give(&ways[i]);

			if (due && (!next || due < next))
				next = due;
		}
		now = clock_now();
		next = next > now ? next - now : 0;
		wait = (struct timespec){(time_t)(next / NS_PER_S), (long)(next % NS_PER_S)};
		if (ppoll(wake, 3, ways[0].first || ways[1].first ? &wait : NULL, NULL) < 0 &&
		    errno != EINTR)
			return;
		if (wake[2].revents)
			return;
		for (unsigned int i = 0; i < 2; i++)
			take(&ways[i], delay);
	}
}

static int run(const struct command *self, int argc, char **argv)
{
	struct direction ways[2] = {0};
	int first = command_parse(self, argc, argv, NULL), ends[2], signals;
	uint64_t delay;
	sigset_t set;

	if (argc - first != 3 || parse_duration(argv[first + 2], &delay))
		return misused("lab delay-line needs two devices and a time, such as 50ms");
	for (unsigned int i = 0; i < 2; i++) {
		ends[i] = open_device(argv[first + (int)i]);
		if (ends[i] < 0)
			return failed_errno(ends[i], "can't take frames from %s",
					    argv[first + (int)i]);
	}
	for (unsigned int i = 0; i < 2; i++) {
		ways[i] = (struct direction){.from = ends[i], .to = ends[!i]};
		ways[i].last = &ways[i].first;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	carry(ways, delay, signals);
	for (unsigned int i = 0; i < 2; i++)
		log_line(LOG_LEVEL_INFO, "from %s: %llu frames, %llu dropped", argv[first + (int)i],
			 (unsigned long long)ways[i].frames, (unsigned long long)ways[i].dropped);
	return EXIT_DONE;
}

const struct command command_lab_delay = {
	.name = "delay-line",
	.operands = "DEVICE DEVICE TIME",
	.summary = "Carry frames between two devices, each TIME later (`lab up --delay` runs it)",
	.run = run,
};

#include "lab/delay.h"
#include "base/clock.h"
#include "base/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { FRAMES = 1 << 14, FRAME_MAX = 66000, SOCKET_BYTES = 64 << 20 };

/* One direction: frames in the order they came, each with the time it is due. */
struct line {
	int from, to;
	struct frame {
		uint64_t due;
		unsigned int length;
		unsigned char *bytes;
	} frames[FRAMES];
	unsigned int head, tail;
	uint64_t lost;
};

static struct line lines[2];

static int open_port(const char *name)
{
	struct sockaddr_ll port = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	int bytes = SOCKET_BYTES, yes = 1;

	port.sll_ifindex = (int)if_nametoindex(name);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	if (!port.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&port, sizeof(port))) {
		close(fd);
		return -ENODEV;
	}
	return fd;
}

static void take(struct line *line, uint64_t delay)
{
	static unsigned char bytes[FRAME_MAX];
	ssize_t length;

	while ((length = recv(line->from, bytes, sizeof(bytes), 0)) > 0) {
		struct frame *frame = &line->frames[line->head % FRAMES];

		if (line->head - line->tail == FRAMES) {
			line->lost++;
			continue;
		}
		frame->bytes = malloc((size_t)length);
		if (!frame->bytes) {
			line->lost++;
			continue;
		}
		__builtin_memcpy(frame->bytes, bytes, (size_t)length);
		frame->length = (unsigned int)length;
		frame->due = clock_now() + delay;
		line->head++;
	}
}

/* Sends what is due. Returns when the next one is, 0 for none. */
static uint64_t give(struct line *line)
{
	while (line->tail != line->head) {
		struct frame *frame = &line->frames[line->tail % FRAMES];

		if (frame->due > clock_now())
			return frame->due;
		if (send(line->to, frame->bytes, frame->length, 0) < 0) {
			if (errno == EAGAIN || errno == ENOBUFS)
				return clock_now() + NS_PER_MS;
			line->lost++;
		}
		free(frame->bytes);
		line->tail++;
	}
	return 0;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct {
		bool none;
	} values;
	uint64_t delay;
	int first = command_parse(self, argc, argv, &values), timer, ports[2];

	if (argc - first != 3 || parse_duration(argv[first + 2], &delay))
		return misused("lab delay-line takes two devices and a time");
	for (int i = 0; i < 2; i++) {
		ports[i] = open_port(argv[first + i]);
		if (ports[i] < 0)
			return failed_errno(ports[i], "lab delay-line: %s", argv[first + i]);
	}
	lines[0].from = lines[1].to = ports[0];
	lines[1].from = lines[0].to = ports[1];
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	for (;;) {
		struct pollfd ready[3] = {
			{ports[0], POLLIN, 0}, {ports[1], POLLIN, 0}, {timer, POLLIN, 0}};
		uint64_t next[2] = {give(&lines[0]), give(&lines[1])}, due = next[0], ticks;
		struct itimerspec when = {0};

		if (next[1] && (!due || next[1] < due))
			due = next[1];
		when.it_value.tv_sec = (time_t)(due / NS_PER_S);
		when.it_value.tv_nsec = (long)(due % NS_PER_S);
		timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
		if (poll(ready, 3, -1) < 0 && errno != EINTR)
			return failed_errno(errno, "lab delay-line: poll");
		if (read(timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
			return failed_errno(errno, "lab delay-line: timer");
		take(&lines[0], delay);
		take(&lines[1], delay);
	}
}

static const struct option_spec options[] = {{0}};

const struct command command_lab_delay = {
	.name = "delay-line",
	.operands = "DEVICE DEVICE TIME",
	.summary = "Carry frames between two devices, each held up for a time (`lab up --delay` "
		   "does it)",
	.options = options,
	.run = run,
};

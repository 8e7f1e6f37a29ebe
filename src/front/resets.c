#include "front/resets.h"

#include "base/fail.h"
#include "control/endpoint.h"
#include "control/segment.h"
#include "wire/cluster.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool resets_send(const struct resets *resets, const struct front_lost *lost)
{
	struct segment reset = {.from = lost->key.vip,
				.to = lost->key.client,
				.from_port = lost->key.vip_port,
				.to_port = lost->key.client_port,
				.seq = lost->seq,
				.ack = lost->ack,
				.flags = SEGMENT_RST | SEGMENT_ACK};
	uint8_t frame[SEGMENT_OVERHEAD];
	struct sockaddr_storage to;
	socklen_t to_length;
	uint32_t length;

	length = segment_make(&reset, frame) - SEGMENT_ETHERNET;
	/* Raw sockets have no ports. */
	to_length = endpoint_sockaddr(&(struct endpoint){.address = reset.to}, &to);
	return sendto(to.ss_family == AF_INET ? resets->raw4 : resets->raw6,
		      frame + SEGMENT_ETHERNET, length, MSG_DONTWAIT, (struct sockaddr *)&to,
		      to_length) >= 0;
}

static int open_raw(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	const int mark = MARK_FRONT;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		log_line(LOG_LEVEL_WARNING,
			 "no raw socket of IPv%d (%s): clients of a dead node or a killed "
			 "connection "
			 "learn of it at their next segment only",
			 family == AF_INET ? 4 : 6, strerror(errno));
	return fd;
}

void resets_open(struct resets *resets)
{
	resets->raw4 = open_raw(AF_INET);
	resets->raw6 = open_raw(AF_INET6);
}

void resets_close(struct resets *resets)
{
	if (resets->raw4 >= 0)
		close(resets->raw4);
	if (resets->raw6 >= 0)
		close(resets->raw6);
}

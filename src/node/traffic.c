#include "node/traffic.h"

#include "base/fail.h"
#include "control/percpu.h"
#include "traffic.skel.h"
#include "wire/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF 50
#endif

struct traffic_watch {
	struct traffic_bpf *skeleton;
	int socket;
};

struct traffic_watch *traffic_start(const struct node *node)
{
	struct sockaddr_ll device = {.sll_family = AF_PACKET,
				     .sll_protocol = htons(ETH_P_ALL),
				     .sll_ifindex = node->ifindex};
	struct traffic_watch *watch = calloc(1, sizeof(*watch));
	int program, error;

	if (!watch)
		out_of_memory();
	watch->skeleton = traffic_bpf__open();
	if (!watch->skeleton)
		goto no_skeleton;
	watch->skeleton->rodata->baton_port = (__u16)node->config.port;
	memcpy((void *)&watch->skeleton->rodata->origin, &node->config.origin,
	       sizeof(node->config.origin));
	if (traffic_bpf__load(watch->skeleton))
		goto no_socket;
	/* Protocol 0: it receives nothing before it is bound. */
	watch->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (watch->socket < 0)
		goto no_socket;
	program = bpf_program__fd(watch->skeleton->progs.count_traffic);
	if (setsockopt(watch->socket, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) ||
	    bind(watch->socket, (struct sockaddr *)&device, sizeof(device)))
		goto close_socket;
	return watch;

close_socket:
	error = errno;
	close(watch->socket);
	errno = error;
no_socket:
	error = errno;
	traffic_bpf__destroy(watch->skeleton);
	errno = error;
no_skeleton:
	error = errno;
	free(watch);
	errno = error;
	return NULL;
}

void traffic_end(struct traffic_watch *watch)
{
	if (!watch)
		return;
	close(watch->socket);
	traffic_bpf__destroy(watch->skeleton);
	free(watch);
}

json_t *traffic_json(const struct traffic_watch *watch)
{
#define X(name, key, title) [TRAFFIC_##name] = key,
	static const char *const keys[TRAFFIC_SLOTS] = {TRAFFIC_CLASSES(X)[TRAFFIC_ORIGIN] =
								"origin"};
#undef X
	int map = bpf_map__fd(watch->skeleton->maps.traffic);
	json_t *object = json_object();

	for (uint32_t i = 0; i < TRAFFIC_SLOTS; i++) {
		union {
			uint64_t words[2];
			struct traffic_count count;
		} sum;

		percpu_sum(map, i, sum.words, 2);
		json_object_set_new(object, keys[i],
				    json_pack("{s:I, s:I}", "packets",
					      (json_int_t)sum.count.packets, "bytes",
					      (json_int_t)sum.count.bytes));
	}
	return object;
}

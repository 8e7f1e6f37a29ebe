#include "control/traffic.h"

#include "base/fail.h"
#include "control/percpu.h"
#include "traffic.skel.h"

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

/* The socket that has the filter: it receives nothing before it is bound, and keeps nothing. */
static int open_socket(int filter, int ifindex, bool promiscuous)
{
	struct sockaddr_ll device = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
	struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	int opened = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), error;

	if (opened < 0)
		return -1;
	if (!setsockopt(opened, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof(filter)) &&
	    (!promiscuous ||
	     !setsockopt(opened, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all))) &&
	    !bind(opened, (struct sockaddr *)&device, sizeof(device)))
		return opened;
	error = errno;
	close(opened);
	errno = error;
	return -1;
}

struct traffic_watch *traffic_start(int ifindex, const struct traffic_options *options)
{
	struct traffic_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		out_of_memory();
	watch->socket = -1;
	watch->skeleton = traffic_bpf__open();
	if (!watch->skeleton)
		goto failed;
	watch->skeleton->rodata->baton_port = options->port;
	watch->skeleton->rodata->only_outgoing = options->outgoing;
	memcpy((void *)&watch->skeleton->rodata->origin, &options->origin, sizeof(options->origin));
	if (traffic_bpf__load(watch->skeleton))
		goto failed;
	watch->socket = open_socket(bpf_program__fd(watch->skeleton->progs.count_traffic), ifindex,
				    options->promiscuous);
	if (watch->socket >= 0)
		return watch;

failed:
	error = errno;
	traffic_bpf__destroy(watch->skeleton);
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

int traffic_read_map(int map, struct traffic_counts *counts)
{
	return percpu_sum(map, 0, (uint64_t *)counts, sizeof(*counts) / sizeof(uint64_t));
}

int traffic_read(const struct traffic_watch *watch, struct traffic_counts *counts)
{
	return traffic_read_map(bpf_map__fd(watch->skeleton->maps.traffic), counts);
}

void traffic_merge(struct traffic_counts *into, const struct traffic_counts *from)
{
	for (unsigned int i = 0; i < TRAFFIC_SLOTS; i++) {
		into->slots[i].packets += from->slots[i].packets;
		into->slots[i].bytes += from->slots[i].bytes;
	}
}

json_t *traffic_json(const struct traffic_counts *counts)
{
#define X(name, key, title) [TRAFFIC_##name] = key,
	static const char *const keys[TRAFFIC_MESSAGES] = {
		TRAFFIC_CLASSES(X)[TRAFFIC_ORIGIN] = "origin",
		[TRAFFIC_ORIGIN_ANSWERS] = "origin_answers",
	};
#undef X
	json_t *object = json_object();

	for (unsigned int i = 0; i < TRAFFIC_MESSAGES; i++)
		json_object_set_new(object, keys[i],
				    json_pack("{s:I, s:I}", "packets",
					      (json_int_t)counts->slots[i].packets, "bytes",
					      (json_int_t)counts->slots[i].bytes));
	return object;
}

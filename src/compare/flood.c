#include "compare/flood.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/process.h"
#include "compare/floor.h"
#include "control/interface.h"
#include "control/paths.h"
#include "flood.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NETNS_ROOM = 128,
	BATCH = 64,   /* frames that the kernel makes before it sends them */
	LONGEST = 60, /* seconds */
};

const char *const flood_names[] = {[FLOOD_SYN] = "syn", [FLOOD_ACK] = "ack"};

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t rest[64]; /* options or data */
} __attribute__((packed));

static char *netns(const char *lab, const char *host, char text[NETNS_ROOM])
{
	snprintf(text, NETNS_ROOM, "baton-%s-%s", lab, host);
	return text;
}

/* ---- the core ---- */

/* The last one that this process may use. */
static int core(void)
{
	cpu_set_t usable;
	int last = -ENODEV;

	if (sched_getaffinity(0, sizeof(usable), &usable) || CPU_COUNT(&usable) < 2)
		return -ENODEV;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &usable))
			last = i;
	return last;
}

static int spared = -1;

int flood_spare_core(void)
{
	cpu_set_t usable;
	int last = core();

	if (last < 0)
		return last;
	sched_getaffinity(0, sizeof(usable), &usable);
	CPU_CLR(last, &usable);
	if (sched_setaffinity(0, sizeof(usable), &usable))
		return -errno;
	spared = last;
	return 0;
}

/* ---- hosts ---- */

static int attach_drop(void *context)
{
	struct flood_bpf *skeleton = flood_bpf__open_and_load();
	int error = -ENOENT;

	(void)context;
	if (skeleton)
		error = bpf_xdp_attach((int)if_nametoindex("eth0"),
				       bpf_program__fd(skeleton->progs.drop), XDP_FLAGS_DRV_MODE,
				       NULL);
	flood_bpf__destroy(skeleton);
	return error ? 1 : 0;
}

int flood_prepare(const char *lab)
{
	char name[NETNS_ROOM];
	int error = floor_pass(lab, FLOOD_HOST);

	if (!error && process_within(netns(lab, FLOOD_HOST, name), attach_drop, NULL))
		error = -EIO;
	return error;
}

int flood_route(const char *lab, const char *host, const char *gateway)
{
	char name[NETNS_ROOM];
	const char *const argv[] = {"ip",    "-n",    netns(lab, host, name),
				    "route", "add",   "198.18.0.0/15",
				    "via",   gateway, NULL};

	return process_run(argv, NULL, NULL) ? -EIO : 0;
}

/* ---- the template ---- */

static uint32_t sum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t total = 0;

	for (size_t i = 0; i + 1 < length; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, 2);
		total += word;
	}
	return total;
}

/* Fills a frame whose source, port, numbers and checksums are nought. Returns its length, which is
 * even. */
static unsigned int make_template(struct frame *frame, enum flood_kind kind, uint32_t address,
				  const struct ether_addr *to, const struct ether_addr *from)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: flood.test\r\n\r\n";
	/* MSS 1460, SACK, timestamps, window scale 7 */
	static const uint8_t options[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0,
					    0, 1, 0, 0,	   0, 0, 1, 3,	3, 7};
	unsigned int rest = kind == FLOOD_SYN ? sizeof(options) : sizeof(request) - 1;

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->ethernet.h_dest, to, ETH_ALEN);
	memcpy(frame->ethernet.h_source, from, ETH_ALEN);
	frame->ethernet.h_proto = htons(ETH_P_IP);
	frame->ip.version = 4;
	frame->ip.ihl = sizeof(frame->ip) / 4;
	frame->ip.tot_len = htons((uint16_t)(sizeof(frame->ip) + sizeof(frame->tcp) + rest));
	frame->ip.frag_off = htons(0x4000);
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_TCP;
	frame->ip.daddr = address;
	frame->tcp.dest = htons(80);
	frame->tcp.doff = sizeof(frame->tcp) / 4;
	frame->tcp.window = htons(64240);
	if (kind == FLOOD_SYN) {
		frame->tcp.syn = 1;
		frame->tcp.doff += sizeof(options) / 4;
		memcpy(frame->rest, options, sizeof(options));
	} else {
		frame->tcp.ack = frame->tcp.psh = 1;
		memcpy(frame->rest, request, sizeof(request) - 1);
	}
	return offsetof(struct frame, rest) + rest;
}

/* ---- sending ---- */

/* In a process of its own, inside FLOOD_HOST. Returns an exit code. */
static int send_flood(struct frame *frame, unsigned int length, int device, double rate)
{
	struct flood_bpf *skeleton = flood_bpf__open();
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = length,
		    .repeat = INT_MAX, .batch_size = BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	/* The pseudo header (RFC 9293, 3.1). */
	uint32_t pseudo = htons(IPPROTO_TCP) +
			  htons((uint16_t)(length - sizeof(frame->ethernet) - sizeof(frame->ip))) +
			  sum(&frame->ip.daddr, 4);

	if (!skeleton)
		return 1;
	skeleton->rodata->device = (__u32)device;
	skeleton->rodata->ip_sum = sum(&frame->ip, sizeof(frame->ip));
	skeleton->rodata->tcp_sum = pseudo + sum(&frame->tcp, length - offsetof(struct frame, tcp));
	skeleton->rodata->gap_ns = rate > 0 ? (uint64_t)(NS_PER_S / rate) : 0;
	skeleton->bss->state = clock_now();
	if (flood_bpf__load(skeleton))
		return 1;
	alarm(LONGEST);
	if (bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.flood), &options))
		return failed_errno(errno, "compare: sending a flood");
	return 0;
}

pid_t flood_start(const char *lab, enum flood_kind kind, const char *address, const char *mac,
		  double rate)
{
	struct ether_addr to, from;
	struct in_addr target;
	char name[NETNS_ROOM];
	struct frame frame;
	unsigned int length;
	cpu_set_t one;
	int device;
	pid_t pid;

	if (!inet_aton(address, &target) || !ether_aton_r(mac, &to))
		return -EINVAL;
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&one);
	if (spared >= 0)
		CPU_SET((size_t)spared, &one);
	if ((spared >= 0 && sched_setaffinity(0, sizeof(one), &one)) ||
	    netns_enter(netns(lab, FLOOD_HOST, name)) ||
	    interface_find("eth0", &device, from.ether_addr_octet))
		_exit(1);
	length = make_template(&frame, kind, target.s_addr, &to, &from);
	_exit(send_flood(&frame, length, device, rate));
}

bool flood_end(pid_t pid)
{
	if (pid <= 0)
		return true;
	if (waitpid(pid, NULL, WNOHANG))
		return false;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return true;
}

/* ---- the reference ---- */

struct flood_shield {
	struct flood_bpf *skeleton;
	int link, program; /* the front's */
};

int flood_shield_raise(const char *lab, struct flood_shield **shield)
{
	struct flood_shield *made = calloc(1, sizeof(*made));
	struct bpf_link_info info = {0};
	char pins[PATH_ROOM], path[PATH_ROOM + 8];
	__u32 length = sizeof(info), zero = 0;
	int error;

	if (!made)
		return -ENOMEM;
	made->program = -1;
	snprintf(path, sizeof(path), "%s/link_xdp", path_pins(pins, lab, "front"));
	made->link = bpf_obj_get(path);
	made->skeleton = flood_bpf__open_and_load();
	error = made->link < 0 || !made->skeleton ? -ENOENT : 0;
	if (!error && bpf_obj_get_info_by_fd(made->link, &info, &length))
		error = -errno;
	if (!error)
		made->program = bpf_prog_get_fd_by_id(info.prog_id);
	if (!error && made->program < 0)
		error = made->program;
	if (!error)
		error = bpf_map_update_elem(bpf_map__fd(made->skeleton->maps.behind), &zero,
					    &made->program, BPF_ANY);
	if (!error)
		error = bpf_link_update(made->link, bpf_program__fd(made->skeleton->progs.drop),
					NULL);
	*shield = made;
	if (error) {
		flood_shield_lower(made);
		*shield = NULL;
	}
	return error;
}

int flood_shield_lower(struct flood_shield *shield)
{
	int error = 0;

	if (!shield)
		return 0;
	if (shield->program >= 0 && shield->link >= 0)
		error = bpf_link_update(shield->link, shield->program, NULL);
	if (shield->program >= 0)
		close(shield->program);
	if (shield->link >= 0)
		close(shield->link);
	flood_bpf__destroy(shield->skeleton);
	free(shield);
	return error;
}

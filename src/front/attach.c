#include "front/front.h"

#include "base/fail.h"
#include "control/kernel.h"
#include "front.skel.h"
#include "wire/place.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const needs[] = {NULL};

static int attach_xdp(struct front *front)
{
	int program = bpf_program__fd(bpf_object__find_program_by_name(front->object, "front"));
	int choice = front->config.front.xdp, error = -EOPNOTSUPP;
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (choice != XDP_GENERIC)
		error = kernel_attach(program, front->ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE,
				      front->pins, "xdp");
	if (error && choice != XDP_NATIVE)
		error = kernel_attach(program, front->ifindex, BPF_XDP, XDP_FLAGS_SKB_MODE,
				      front->pins, "xdp");
	/* A link found from before keeps the mode it has. */
	if (!error && !bpf_xdp_query(front->ifindex, 0, &query))
		front->native = query.attach_mode == XDP_ATTACHED_DRV;
	return error;
}

/* The kernel joins segments before a generic program sees them, and what was joined is too long to
 * be handed over. */
static void warn_of_joined_segments(const char *device)
{
	struct ethtool_value joins = {.cmd = ETHTOOL_GGRO};
	struct ifreq request = {.ifr_data = (void *)&joins};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request) && joins.data)
		log_line(LOG_LEVEL_WARNING,
			 "XDP is generic on %s and joins segments: run 'ethtool -K %s gro off lro "
			 "off'",
			 device, device);
	if (fd >= 0)
		close(fd);
}

int front_attach(struct front *front, char why[512])
{
	struct front_bpf *skeleton;
	int error;

	kernel_listen();
	error = kernel_check(needs, why);
	if (error)
		return error;
	if (!kernel_pins_alive(front->pins))
		kernel_pins_remove(front->pins);
	error = kernel_pins_make(front->pins);
	if (error) {
		snprintf(why, 512, "%s: %s; is a BPF file system mounted at /sys/fs/bpf?",
			 front->pins, strerror(-error));
		return error;
	}
	skeleton = front_bpf__open();
	if (!skeleton) {
		error = -errno;
		snprintf(why, 512, "opening the program: %s", strerror(errno));
		return error;
	}
	front->skeleton = skeleton;
	front->object = skeleton->obj;
	error = bpf_map__set_max_entries(skeleton->maps.flows, (__u32)front->config.front.flows);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.place_targets,
						 PLACE_TARGETS_DISPATCHER);
	if (!error)
		error = kernel_pin_maps(front->object, front->pins);
	if (!error)
		error = bpf_object__load(front->object);
	if (error) {
		snprintf(why, 512,
			 "loading the program: %s (%.300s); if 'flows' was changed or another "
			 "version of Baton left its maps, run 'baton front --detach' first",
			 strerror(-error), kernel_words());
		return error;
	}
	front->datapath = datapath_new(front->object);
	if (!front->datapath) {
		snprintf(why, 512, "the program lacks a map");
		return -ENOENT;
	}
	/* Until the maps are filled the program passes everything. */
	error = attach_xdp(front);
	if (error)
		snprintf(why, 512,
			 "attaching XDP to %s: %s; another XDP program there must be taken off "
			 "first ('ip link set %s xdp off')",
			 front->config.front.interface, strerror(-error),
			 front->config.front.interface);
	else if (!front->native)
		warn_of_joined_segments(front->config.front.interface);
	return error;
}

void front_release(struct front *front)
{
	datapath_free(front->datapath);
	front_bpf__destroy(front->skeleton);
}

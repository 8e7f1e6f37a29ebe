#include "control/xdp.h"

#include "base/fail.h"
#include "control/config.h"
#include "control/kernel.h"

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

int xdp_attach(int program, const char *device, int ifindex, int choice, const char *pins,
	       bool *native, char why[512])
{
	int error = -EOPNOTSUPP;
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (choice != XDP_GENERIC)
		error = kernel_attach(program, ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE, pins, "xdp");
	if (error && choice != XDP_NATIVE)
		error = kernel_attach(program, ifindex, BPF_XDP, XDP_FLAGS_SKB_MODE, pins, "xdp");
	if (error) {
		snprintf(why, 512,
			 "attaching XDP to %s: %s; another XDP program there must be taken off "
			 "first ('ip link set %s xdp off')",
			 device, strerror(-error), device);
		return error;
	}
	/* A link found from before keeps the mode it has. */
	if (!bpf_xdp_query(ifindex, 0, &query))
		*native = query.attach_mode == XDP_ATTACHED_DRV;
	if (!*native)
		warn_of_joined_segments(device);
	return 0;
}

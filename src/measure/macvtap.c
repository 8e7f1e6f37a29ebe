#include "measure/macvtap.h"

#include "base/process.h"
#include "measure/network.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The number of the device that speaks for tap0. /dev/tapN goes by an index that another namespace
 * may have too, so the namespace's own /sys is asked. */
static int device_number(const char *run, dev_t *number, struct buffer *why)
{
	static const char ask[] =
		"mount -t sysfs sysfs /sys && cat /sys/class/net/tap0/macvtap/*/dev";
	char netns[64], enter[96];
	const char *argv[] = {"nsenter", enter, "unshare", "-m", "sh", "-c", ask, NULL};
	struct buffer said = BUFFER_EMPTY;
	unsigned int major, minor;
	int found;

	snprintf(enter, sizeof(enter), "--net=/run/netns/%s", network_netns(run, "host", netns));
	found = !process_run(argv, NULL, &said) && said.length &&
		sscanf(said.data, "%u:%u", &major, &minor) == 2;
	if (found)
		*number = makedev(major, minor);
	else
		buffer_format(why, "macvtap has no device: %.*s",
			      (int)(said.length ? strcspn(said.data, "\n") : 0),
			      said.length ? said.data : "");
	buffer_release(&said);
	return found ? 0 : -1;
}

int macvtap_up(const char *run, const char *scratch, struct buffer *why)
{
	char path[PATH_MAX];
	dev_t number;
	int fd;

	if (network_ip(run, "host",
		       "link set wire nomaster\n"
		       "addr del " HOST_ADDRESS "/24 dev br0\n"
		       "link add door link wire type macvlan mode bridge\n"
		       "addr add " HOST_ADDRESS "/24 dev door\n"
		       "link set door up\n"
		       "link add tap0 link wire address " BRIDGED_MAC " type macvtap mode bridge\n"
		       "link set tap0 up\n",
		       why) ||
	    device_number(run, &number, why))
		return -1;
	snprintf(path, sizeof(path), "%s/macvtap", scratch);
	unlink(path);
	fd = mknod(path, S_IFCHR | 0600, number) ? -1 : open(path, O_RDWR);
	if (fd < 0)
		buffer_format(why, "%s: %s", path, strerror(errno));
	return fd;
}

void macvtap_down(const char *run)
{
	struct buffer why = BUFFER_EMPTY;

	network_ip(run, "host", "link del tap0\n", &why);
	network_ip(run, "host", "link del door\n", &why);
	network_ip(run, "host",
		   "addr add " HOST_ADDRESS "/24 dev br0\n"
		   "link set wire master br0\n",
		   &why);
	buffer_release(&why);
}

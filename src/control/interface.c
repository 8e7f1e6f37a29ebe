#include "control/interface.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int interface_find(const char *name, int *index, unsigned char mac[6])
{
	struct ifreq request = {0};
	int fd, error = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFHWADDR, &request)) {
		error = -errno;
	} else if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		error = -EAFNOSUPPORT;
	} else {
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
		*index = (int)if_nametoindex(name);
		if (!*index)
			error = -errno;
	}
	close(fd);
	return error;
}

bool interface_running(const char *name)
{
	struct ifreq request = {0};
	bool running = true;
	int fd;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	if (!ioctl(fd, SIOCGIFFLAGS, &request))
		running = request.ifr_flags & IFF_RUNNING;
	close(fd);
	return running;
}

/* Machines of QEMU: emulated (TCG), or run by the processor itself (KVM). Both boot the image's
 * kernel with a paravirtual disk and network; the image is never written to. */
#include "measure/subject.h"

#include "guest/image.h"
#include "guest/machine.h"
#include "measure/macvtap.h"
#include "measure/network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int check(enum network network, struct buffer *why)
{
	if (!subject_has("qemu-system-x86_64", "qemu-system-x86", why))
		return -1;
	if (network == NETWORK_VHOST && access("/dev/vhost-net", R_OK | W_OK)) {
		buffer_format(why, "/dev/vhost-net: %s", strerror(errno));
		return -1;
	}
	if (network == NETWORK_PASST && !subject_has("passt", "passt", why))
		return -1;
	return 0;
}

static int check_tcg(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	(void)subject;
	return check(network, why);
}

static int check_kvm(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	(void)subject;
	if (!access("/dev/kvm", R_OK | W_OK))
		return check(network, why);
	buffer_format(why, "/dev/kvm: %s", strerror(errno));
	return -1;
}

/* QEMU's words for the guest's network. `*fd` is a file that QEMU inherits, or -1. */
static int netdev(struct guest *guest, char *text, size_t room, int *fd, struct buffer *why)
{
	size_t length;

	*fd = -1;
	switch (guest->network) {
	case NETWORK_TAP:
	case NETWORK_VHOST:
		snprintf(text, room, "tap,id=net,ifname=tap0,script=no,downscript=no%s",
			 guest->network == NETWORK_VHOST ? ",vhost=on" : "");
		return subject_tap(guest, why);
	case NETWORK_MACVTAP:
		strcpy(guest->address, BRIDGED_ADDRESS);
		*fd = macvtap_up(guest->run, guest->scratch, why);
		snprintf(text, room, "tap,id=net,fd=%d", *fd);
		return *fd < 0 ? -1 : 0;
	case NETWORK_NAT:
		strcpy(guest->address, HOST_ADDRESS);
		length = (size_t)snprintf(text, room, "user,id=net");
		for (const int *port = network_ports; *port; port++)
			length += (size_t)snprintf(text + length, room - length,
						   ",hostfwd=tcp:0.0.0.0:%d-:%d", *port, *port);
		return 0;
	case NETWORK_PASST: {
		char socket[PATH_MAX], ports[64] = "";
		const char *argv[] = {
			/* It looks for a way out by itself, and there is none. */
			"passt",     "--ipv4-only", "--interface", "br0",	  "--foreground",
			"--quiet",   "--socket",    socket,	   "--address",	  NAT_ADDRESS,
			"--netmask", "24",	    "--gateway",   NAT_GATEWAY,	  "--mtu",
			"1500",	     "--runas",	    "0",	   "--tcp-ports", ports,
			NULL};

		strcpy(guest->address, HOST_ADDRESS);
		for (const int *port = network_ports; *port; port++)
			snprintf(ports + strlen(ports), sizeof(ports) - strlen(ports), "%s%d",
				 *ports ? "," : "", *port);
		snprintf(socket, sizeof(socket), "%s/passt.sock", guest->scratch);
		snprintf(text, room, "stream,id=net,server=off,addr.type=unix,addr.path=%s",
			 socket);
		if (subject_help(guest, "host", "guest", argv, why) < 0)
			return -1;
		for (int tries = 0; tries < 600 && access(socket, F_OK); tries++)
			usleep(50000);
		return 0;
	}
	default:
		strcpy(guest->address, BRIDGED_ADDRESS);
		buffer_text(why, "no such network");
		return -1;
	}
}

static int start(struct guest *guest, bool kvm, struct buffer *why)
{
	bool nat = guest->network == NETWORK_NAT || guest->network == NETWORK_PASST;
	char kernel[PATH_MAX], initrd[PATH_MAX], disk[PATH_MAX], net[512];
	struct machine_command command;
	int fd, error;
	struct machine machine = {
		.kvm = kvm,
		.cpu = guest->subject->cpu,
		.memory = guest->memory,
		.disk = disk,
		.kernel = kernel,
		.initrd = initrd,
		.netdev = net,
		.device = ",mac=" BRIDGED_MAC,
		.console = "stdio,id=console",
		.init = nat ? "init " NAT_ADDRESS "/24 " NAT_GATEWAY
			    : "init " BRIDGED_ADDRESS "/24",
	};

	guest->own_kernel = true;
	if (netdev(guest, net, sizeof(net), &fd, why))
		return -1;
	snprintf(disk, sizeof(disk), "%s/" IMAGE_DISK, guest->image);
	if (*guest->subject->kernel)
		snprintf(kernel, sizeof(kernel), "%s", guest->subject->kernel);
	else
		snprintf(kernel, sizeof(kernel), "%s/" IMAGE_KERNEL, guest->image);
	if (*guest->subject->initrd)
		snprintf(initrd, sizeof(initrd), "%s", guest->subject->initrd);
	else
		snprintf(initrd, sizeof(initrd), "%s/" IMAGE_INITRD, guest->image);
	machine_command(&machine, &command);
	error = subject_spawn(guest, "host", "guest", command.argv, why);
	if (fd >= 0)
		close(fd);
	return error;
}

static void stop(struct guest *guest)
{
	if (guest->network == NETWORK_MACVTAP)
		macvtap_down(guest->run);
	else
		subject_untap(guest);
}

static int start_tcg(struct guest *guest, struct buffer *why)
{
	return start(guest, false, why);
}

static int start_kvm(struct guest *guest, struct buffer *why)
{
	return start(guest, true, why);
}

const struct subject_kind subject_qemu_tcg = {
	.name = "qemu-tcg",
	.about = "QEMU, every instruction emulated",
	.needs_image = true,
	.check = check_tcg,
	.start = start_tcg,
	.stop = stop,
};

const struct subject_kind subject_qemu_kvm = {
	.name = "qemu-kvm",
	.about = "QEMU with KVM: full virtualization",
	.needs_image = true,
	.check = check_kvm,
	.start = start_kvm,
	.stop = stop,
};

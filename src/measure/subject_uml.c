/* User-Mode Linux: a kernel that runs as a program of this one. */
#include "measure/subject.h"

#include "base/process.h"
#include "guest/agent.h"
#include "guest/image.h"
#include "measure/network.h"

#include <stdio.h>
#include <string.h>

static int check(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	(void)subject;
	if (!subject_has("linux.uml", "user-mode-linux", why))
		return -1;
	if (network == NETWORK_NAT)
		return subject_has("slirp4netns", "slirp4netns", why) ? 0 : -1;
	if (network == NETWORK_TAP)
		return 0;
	buffer_text(why, "User-Mode Linux has nat (slirp4netns beside its TAP) and tap");
	return -1;
}

/* The user-mode network and the machine each have a TAP; a bridge in a namespace of their own joins
 * them. */
static int cable(struct guest *guest, struct buffer *why)
{
	char netns[64];
	const char *make[] = {"ip", "netns", "add", network_netns(guest->run, "guest", netns),
			      NULL};

	if (guest->network == NETWORK_TAP)
		return subject_tap(guest, why);
	strcpy(guest->address, HOST_ADDRESS);
	if (process_run(make, NULL, why))
		return -1;
	return network_ip(guest->run, "guest",
			  "link set lo up\nlink add br0 type bridge mcast_snooping 0\n"
			  "link set br0 up\ntuntap add dev tap0 mode tap\n"
			  "link set tap0 master br0\nlink set tap0 up\n",
			  why) ||
			       subject_slirp(guest, "slirp0", why) ||
			       network_ip(guest->run, "guest",
					  "link set slirp0 master br0\nlink set slirp0 up\n", why)
		       ? -1
		       : 0;
}

static int start(struct guest *guest, struct buffer *why)
{
	bool nat = guest->network == NETWORK_NAT;
	char disk[2 * PATH_MAX + 64], memory[32], folder[PATH_MAX + 32];
	const char *argv[] = {*guest->subject->kernel ? guest->subject->kernel : "linux.uml",
			      disk,
			      memory,
			      folder,
			      "umid=guest",
			      "root=/dev/ubda",
			      "rw",
			      "quiet",
			      "con=null",
			      "ssl=null",
			      "con0=fd:0,fd:1",
			      "console=tty0",
			      "eth0=tuntap,tap0," BRIDGED_MAC,
			      "init=" AGENT_PATH,
			      "--",
			      "init",
			      nat ? NAT_ADDRESS "/24" : BRIDGED_ADDRESS "/24",
			      nat ? NAT_GATEWAY : NULL,
			      NULL};

	guest->own_kernel = true;
	snprintf(disk, sizeof(disk), "ubd0=%s/disk.cow,%s/" IMAGE_DISK, guest->scratch,
		 guest->image);
	snprintf(memory, sizeof(memory), "mem=%luM", guest->memory >> 20);
	snprintf(folder, sizeof(folder), "uml_dir=%s", guest->scratch);
	if (cable(guest, why))
		return -1;
	return subject_spawn(guest, nat ? "guest" : "host", "guest", argv, why);
}

const struct subject_kind subject_uml = {
	.name = "uml",
	.about = "User-Mode Linux: a kernel as a program",
	.needs_image = true,
	.check = check,
	.start = start,
	.stop = subject_untap,
};

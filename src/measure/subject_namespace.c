/* A container: namespaces of this kernel around the same tree that the machines boot. "tap" is a
 * veth on the bridge. */
#include "measure/subject.h"

#include "base/process.h"
#include "guest/agent.h"
#include "measure/network.h"

#include <stdio.h>
#include <string.h>

static int check(const struct plan_subject *subject, enum network network, struct buffer *why)
{
	(void)subject;
	if (network == NETWORK_NAT)
		return subject_has("slirp4netns", "slirp4netns", why) ? 0 : -1;
	if (network == NETWORK_TAP)
		return 0;
	buffer_text(why, "a container has nat (slirp4netns) and tap (a veth on the bridge)");
	return -1;
}

static int cable(struct guest *guest, struct buffer *why)
{
	char netns[64], lines[512];

	if (guest->network == NETWORK_NAT) {
		strcpy(guest->address, HOST_ADDRESS);
		return network_ip(guest->run, "guest", "link set lo up\n", why) ||
				       subject_slirp(guest, "eth0", why) ||
				       network_ip(guest->run, "guest",
						  "addr add " NAT_ADDRESS "/24 dev eth0\n"
						  "link set eth0 up\n"
						  "route add default via " NAT_GATEWAY "\n",
						  why)
			       ? -1
			       : 0;
	}
	strcpy(guest->address, BRIDGED_ADDRESS);
	snprintf(lines, sizeof(lines),
		 "link add guest type veth peer name eth0 address " BRIDGED_MAC " netns %s\n"
		 "link set guest master br0\nlink set guest up\n",
		 network_netns(guest->run, "guest", netns));
	return network_ip(guest->run, "host", lines, why) ||
			       network_ip(guest->run, "guest",
					  "link set lo up\naddr add " BRIDGED_ADDRESS
					  "/24 dev eth0\nlink set eth0 up\n",
					  why)
		       ? -1
		       : 0;
}

/* $1: the tree, $2: a folder of the guest's own, $3: "tmpfs" where what it writes goes to memory.
 * What it writes lies over the tree and goes with it. */
static const char script[] =
	"set -e\n"
	"mount --make-rprivate /\n"
	"mkdir -p \"$2/layer\" \"$2/top\"\n"
	"[ \"$3\" != tmpfs ] || mount -t tmpfs -o mode=755 layer \"$2/layer\"\n"
	"mkdir -p \"$2/layer/upper/usr/sbin\" \"$2/layer/work\"\n"
	"cp \"$2/baton-guest\" \"$2/layer/upper/usr/sbin/baton-guest\"\n"
	"mount -t overlay -o \"lowerdir=$1,upperdir=$2/layer/upper,workdir=$2/layer/work\" top "
	"\"$2/top\"\n"
	"mount -t proc proc \"$2/top/proc\"\n"
	"mount --rbind /dev \"$2/top/dev\"\n"
	"mount -t tmpfs -o mode=755 run \"$2/top/run\"\n"
	"mount -t tmpfs -o mode=1777 tmp \"$2/top/tmp\"\n"
	"hostname guest\n"
	"unset TMPDIR\n"
	"exec chroot \"$2/top\" " AGENT_PATH " agent\n";

static int start(struct guest *guest, struct buffer *why)
{
	char netns[64];
	const char *make[] = {"ip", "netns", "add", network_netns(guest->run, "guest", netns),
			      NULL};
	const char *argv[] = {"unshare",
			      "--pid",
			      "--mount",
			      "--uts",
			      "--ipc",
			      "--fork",
			      "--kill-child",
			      "sh",
			      "-c",
			      script,
			      "sh",
			      guest->root,
			      guest->scratch,
			      strcmp(guest->root, "/") ? "disk" : "tmpfs",
			      NULL};

	if (process_run(make, NULL, why) || cable(guest, why))
		return -1;
	return subject_spawn(guest, "guest", "guest", argv, why);
}

const struct subject_kind subject_namespace = {
	.name = "namespace",
	.about = "a container: namespaces of this machine's kernel",
	.needs_image = true,
	.check = check,
	.start = start,
};

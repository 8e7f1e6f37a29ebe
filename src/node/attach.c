#include "node/node.h"

#include "base/fail.h"
#include "control/kernel.h"
#include "node.skel.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const needs[] = {"bpf_sk_assign_tcp_reqsk", NULL};

/* Where cgroup v2 is mounted; the congestion window is restored by a program at its root. */
static int open_cgroup_root(void)
{
	struct mntent *entry;
	FILE *mounts;
	int fd = -ENOENT;

	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return -errno;
	while (fd == -ENOENT && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2")) {
			fd = open(entry->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				fd = -errno;
		}
	endmntent(mounts);
	return fd;
}

static int program(const struct node *node, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(node->object, name));
}

static int attach_all(struct node *node, char why[512])
{
	int cgroup, error;

	error = kernel_attach(program(node, "node_in"), node->ifindex, KERNEL_TCX_INGRESS, 0,
			      node->pins, "in");
	if (!error)
		error = kernel_attach(program(node, "node_out"), node->ifindex, KERNEL_TCX_EGRESS,
				      0, node->pins, "out");
	if (error) {
		snprintf(why, 512, "attaching to %s: %s", node->self.interface, strerror(-error));
		return error;
	}
	cgroup = open_cgroup_root();
	if (cgroup >= 0) {
		error = kernel_attach(program(node, "node_sockops"), cgroup, BPF_CGROUP_SOCK_OPS, 0,
				      node->pins, "sockops");
		close(cgroup);
	}
	if (cgroup < 0 || error)
		log_line(LOG_LEVEL_WARNING,
			 "no cgroup v2 to attach to (%s): a moved connection begins with a small "
			 "congestion window; mount cgroup2",
			 strerror(cgroup < 0 ? -cgroup : -error));
	return 0;
}

int node_attach(struct node *node, char why[512])
{
	struct node_bpf *skeleton;
	int error;

	error = kernel_prepare(needs, node->pins, why);
	if (error)
		return error;
	skeleton = node_bpf__open();
	if (!skeleton) {
		error = -errno;
		snprintf(why, 512, "opening the programs: %s", strerror(errno));
		return error;
	}
	node->skeleton = skeleton;
	node->object = skeleton->obj;
	error = kernel_pin_maps(node->object, node->pins);
	if (!error)
		error = bpf_object__load(node->object);
	if (error) {
		snprintf(why, 512,
			 "loading the programs: %s (%.300s); if another version of Baton left its "
			 "maps, run 'baton node --detach'",
			 strerror(-error), kernel_words());
		return error;
	}
	node->datapath = datapath_new(node->object);
	if (!node->datapath) {
		error = -errno;
		snprintf(why, 512, "the programs' maps can't be read: %s", strerror(-error));
		return error;
	}
	/* Until the maps are filled the programs pass everything. */
	return attach_all(node, why);
}

void node_release(struct node *node)
{
	datapath_free(node->datapath);
	node_bpf__destroy(node->skeleton);
}

#include "control/kernel.h"

#include "control/paths.h"

#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

static char words[1024];

static int keep_words(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[sizeof(words)];
	char *end;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	/* The verifier's log comes as one text of many lines: its end tells what was wrong. */
	while ((end = strrchr(text, '\n')) && !end[1])
		*end = 0;
	if (*text)
		memcpy(words, text, sizeof(words));
	return 0;
}

void kernel_listen(void)
{
	libbpf_set_print(keep_words);
}

const char *kernel_words(void)
{
	return words;
}

int kernel_check(const char *const *needs, char why[256])
{
	struct utsname system;
	struct btf *btf;
	int fd, error = 0;

	uname(&system);
	btf = btf__load_vmlinux_btf();
	if (!btf) {
		snprintf(why, 256,
			 "Linux %s has no type information (/sys/kernel/btf/vmlinux); a kernel "
			 "built with CONFIG_DEBUG_INFO_BTF is needed, as distributions ship it",
			 system.release);
		return -ENOTSUP;
	}
	for (; *needs && !error; needs++)
		if (btf__find_by_name_kind(btf, *needs, BTF_KIND_FUNC) < 0) {
			snprintf(why, 256,
				 "Linux %s has no %s; 6.9 or later is needed (Debian 12: "
				 "bookworm-backports, Ubuntu 24.04: linux-generic-hwe-24.04)",
				 system.release, *needs);
			error = -ENOTSUP;
		}
	btf__free(btf);
	if (error)
		return error;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "baton_probe", 4, 4, 1, NULL);
	if (fd < 0) {
		snprintf(why, 256,
			 "may not make BPF maps (%s); run it as root or with CAP_BPF, "
			 "CAP_NET_ADMIN and CAP_PERFMON",
			 strerror(errno));
		return -EPERM;
	}
	close(fd);
	return 0;
}

int kernel_pins_make(const char *directory)
{
	struct statfs status;

	if (statfs("/sys/fs/bpf", &status))
		return -errno;
	if (status.f_type != BPF_FS_MAGIC && mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		return -errno;
	return path_make(directory, 0700);
}

/* Calls `each` with every name in the directory until it answers other than 0. */
static int each_pin(const char *directory, int (*each)(const char *path))
{
	char path[PATH_ROOM + 256];
	struct dirent *entry;
	DIR *open;
	int result = 0;

	open = opendir(directory);
	if (!open)
		return errno == ENOENT ? 0 : -errno;
	while (!result && (entry = readdir(open))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		result = each(path);
	}
	closedir(open);
	return result;
}

/* The device a link is on: its ifindex, 0 if that is gone; for a cgroup -1. -errno if `fd` is no
 * link. */
static int link_target(int fd)
{
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return -errno;
	if (info.type == BPF_LINK_TYPE_CGROUP)
		return -1;
	/* XDP's and tcx's information begin with the ifindex. */
	return (int)info.xdp.ifindex;
}

static bool is_link(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && !strncmp(name, "/link_", 6);
}

static int pin_is_alive(const char *path)
{
	int fd, target;

	if (!is_link(path))
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	target = link_target(fd);
	close(fd);
	return target > 0;
}

bool kernel_pins_alive(const char *directory)
{
	return each_pin(directory, pin_is_alive) > 0;
}

static int remove_pin(const char *path)
{
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int kernel_pins_remove(const char *directory)
{
	int error = each_pin(directory, remove_pin);

	if (!error && rmdir(directory) && errno != ENOENT)
		error = -errno;
	return error;
}

/* Takes the pin at `path` away if it is of counters or scratch memory that have another shape in
 * `map`: they are made anew. What flows depend on is never touched; if that has changed, loading
 * fails and says so. */
static void drop_outgrown(const char *path, const struct bpf_map *map)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.type == BPF_MAP_TYPE_PERCPU_ARRAY &&
	    (info.value_size != bpf_map__value_size(map) ||
	     info.max_entries != bpf_map__max_entries(map)))
		unlink(path);
	close(fd);
}

int kernel_pin_maps(struct bpf_object *object, const char *directory)
{
	char path[PATH_ROOM + 64];
	struct bpf_map *map;
	int error;

	bpf_object__for_each_map (map, object) {
		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, bpf_map__name(map));
		drop_outgrown(path, map);
		error = bpf_map__set_pin_path(map, path);
		if (error)
			return error;
	}
	return 0;
}

void kernel_pins_tidy(const char *directory)
{
	if (!kernel_pins_alive(directory))
		kernel_pins_remove(directory);
}

int kernel_prepare(const char *const *needs, const char *pins, char why[512])
{
	int error;

	kernel_listen();
	error = kernel_check(needs, why);
	if (error)
		return error;
	kernel_pins_tidy(pins);
	error = kernel_pins_make(pins);
	if (error)
		snprintf(why, 512, "%s: %s; is a BPF file system mounted at /sys/fs/bpf?", pins,
			 strerror(-error));
	return error;
}

int kernel_attach(int program, int target, int type, __u32 flags, const char *directory,
		  const char *name)
{
	LIBBPF_OPTS(bpf_link_create_opts, create, .flags = flags);
	char path[PATH_ROOM + 64];
	int fd, error = 0, now;

	snprintf(path, sizeof(path), "%s/link_%s", directory, name);
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		now = link_target(fd);
		if (now == target || (now == -1 && type == BPF_CGROUP_SOCK_OPS)) {
			error = bpf_link_update(fd, program, NULL) ? -errno : 0;
			close(fd);
			return error;
		}
		close(fd);
		if (unlink(path))
			return -errno;
	}
	fd = bpf_link_create(program, target, (enum bpf_attach_type)type, &create);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		error = -errno;
	close(fd);
	return error;
}

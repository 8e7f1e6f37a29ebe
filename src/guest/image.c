#include "guest/image.h"

#include "base/process.h"
#include "guest_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The static program, put into this one by the build. */
__asm__(".section .rodata\n"
	".global baton_guest_bytes, baton_guest_end\n"
	"baton_guest_bytes:\n"
	".incbin \"" GUEST_PROGRAM "\"\n"
	"baton_guest_end:\n"
	".previous\n");
extern const char baton_guest_bytes[], baton_guest_end[];

char *image_default(char *path)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && *cache == '/')
		snprintf(path, PATH_MAX, "%s/baton/image", cache);
	else
		snprintf(path, PATH_MAX, "%s/.cache/baton/image", home && *home ? home : "/root");
	return path;
}

int image_there(const char *folder)
{
	static const char *const parts[] = {IMAGE_ROOT "/etc/passwd", IMAGE_DISK, IMAGE_KERNEL,
					    IMAGE_INITRD};
	char path[PATH_MAX];

	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, parts[i]);
		if (access(path, R_OK))
			return 0;
	}
	return 1;
}

int image_guest(const char *path)
{
	return file_write_whole(path, baton_guest_bytes,
				(size_t)(baton_guest_end - baton_guest_bytes), 0755);
}

/* $1: the folder, $2: the mirror, or nothing for the first one that apt uses here. Everything is
 * made beside the final names, which appear at the end: a build that was cut short leaves no image.
 */
static const char script[] =
	"set -e\n"
	"umask 022\n"
	"mirror=${2:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | "
	"sed q)}\n"
	"[ \"$mirror\" ] || { echo 'apt names no mirror here; give one by --mirror'; exit 1; }\n"
	"mkdir -p \"$1\"\n"
	"cd \"$1\"\n"
	"rm -rf " IMAGE_ROOT " " IMAGE_DISK " new\n"
	"debootstrap --variant=minbase --include=ca-certificates,iproute2,procps,kmod,curl,"
	"initramfs-tools,samba,apache2,libapache2-mod-php,php-mysql,mariadb-server,iperf3,sockperf "
	"bookworm new \"$mirror\"\n"
	"printf '#!/bin/sh\\nexit 101\\n' > new/usr/sbin/policy-rc.d\n"
	"chmod 755 new/usr/sbin/policy-rc.d\n"
	"echo \"deb $mirror bookworm-backports main\" > new/etc/apt/sources.list.d/backports.list\n"
	"cp /etc/resolv.conf new/etc/resolv.conf\n"
	"printf 'virtio_pci\\nvirtio_blk\\nvirtio_net\\next4\\n' >> "
	"new/etc/initramfs-tools/modules\n"
	"sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' "
	"new/etc/initramfs-tools/initramfs.conf\n"
	"chroot new apt-get -q update\n"
	"DEBIAN_FRONTEND=noninteractive chroot new apt-get -qy install --no-install-recommends "
	"-t bookworm-backports linux-image-cloud-amd64\n"
	"chroot new apt-get clean\n"
	"rm -rf new/usr/share/doc new/usr/share/man new/usr/share/info new/usr/share/locale "
	"new/var/lib/apt/lists/* new/var/cache/apt/*\n"
	"cp new/boot/vmlinuz-* " IMAGE_KERNEL "\n"
	"cp new/boot/initrd.img-* " IMAGE_INITRD "\n"
	"mv new " IMAGE_ROOT "\n";

/* The disk has no journal: it is thrown away after each guest. */
static const char disk_script[] =
	"set -e\n"
	"cd \"$1\"\n"
	"rm -f disk.new\n"
	"mke2fs -q -t ext4 -m 0 -O ^has_journal -d " IMAGE_ROOT " disk.new 1600M\n"
	"mv disk.new " IMAGE_DISK "\n";

/* Runs a script with its folder as $1 and another word as $2; all it says goes to `log` in the
 * folder, its last line to `why` if it fails. */
static int script_run(const char *text, const char *folder, const char *word, const char *log,
		      struct buffer *why)
{
	const char *argv[] = {"sh", "-c", text, "sh", folder, word, NULL};
	struct buffer said = BUFFER_EMPTY;
	char path[PATH_MAX];
	int code = process_run(argv, NULL, &said);
	size_t end = said.length, begin;

	snprintf(path, sizeof(path), "%s/%s", folder, log);
	if (said.length)
		file_write_whole(path, said.data, said.length, 0644);
	if (code) {
		while (end && said.data[end - 1] == '\n')
			end--;
		begin = end;
		while (begin && said.data[begin - 1] != '\n')
			begin--;
		buffer_format(why, "%.*s (all of it: %s)", (int)(end - begin),
			      said.length ? said.data + begin : "", path);
	}
	buffer_release(&said);
	return code ? -1 : 0;
}

int image_build(const char *folder, const char *mirror, struct buffer *why)
{
	char path[PATH_MAX];

	if (script_run(script, folder, mirror, "build.log", why))
		return -1;
	snprintf(path, sizeof(path), "%s/" IMAGE_ROOT "/usr/sbin/baton-guest", folder);
	if (image_guest(path)) {
		buffer_format(why, "can't write %s", path);
		return -1;
	}
	return script_run(disk_script, folder, "", "disk.log", why);
}

int image_lock(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -EWOULDBLOCK;
}

int image_refresh(const char *folder, const char *scratch, struct buffer *why)
{
	char path[PATH_MAX], disk[PATH_MAX], write[2 * PATH_MAX];
	const char *argv[] = {"debugfs", "-w", "-f", "-", disk, NULL};
	int code;

	snprintf(path, sizeof(path), "%s/baton-guest", scratch);
	code = image_guest(path);
	if (code) {
		buffer_format(why, "can't write %s: %s", path, strerror(-code));
		return -1;
	}
	snprintf(disk, sizeof(disk), "%s/" IMAGE_DISK, folder);
	snprintf(write, sizeof(write),
		 "rm /usr/sbin/baton-guest\nwrite %s /usr/sbin/baton-guest\n"
		 "set_inode_field /usr/sbin/baton-guest mode 0100755\n",
		 path);
	code = process_run(argv, write, NULL);
	if (code)
		buffer_format(why, "debugfs can't write to %s; install e2fsprogs", disk);
	return code ? -1 : 0;
}

void image_versions(const char *folder, struct buffer *text)
{
	char admin[PATH_MAX];
	const char *argv[] = {"dpkg-query",
			      admin,
			      "-W",
			      "-f",
			      "${Package} ${Version}\\n",
			      "samba",
			      "apache2",
			      "mariadb-server",
			      "php8.2",
			      "linux-image-cloud-amd64",
			      NULL};

	snprintf(admin, sizeof(admin), "--admindir=%s/" IMAGE_ROOT "/var/lib/dpkg", folder);
	process_run(argv, NULL, text);
}

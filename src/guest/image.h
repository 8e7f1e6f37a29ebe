/* The guests' image: a Debian tree with Samba, Apache, PHP and MariaDB, its kernel, and the same
 * tree as a disk. Built once, from the distribution's packages, and kept in a folder. */
#ifndef BATON_GUEST_IMAGE_H
#define BATON_GUEST_IMAGE_H

#include "base/buffer.h"

#define IMAGE_ROOT   "root"	  /* the tree: what containers run in */
#define IMAGE_DISK   "disk.ext4"  /* the same as a disk */
#define IMAGE_KERNEL "vmlinuz"	  /* its kernel: 6.9 or later, so that a guest can be a node */
#define IMAGE_INITRD "initrd.img" /* its initial file system */

/* The folder that is used when none is named: $XDG_CACHE_HOME/baton/image, ~/.cache/baton/image.
 * `path` has PATH_MAX bytes. Returns path. */
char *image_default(char *path);

/* Whether a whole image is in the folder. */
int image_there(const char *folder);

/* Builds it from `mirror` ("": the one that apt uses here), minutes of work; what is said on the
 * way goes to FOLDER/build.log, and of the disk to disk.log. Returns 0, or -1 with the reason in
 * `why`. */
int image_build(const char *folder, const char *mirror, struct buffer *why);

/* Keeps other runs off the image, whose disk one run at a time may change, until what is returned
 * is closed. Returns an open file, -EWOULDBLOCK if another run has it, or -errno. */
int image_lock(const char *folder);

/* Puts this program's baton-guest on the disk, so that both are of one version. Returns 0 or -1. */
int image_refresh(const char *folder, const char *scratch, struct buffer *why);

/* Writes baton-guest as an executable file. Returns 0 or -errno. */
int image_guest(const char *path);

/* The tree's programs' versions as text lines "name version" (dpkg-query in it). */
void image_versions(const char *folder, struct buffer *text);

#endif

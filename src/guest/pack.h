/* A disk for guests that is made of this host's own programs, each with the libraries that it
 * names: a guest then runs what the host runs, of the same version, and nothing has to be fetched.
 */
#ifndef BATON_GUEST_PACK_H
#define BATON_GUEST_PACK_H

#include "base/buffer.h"

#include <stddef.h>

#define PACK_DISK "disk.ext4"

enum { PACK_MOST = 64 };

/* Makes FOLDER/disk.ext4 of `paths` (NULL-ended): programs, files and folders, each at the place
 * where it is here; a name without a slash is looked up in PATH. What is under FOLDER/root already
 * is on the disk too, and goes from here. baton-guest is at AGENT_PATH. Returns 0, or -1 with the
 * reason in `why`. */
int pack_disk(const char *folder, const char *const paths[], struct buffer *why);

#endif

#include "guest/pack.h"

#include "base/process.h"
#include "guest/agent.h"
#include "guest/image.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* $1: the folder; what goes on the disk. It has no journal: it is thrown away after each guest. */
static const char script[] =
	"set -e\n"
	"umask 022\n"
	"cd \"$1\"\n"
	"shift\n"
	/* Folders that are links here are there too, or /bin/sh would not be found. */
	"for part in bin sbin lib lib64; do\n"
	"  mkdir -p root/usr/$part\n"
	"  [ ! -L /$part ] || ln -s usr/$part root/$part\n"
	"done\n"
	"for part in proc sys dev run tmp sbin var/log var/lib; do mkdir -p root/$part; done\n"
	"for path; do\n"
	"  case $path in /*) ;; *) path=$(command -v \"$path\");; esac\n"
	"  cp -rL --parents \"$path\" root\n"
	"  [ -f \"$path\" ] && [ -x \"$path\" ] || continue\n"
	"  for library in $(ldd \"$path\" 2>/dev/null | grep -o '/[^ )]*'); do\n"
	"    [ -e \"root$library\" ] || cp -L --parents \"$library\" root\n"
	"  done\n"
	"done\n"
	"mv guest root" AGENT_PATH "\n"
	"size=$(du -sm root | cut -f 1)\n"
	"mke2fs -q -t ext4 -m 0 -O ^has_journal -d root disk.new $((size * 5 / 4 + 64))M\n"
	"mv disk.new " PACK_DISK "\n"
	"rm -rf root\n";

int pack_disk(const char *folder, const char *const paths[], struct buffer *why)
{
	const char *argv[PACK_MOST + 6] = {"sh", "-c", script, "sh", folder};
	struct buffer said = BUFFER_EMPTY;
	char path[PATH_MAX];
	int count = 5, code;

	for (; *paths && count < PACK_MOST + 5; paths++)
		argv[count++] = *paths;
	snprintf(path, sizeof(path), "%s/guest", folder);
	code = image_guest(path);
	if (code) {
		buffer_format(why, "can't write %s: %s", path, strerror(-code));
		return -1;
	}
	code = process_run(argv, NULL, &said);
	if (code)
		buffer_format(why, "the disk can't be made: %.*s",
			      (int)(said.length ? strcspn(said.data, "\n") : 0),
			      said.length ? said.data : "");
	buffer_release(&said);
	return code ? -1 : 0;
}

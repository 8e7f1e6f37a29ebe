#include "lab/state.h"
#include "control/paths.h"
#include "lab/topology.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *state_path(const char *lab, const char *file, char path[STATE_ROOM])
{
	snprintf(path, STATE_ROOM, RUN_ROOT "/%s/%s", lab, file);
	return path;
}

bool state_name_good(const char *lab)
{
	size_t length = strlen(lab);

	return length && length <= LAB_NAME_MAX && *lab != '.' &&
	       strspn(lab, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
		       length;
}

int state_make(const char *lab)
{
	static const char *const parts[] = {"", "log", "conf", "root", "cache"};
	char path[STATE_ROOM];
	int error = path_make(RUN_ROOT, 0755);

	for (unsigned int i = 0; !error && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (mkdir(state_path(lab, parts[i], path), 0755))
			error = -errno;
	/* Servers that give up root write here as who they are then. */
	if (!error && (chmod(state_path(lab, "log", path), 01777) ||
		       chmod(state_path(lab, "cache", path), 01777)))
		error = -errno;
	return error;
}

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *walk)
{
	(void)what, (void)kind, (void)walk;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

bool state_remove(const char *lab)
{
	char path[STATE_ROOM];
	bool found;

	snprintf(path, sizeof(path), PIN_ROOT "/%s", lab);
	found = !nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	/* The folder above stays only while another lab has pins in it. */
	rmdir(PIN_ROOT);
	snprintf(path, sizeof(path), RUN_ROOT "/%s", lab);
	found |= !nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	rmdir(RUN_ROOT);
	return found;
}

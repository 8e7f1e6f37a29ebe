#include "control/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

char *path_socket(char text[PATH_ROOM], const char *cluster, const char *host)
{
	snprintf(text, PATH_ROOM, RUN_ROOT "/%s/%s.sock", cluster, host);
	return text;
}

char *path_state(char text[PATH_ROOM], const char *cluster, const char *host)
{
	snprintf(text, PATH_ROOM, RUN_ROOT "/%s/%s.json", cluster, host);
	return text;
}

char *path_pins(char text[PATH_ROOM], const char *cluster, const char *host)
{
	snprintf(text, PATH_ROOM, PIN_ROOT "/%s/%s", cluster, host);
	return text;
}

int path_make(const char *directory, unsigned int mode)
{
	char part[PATH_ROOM];

	if (strlen(directory) >= sizeof(part))
		return -ENAMETOOLONG;
	for (const char *at = directory + 1;; at++) {
		if (*at && *at != '/')
			continue;
		memcpy(part, directory, (size_t)(at - directory));
		part[at - directory] = 0;
		if (mkdir(part, mode) && errno != EEXIST)
			return -errno;
		if (!*at)
			return 0;
	}
}

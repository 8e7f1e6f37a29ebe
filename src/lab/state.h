/* What a lab keeps on disk: /run/baton/LAB. */
#ifndef BATON_LAB_STATE_H
#define BATON_LAB_STATE_H

#include <stdbool.h>

enum { STATE_ROOM = 200 };

/* "/run/baton/LAB/FILE" into `path`. Returns path. */
char *state_path(const char *lab, const char *file, char path[STATE_ROOM]);

/* Letters, digits, '_' and '.', at most LAB_NAME_MAX: what a lab may be called. */
bool state_name_good(const char *lab);

/* Makes the lab's folder with its parts. Returns 0, -EEXIST if there is one, or -errno. */
int state_make(const char *lab);

/* Takes away the folder and the pinned BPF objects. Returns whether there was anything. */
bool state_remove(const char *lab);

#endif

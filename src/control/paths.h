/* Where a cluster's things are kept on a host. */
#ifndef BATON_CONTROL_PATHS_H
#define BATON_CONTROL_PATHS_H

#include <stdint.h>

enum { PATH_ROOM = 160 };

#define RUN_ROOT "/run/baton"
#define PIN_ROOT "/sys/fs/bpf/baton"

/* "/run/baton/CLUSTER/HOST.sock" and ".json": the control socket of the daemon of `host` ("front"
 * or "node-NAME"), and what it keeps over a restart. */
char *path_socket(char text[PATH_ROOM], const char *cluster, const char *host);
char *path_state(char text[PATH_ROOM], const char *cluster, const char *host);

/* "/sys/fs/bpf/baton/CLUSTER/HOST". */
char *path_pins(char text[PATH_ROOM], const char *cluster, const char *host);

/* Makes the directory and those above it that are missing. Returns 0 or -errno. */
int path_make(const char *directory, unsigned int mode);

#endif

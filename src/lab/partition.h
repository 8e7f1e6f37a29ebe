/* `lab up --partition`: every node has only what the cluster's policy places on it. */
#ifndef BATON_LAB_PARTITION_H
#define BATON_LAB_PARTITION_H

#include <stddef.h>

/* The folder that node `number` (from 1) of a partitioned lab serves: /run/baton/LAB/parts/nodeN.
 * Returns path. */
char *partition_root(const char *lab, unsigned int number, char *path, size_t room);

/* Makes the empty folders. Returns 0 or -errno. */
int partition_make(const char *lab, unsigned int nodes);

/* Links every file below `root` into the folder of the node that the front says its path goes to,
 * an index.html also into that of its folder's path. Returns 0, or -1 with a line on stderr (a
 * policy that does not go by the target, a front that does not answer). */
int partition_fill(const char *lab, const char *root);

#endif

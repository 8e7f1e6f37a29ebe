/* What the lab's daemons read: the cluster's configuration and its key. */
#ifndef BATON_LAB_CLUSTER_FILE_H
#define BATON_LAB_CLUSTER_FILE_H

#include "lab/values.h"

/* Writes a new key, or the configuration, into the lab's folder. Return 0 or -errno. */
int cluster_key_write(const char *lab);
int cluster_file_write(const struct values *values);

#endif

/* Manual pages and shell completion, written from the command tables that parse the options. */
#ifndef BATON_BASE_MANUAL_H
#define BATON_BASE_MANUAL_H

#include "base/command.h"

#include <stdio.h>

/* Writes one man(7) page a command into `folder`: "baton.1", "baton-lab.1", "baton-lab-up.1"...
 * Returns 0 or -errno. */
int manual_write(const struct command *root, const char *folder);

/* Writes bash's completion of the command and all below it. */
void completion_write(const struct command *root, FILE *out);

#endif

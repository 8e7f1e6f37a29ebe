/* `baton lab storage`: what the lab's caches hold and what they were asked for. */
#ifndef BATON_LAB_STORAGE_H
#define BATON_LAB_STORAGE_H

#include "base/command.h"

extern const struct command command_lab_storage;

#endif

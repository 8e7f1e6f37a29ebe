/* The lab's supervisor: starts its servers and daemons, starts a daemon that died again, ends them
 * all. */
#ifndef BATON_LAB_KEEPER_H
#define BATON_LAB_KEEPER_H

#include "base/command.h"

#include <jansson.h>

/* `baton lab keep`: what `lab up` leaves running. Reads the lab's process list, runs until SIGTERM.
 */
extern const struct command command_lab_keep;

/* Adds one process to a list for the keeper: `host` names the namespace ("front"), argv is
 * NULL-ended, `again` starts it anew when it ends. */
void keeper_add(json_t *list, const char *name, const char *host, bool again,
		const char *const argv[]);

/* Of the process added last: that it answers HTTP on the port when it is ready; and that it begins
 * only when all before it that have a port are ready. */
void keeper_port(json_t *list, unsigned int port);
void keeper_behind(json_t *list);

/* Writes the list and starts the keeper in the background. Returns its pid or -errno. */
int keeper_start(const char *lab, json_t *list);

/* Ends the keeper and with it everything it started; waits for that. Returns 0, -ENOENT when there
 * is none, or -errno. */
int keeper_stop(const char *lab);

/* The keeper's pid if it lives, else 0. */
int keeper_pid(const char *lab);

#endif

/* What the daemons have in common at their edges. */
#ifndef BATON_CONTROL_DAEMON_H
#define BATON_CONTROL_DAEMON_H

#include "control/config.h"

#include <uv.h>

/* Reads the configuration, and the keys unless NULL. Returns 0, or the exit code behind messages on
 * stderr. */
int daemon_configuration(const char *file, struct config_keys *keys, struct config *config);

/* Makes the run directory of the cluster. Returns 0, or the exit code behind a message. */
int daemon_directory(const struct config *config);

/* The device that the configuration names for host `host`: index and MAC. Returns 0, or the exit
 * code behind a message. */
int daemon_interface(const char *interface, const char *host, int *index, unsigned char mac[6]);

/* "node-NAME"; the text lives until the next call. */
const char *daemon_host(const char *prefix, const char *name);

/* This host's name up to the first dot. */
const char *daemon_host_name(void);

/* Takes pins and state away. Returns the exit code. */
int daemon_detach(const char *pins, const char *state);

/* SIGTERM and SIGINT call `end` once; broken pipes are errors of writes. */
void daemon_signals(uv_loop_t *loop, uv_signal_t *terminate, uv_signal_t *interrupt,
		    uv_signal_cb end, void *owner);

/* Wall clock less CLOCK_BOOTTIME, ns: where a cluster's time begins. */
int64_t daemon_clock_offset(void);

#endif

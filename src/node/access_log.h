/* The access log: one line a request, as the configuration's `log` says. */
#ifndef BATON_NODE_ACCESS_LOG_H
#define BATON_NODE_ACCESS_LOG_H

#include "control/config.h"
#include "node/access_line.h"

struct access_log;

/* Opens what `config` names (copied), with `node` for {node} in a path. Returns NULL with one
 * sentence in `why` if it can't. */
struct access_log *access_log_open(const struct config_log *config, const char *node,
				   char why[512]);

/* Adds a line; it is written with the next flush. */
void access_log_add(struct access_log *log, const struct access *access, const char *service);
void access_log_flush(struct access_log *log);

/* Lines written, and those that could not be. */
uint64_t access_log_lines(const struct access_log *log);
uint64_t access_log_unwritten(const struct access_log *log);

/* Flushes and closes; NULL is nothing. */
void access_log_close(struct access_log *log);

#endif

#include "node/access_log.h"

#include "base/fail.h"
#include "control/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

struct access_log {
	struct config_log config;
	char node[CONFIG_NAME];
	char path[sizeof(((struct config_log *)NULL)->to) + CONFIG_NAME];
	int fd; /* -1: syslog, or nothing */
	uint64_t size, lines, unwritten;
	unsigned int waiting; /* lines in `text` */
	bool said_full;
	struct buffer text;
	struct access_second second; /* of the last line */
};

/* `to` with the node's name in it. */
static void place_name(struct access_log *log)
{
	const char *mark = strstr(log->config.to, "{node}");

	if (mark)
		snprintf(log->path, sizeof(log->path), "%.*s%s%s", (int)(mark - log->config.to),
			 log->config.to, log->node, mark + strlen("{node}"));
	else
		snprintf(log->path, sizeof(log->path), "%s", log->config.to);
}

/* Returns a descriptor or -errno. */
static int open_file(struct access_log *log)
{
	char folder[sizeof(log->path)];
	struct stat status;
	int fd, error;

	strcpy(folder, log->path);
	error = path_make(dirname(folder), 0755);
	if (error)
		return error;
	fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	log->size = fstat(fd, &status) ? 0 : (uint64_t)status.st_size;
	return fd;
}

static bool is_file(const struct access_log *log)
{
	return log->config.to[0] == '/';
}

struct access_log *access_log_open(const struct config_log *config, const char *node, char why[512])
{
	struct access_log *log = calloc(1, sizeof(*log));

	if (!log)
		out_of_memory();
	log->config = *config;
	snprintf(log->node, sizeof(log->node), "%s", node);
	log->fd = -1;
	if (config->format == LOG_NONE)
		return log;
	place_name(log);
	if (is_file(log)) {
		log->fd = open_file(log);
		if (log->fd < 0) {
			snprintf(why, 512, "log: %.300s: %s", log->path, strerror(-log->fd));
			free(log);
			return NULL;
		}
	} else if (!strcmp(config->to, "stdout")) {
		log->fd = STDOUT_FILENO;
	} else {
		openlog("baton", LOG_PID, LOG_LOCAL0);
	}
	return log;
}

/* The file becomes FILE.1, FILE.1 FILE.2, ...; the oldest goes. */
static void rotate(struct access_log *log)
{
	char from[sizeof(log->path) + 16], to[sizeof(log->path) + 16];
	int error;

	for (uint32_t i = log->config.keep; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%u", log->path, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", log->path, i - 1);
		else
			snprintf(from, sizeof(from), "%s", log->path);
		if (rename(from, to) && errno != ENOENT)
			log_line(LOG_LEVEL_WARNING, "log: %s can't become %s: %s", from, to,
				 strerror(errno));
	}
	if (!log->config.keep)
		unlink(log->path);
	error = open_file(log);
	if (error < 0) {
		log_line(LOG_LEVEL_ERROR, "log: %s: %s", log->path, strerror(-error));
		return;
	}
	close(log->fd);
	log->fd = error;
}

void access_log_add(struct access_log *log, const struct access *access, const char *service)
{
	const struct access_names names = {log->node, service};

	if (log->config.format == LOG_NONE)
		return;
	access_format(&log->text, log->config.format, access, &names, &log->second);
	if (log->fd < 0) {
		syslog(LOG_INFO, "%.*s", (int)log->text.length - 1, log->text.data);
		log->lines++;
		buffer_clear(&log->text);
		return;
	}
	log->waiting++;
	if (log->text.length >= 1 << 16)
		access_log_flush(log);
}

void access_log_flush(struct access_log *log)
{
	size_t done = 0;

	while (done < log->text.length) {
		ssize_t wrote = write(log->fd, log->text.data + done, log->text.length - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0) {
			if (!log->said_full)
				log_line(LOG_LEVEL_ERROR,
					 "log: %s: %s; its lines are lost until it can be written",
					 log->path, strerror(errno));
			log->said_full = true;
			log->unwritten += log->waiting;
			log->waiting = 0;
			buffer_clear(&log->text);
			return;
		}
		done += (size_t)wrote;
	}
	log->said_full = false;
	log->size += done;
	log->lines += log->waiting;
	log->waiting = 0;
	buffer_clear(&log->text);
	if (is_file(log) && log->config.rotate && log->size >= log->config.rotate)
		rotate(log);
}

uint64_t access_log_lines(const struct access_log *log)
{
	return log->lines;
}

uint64_t access_log_unwritten(const struct access_log *log)
{
	return log->unwritten;
}

void access_log_close(struct access_log *log)
{
	if (!log)
		return;
	access_log_flush(log);
	if (log->fd >= 0 && log->fd != STDOUT_FILENO)
		close(log->fd);
	buffer_release(&log->text);
	free(log);
}

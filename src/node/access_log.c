#include "node/access_log.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/paths.h"
#include "wire/cluster.h"
#include "wire/node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
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
};

static const char *const reason_names[] = {
#define X(name, text) [PLACE_REASON_##name] = text,
	PLACE_REASONS(X)
#undef X
};

static const char *const pin_names[] = {
#define X(name, text) [PIN_##name] = text,
	PIN_REASONS(X)
#undef X
};

/* A stranger's bytes as nginx writes them: what could end a field or a line, or isn't ASCII, is
 * \xHH. */
static void add_escaped(struct buffer *text, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte < ' ' || byte >= 0x7f || byte == '"' || byte == '\\')
			buffer_format(text, "\\x%02X", byte);
		else
			buffer_add(text, bytes + i, 1);
	}
}

/* Why this node served it. What stayed although another was wanted says why it stayed. */
static const char *reason(const struct access *access)
{
	if (access->wanted)
		return reason_names[access->pin ? PLACE_REASON_PINNED : PLACE_REASON_STAY];
	return reason_names[access->reason < PLACE_REASON_COUNT ? access->reason : 0];
}

static const char *handoff(const struct access *access)
{
	return access->flags & RECORD_FIRST   ? "first"
	       : access->flags & RECORD_LATER ? "later"
					      : "none";
}

static void format_combined(struct buffer *text, const struct access *access,
			    const struct access_names *names)
{
	time_t second = (time_t)(access->wall_ns / NS_PER_S);
	char client[ADDRESS_TEXT], when[40];
	struct tm local;

	localtime_r(&second, &local);
	strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S %z", &local);
	buffer_format(text, "%s - - [%s] \"", address_text(&access->key.client, client), when);
	add_escaped(text, access->line, access->line_length);
	if (access->flags & RECORD_CUT_LINE)
		buffer_text(text, "...");
	buffer_format(text, " HTTP/1.%d\" ", access->flags & RECORD_MINOR_1 ? 1 : 0);
	if (access->status)
		buffer_format(text, "%u", access->status);
	else
		buffer_text(text, "-");
	buffer_format(text, " %llu \"-\" \"-\" host=\"", (unsigned long long)access->bytes);
	add_escaped(text, access->host, access->host_length);
	if (access->flags & RECORD_CUT_HOST)
		buffer_text(text, "...");
	buffer_text(text, "\" first_byte=");
	if (access->first_byte_ns)
		buffer_format(text, "%.6f", (double)access->first_byte_ns / 1e9);
	else
		buffer_text(text, "-");
	buffer_format(text,
		      " time=%.6f port=%u service=%s node=%s handoff=%s reason=%s complete=%s\n",
		      (double)access->whole_ns / 1e9, ntohs(access->key.client_port),
		      names->service, names->node, handoff(access), reason(access),
		      access->flags & RECORD_CUT ? "no" : "yes");
}

static void set_escaped(json_t *object, const char *key, const char *bytes, size_t length)
{
	struct buffer text = BUFFER_EMPTY;

	add_escaped(&text, bytes, length);
	json_object_set_new(object, key, json_string(text.data ? text.data : ""));
	buffer_release(&text);
}

static void format_json(struct buffer *text, const struct access *access,
			const struct access_names *names)
{
	const char *blank = memchr(access->line, ' ', access->line_length);
	size_t method = blank ? (size_t)(blank - access->line) : access->line_length;
	size_t path = blank ? method + 1 : method;
	char client[ADDRESS_TEXT], when[40];
	json_t *line = json_object();
	char *dumped;

	json_object_set_new(line, "time", json_string(clock_text(access->wall_ns, when)));
	json_object_set_new(line, "client", json_string(address_text(&access->key.client, client)));
	json_object_set_new(line, "port", json_integer(ntohs(access->key.client_port)));
	json_object_set_new(line, "service", json_string(names->service));
	set_escaped(line, "method", access->line, method);
	set_escaped(line, "host", access->host, access->host_length);
	set_escaped(line, "path", access->line + path, access->line_length - path);
	json_object_set_new(line, "protocol",
			    json_string(access->flags & RECORD_MINOR_1 ? "HTTP/1.1" : "HTTP/1.0"));
	json_object_set_new(line, "status", json_integer(access->status));
	json_object_set_new(line, "bytes", json_integer((json_int_t)access->bytes));
	if (access->first_byte_ns)
		json_object_set_new(line, "first_byte_s",
				    json_real((double)access->first_byte_ns / 1e9));
	json_object_set_new(line, "time_s", json_real((double)access->whole_ns / 1e9));
	json_object_set_new(line, "node", json_string(names->node));
	json_object_set_new(line, "handoff", json_string(handoff(access)));
	json_object_set_new(line, "reason", json_string(reason(access)));
	json_object_set_new(line, "complete", json_boolean(!(access->flags & RECORD_CUT)));
	if (access->flags & (RECORD_CUT_LINE | RECORD_CUT_HOST))
		json_object_set_new(line, "truncated", json_true());
	if (access->pin > PIN_NONE && access->pin < PIN_REASON_COUNT)
		json_object_set_new(line, "pinned", json_string(pin_names[access->pin]));
	dumped = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
	buffer_text(text, dumped ? dumped : "{}");
	buffer_text(text, "\n");
	free(dumped);
	json_decref(line);
}

void access_format(struct buffer *text, int format, const struct access *access,
		   const struct access_names *names)
{
	if (format == LOG_JSON)
		format_json(text, access, names);
	else
		format_combined(text, access, names);
}

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
		abort();
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
	access_format(&log->text, log->config.format, access, &names);
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

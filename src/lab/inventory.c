#include "lab/inventory.h"
#include "base/buffer.h"
#include "base/process.h"
#include "base/request_log.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whoever asks from there isn't a client: the front's health checks. */
#define FRONT_ADDRESS "10.77.0.2"

enum { KEY_AT_MOST = 4096 };

/* Calls `each` for every line of a log, without its end. Returns 0 or -errno. */
static int each_line(const char *lab, const char *host, const char *suffix,
		     void (*each)(void *context, char *line), void *context)
{
	char path[STATE_ROOM], name[80], *line = NULL;
	size_t room = 0;
	ssize_t length;
	FILE *file;

	snprintf(name, sizeof(name), "log/%.40s.%s", host, suffix);
	file = fopen(state_path(lab, name, path), "re");
	if (!file)
		return -errno;
	while ((length = getline(&line, &room, file)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = 0;
		each(context, line);
	}
	free(line);
	fclose(file);
	return 0;
}

static void note(struct inventory *inventory, const char *key, uint64_t bytes)
{
	if (!json_object_get(inventory->objects, key)) {
		inventory->count++;
		inventory->bytes += bytes;
	}
	json_object_set_new(inventory->objects, key, json_integer((json_int_t)bytes));
}

/* What a server of the host says to curl. Returns 0 or -ENODATA. */
static int ask(const char *host, unsigned int port, const char *path, struct buffer *answer)
{
	char url[128], name[64];
	const char *argv[] = {"curl", "-sf", "--max-time", "20", "-H", name, url, NULL};

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	snprintf(name, sizeof(name), "Host: %.40s:%u", host, port);
	return process_run(argv, NULL, answer) ? -ENODATA : 0;
}

/* ---- Squid ---- */

/* One entry of the list: "KEY HEX", then lines that begin with a tab. */
struct squid_entry {
	char key[64];
	bool stored, internal;
	unsigned long file; /* in the disk cache */
	bool on_disk;
	uint64_t bytes;
};

static void squid_end(struct inventory *inventory, const struct squid_entry *entry, const char *lab,
		      const char *host)
{
	uint64_t bytes = entry->bytes;
	char path[STATE_ROOM], name[96];
	struct stat about;

	if (!*entry->key || !entry->stored || entry->internal)
		return;
	if (entry->on_disk) {
		/* Squid's ufs with 16 folders of 16: the lowest bits of the number say which. */
		snprintf(name, sizeof(name), "cache/%.40s.objects/%02lX/%02lX/%08lX", host,
			 entry->file / 256 / 16 % 16, entry->file / 256 % 16, entry->file);
		if (!stat(state_path(lab, name, path), &about))
			bytes = (uint64_t)about.st_size;
	}
	note(inventory, entry->key, bytes);
}

static int squid_objects(const char *lab, const char *host, unsigned int port,
			 struct inventory *inventory)
{
	struct buffer text = BUFFER_EMPTY;
	struct squid_entry entry = {0};
	int error = ask(host, port, "/squid-internal-mgr/objects", &text);
	char *line, *rest = text.data;

	while (!error && (line = strsep(&rest, "\n"))) {
		int dir;

		if (!strncmp(line, "KEY ", 4)) {
			squid_end(inventory, &entry, lab, host);
			entry = (struct squid_entry){0};
			snprintf(entry.key, sizeof(entry.key), "%.60s", line + 4);
		} else if (strstr(line, "STORE_")) {
			entry.stored = strstr(line, "STORE_OK") &&
				       (strstr(line, " IN_MEMORY") || strstr(line, "SWAPOUT_DONE"));
		} else if (strstr(line, "PRIVATE") || strstr(line, "RELEASE_REQUEST")) {
			entry.internal = true; /* one answer's own, gone with it */
		} else if (sscanf(line, "\tSwap Dir %d, File 0X%lX", &dir, &entry.file) == 2) {
			entry.on_disk = dir >= 0;
		} else if (!strncmp(line, "\tGET ", 5) || !strncmp(line, "\tHEAD ", 6)) {
			size_t length = strlen(line);

			entry.internal |= strstr(line, "/squid-internal-") != NULL ||
					  (length > 7 && !strcmp(line + length - 7, "/health"));
		} else if (!strncmp(line, "\tobject_sz: ", 12)) {
			entry.bytes = strtoull(line + 12, NULL, 10);
		}
	}
	if (!error)
		squid_end(inventory, &entry, lab, host);
	buffer_release(&text);
	return error;
}

/* "time duration client code/status bytes method URL ..." */
static void squid_line(void *context, char *line)
{
	struct inventory *inventory = context;
	char client[64], code[64];

	if (sscanf(line, "%*s %*s %63s %63s", client, code) != 2 ||
	    !strcmp(client, FRONT_ADDRESS) || !strncmp(client, "127.", 4) ||
	    strncmp(code, "TCP_", 4) || !strncmp(code, "TCP_TUNNEL", 10))
		return;
	inventory->requests++;
	inventory->hits += strstr(code, "HIT") != NULL;
}

/* ---- nginx ---- */

static struct inventory *walked;

/* A cache file has "KEY: ..." on a line of its own behind a binary head, then the answer. */
static int nginx_file(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
	char head[KEY_AT_MOST + 1], *key;
	size_t length;
	FILE *file;

	(void)walk;
	if (kind != FTW_F)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0; /* taken away meanwhile */
	length = fread(head, 1, KEY_AT_MOST, file);
	fclose(file);
	head[length] = 0;
	key = memmem(head, length, "\nKEY: ", 6);
	if (key) {
		key[6 + strcspn(key + 6, "\n")] = 0;
		note(walked, key + 6, (uint64_t)about->st_size);
	}
	return 0;
}

static int nginx_objects(const char *lab, const char *host, struct inventory *inventory)
{
	char path[STATE_ROOM], name[80];

	snprintf(name, sizeof(name), "cache/%.40s.objects", host);
	walked = inventory;
	return nftw(state_path(lab, name, path), nginx_file, 16, FTW_PHYS) ? -errno : 0;
}

/* The address first, how the cache was used last. */
static void nginx_line(void *context, char *line)
{
	struct inventory *inventory = context;
	const char *last = strrchr(line, ' ');

	if (!last || !strcmp(last, " -") ||
	    !strncmp(line, FRONT_ADDRESS " ", strlen(FRONT_ADDRESS) + 1) ||
	    !strncmp(line, "127.", 4))
		return;
	inventory->requests++;
	inventory->hits += !strcmp(last, " HIT");
}

/* ---- Varnish ---- */

static uint64_t counter(json_t *counters, const char *name)
{
	return (uint64_t)json_integer_value(
		json_object_get(json_object_get(counters, name), "value"));
}

static int varnish_counters(const char *lab, const char *host, struct inventory *inventory)
{
	char path[STATE_ROOM], name[80];
	const char *argv[] = {"varnishstat", "-n", path, "-j", NULL};
	struct buffer text = BUFFER_EMPTY;
	json_t *all, *counters;
	int error;

	snprintf(name, sizeof(name), "cache/%.40s.varnish", host);
	state_path(lab, name, path);
	error = process_run(argv, NULL, &text) ? -ENODATA : 0;
	all = error ? NULL : json_loadb(text.data, text.length, 0, NULL);
	counters = json_object_get(all, "counters");
	if (!counters)
		error = -ENODATA;
	inventory->count = counter(counters, "MAIN.n_object");
	inventory->bytes =
		counter(counters, "SMA.memory.g_bytes") + counter(counters, "SMF.disk.g_bytes");
	inventory->hits = counter(counters, "MAIN.cache_hit");
	inventory->requests = inventory->hits + counter(counters, "MAIN.cache_miss") +
			      counter(counters, "MAIN.s_pass");
	json_decref(all);
	buffer_release(&text);
	return error;
}

/* ---- all ---- */

int inventory_take(const char *lab, const char *host, const char *kind, unsigned int port,
		   struct inventory *inventory)
{
	char netns[128];
	int error;

	*inventory = (struct inventory){0};
	snprintf(netns, sizeof(netns), "baton-%s-%s", lab, host);
	error = netns_enter(netns);
	if (error)
		return error;
	if (!strcmp(kind, "varnish"))
		return varnish_counters(lab, host, inventory);
	inventory->objects = json_object();
	if (!strcmp(kind, "squid")) {
		error = squid_objects(lab, host, port, inventory);
		return error ? error : each_line(lab, host, "access", squid_line, inventory);
	}
	error = nginx_objects(lab, host, inventory);
	return error ? error : each_line(lab, host, "access", nginx_line, inventory);
}

void inventory_release(struct inventory *inventory)
{
	json_decref(inventory->objects);
	*inventory = (struct inventory){0};
}

struct origin_log {
	struct origin_count *count;
	json_t *seen; /* target -> bytes */
};

static void origin_line(void *context, char *line)
{
	struct origin_log *log = context;
	struct logged_request request;
	json_int_t before;

	if (!strncmp(line, "127.", 4) || logged_request_parse(line, &request) ||
	    !strcmp(request.target, "/health"))
		return;
	log->count->requests++;
	log->count->bytes += request.bytes;
	if (request.status != 200 || strcmp(request.method, "GET"))
		return;
	before = json_integer_value(json_object_get(log->seen, request.target));
	if ((json_int_t)request.bytes > before)
		json_object_set_new(log->seen, request.target,
				    json_integer((json_int_t)request.bytes));
}

int inventory_origin(const char *lab, struct origin_count *count)
{
	struct origin_log log = {count, json_object()};
	const char *target;
	json_t *bytes;
	int error;

	*count = (struct origin_count){0};
	error = each_line(lab, "origin", "access", origin_line, &log);
	json_object_foreach (log.seen, target, bytes) {
		count->objects++;
		count->object_bytes += (uint64_t)json_integer_value(bytes);
	}
	json_decref(log.seen);
	return error;
}

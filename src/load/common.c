#include "load/common.h"

#include "base/fail.h"
#include "base/process.h"
#include "load/output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOURCES_MOST = 65536 };

static int address_parse(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
		four->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
		six->sin6_family = AF_INET6;
	else
		return -EINVAL;
	return 0;
}

/* The address as 4 or 16 bytes, highest first. */
static unsigned char *address_bytes(struct sockaddr_storage *address, size_t *length)
{
	*length = address->ss_family == AF_INET ? 4 : 16;
	return address->ss_family == AF_INET
		       ? (unsigned char *)&((struct sockaddr_in *)address)->sin_addr
		       : (unsigned char *)&((struct sockaddr_in6 *)address)->sin6_addr;
}

int load_sources(const char *list, struct sockaddr_storage **sources)
{
	struct sockaddr_storage *row = calloc(SOURCES_MOST, sizeof(*row)), first, last;
	size_t count = 0, length;
	char item[128];

	while (row && *list) {
		size_t end = strcspn(list, ",");
		char *dash;

		if (!end || end >= sizeof(item))
			goto bad;
		memcpy(item, list, end);
		item[end] = 0;
		list += end + (list[end] == ',');
		dash = strchr(item, '-');
		if (dash)
			*dash++ = 0;
		if (address_parse(item, &first) || address_parse(dash ? dash : item, &last) ||
		    first.ss_family != last.ss_family)
			goto bad;
		for (;;) {
			unsigned char *bytes;

			if (count == SOURCES_MOST)
				goto bad;
			row[count++] = first;
			if (!memcmp(&first, &last, sizeof(first)))
				break;
			bytes = address_bytes(&first, &length);
			while (length && !++bytes[--length])
				;
		}
	}
	if (!count)
		goto bad;
	*sources = row;
	return (int)count;
bad:
	free(row);
	return -EINVAL;
}

int load_url(struct url *url, const char *text)
{
	int result = url_parse(url, text, true);

	if (result == -EHOSTUNREACH)
		return failed("%s: no address is known for this host", text);
	if (result)
		return misused("%s: not a URL of the form http://HOST[:PORT]/PATH or https://...",
			       text);
	return 0;
}

struct adding {
	const struct load_options *options;
	struct url *url;
	struct targets *targets;
};

static int add_path(void *context, const char *path)
{
	struct adding *adding = context;
	const struct load_options *options = adding->options;
	int index = target_add(adding->targets, adding->url, "GET", path, &options->headers,
			       options->verify);

	if (index < 0)
		return index;
	if (options->size)
		adding->targets->items[index].length = (int64_t)options->size;
	return 0;
}

int load_targets(const struct load_options *options, struct url *url, struct targets *targets)
{
	struct adding adding = {options, url, targets};
	unsigned long number = 0;
	size_t room = 0;
	char *line = NULL;
	ssize_t length;
	int result = 0;
	FILE *in;

	for (unsigned int i = 0; i < options->headers.count; i++)
		if (!strchr(options->headers.items[i], ':') ||
		    strpbrk(options->headers.items[i], "\r\n"))
			return misused("'%s' is not a header line 'Name: value'",
				       options->headers.items[i]);
	if (!options->paths) {
		if (pattern_each(url->path, add_path, &adding))
			return misused("'%s' is not a path or a pattern such as /{1..100} of at "
				       "most 10 million paths%s",
				       url->path, options->verify ? " that name files each" : "");
		return 0;
	}
	in = fopen(options->paths, "re");
	if (!in)
		return failed_errno(errno, "%s", options->paths);
	while (!result && (length = getline(&line, &room, in)) > 0) {
		number++;
		line[strcspn(line, "\r\n")] = 0;
		if (!*line || *line == '#')
			continue;
		if (add_path(&adding, line))
			result = failed("%s:%lu: '%s' is not a path%s", options->paths, number,
					line, options->verify ? " that names a file" : "");
	}
	free(line);
	fclose(in);
	if (!result && !targets->count)
		result = failed("%s: there is no path in it", options->paths);
	return result;
}

int load_run(const struct load_options *options, struct url *url, struct source *source,
	     struct tally *tally)
{
	struct engine_options engine = {
		.url = url,
		.connections = (uint32_t)options->connections,
		.per_connection = options->close ? 1 : (uint32_t)options->per_connection,
		.pipeline = options->close ? 1 : (uint32_t)options->pipeline,
		.timeout = options->timeout,
		.duration = options->duration,
		.interval = options->interval,
		.node_header = options->node_header,
		.server_name = options->server_name,
		.authorities = options->authorities,
		.look_up_each = options->look_up && !strcmp(options->look_up, "each"),
		.resume = options->resume,
		.size_classes = !tally->class_count,
		.progress = !options->quiet && isatty(STDERR_FILENO),
	};
	struct sockaddr_storage *sources = NULL;
	int result;

	if (options->source) {
		result = load_sources(options->source, &sources);
		if (result < 0)
			return misused("--source '%s': not a list of addresses A,B or ranges A-B",
				       options->source);
		if (sources[0].ss_family != url->address.ss_family) {
			free(sources);
			return misused("--source '%s': not the URL's address family",
				       options->source);
		}
		engine.sources = sources;
		engine.source_count = (uint32_t)result;
	}
	result = engine_run(&engine, source, tally);
	free(sources);
	if (result == -ENOENT && options->authorities)
		return failed("%s: no certificates could be read", options->authorities);
	return result ? failed_errno(result, "the load could not be begun") : 0;
}

/* Files besides connections. */
enum { OWN_FILES = 64 };

int load_play(const struct load_options *options, struct url *url, struct source *source,
	      struct tally *tally, const char *title, json_t *extra)
{
	unsigned long files = process_raise_files(options->connections + OWN_FILES);
	int result, written;

	if (files < options->connections + OWN_FILES)
		fprintf(stderr,
			"baton: load: %llu connections at once can't be had: %lu files may be open "
			"(ulimit -n)\n",
			(unsigned long long)options->connections, files);
	result = load_run(options, url, source, tally);
	if (result) {
		json_decref(extra);
		return result;
	}
	if (options->json) {
		json_t *object = output_json(tally);

		if (extra)
			json_object_update(object, extra);
		json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		putchar('\n');
		json_decref(object);
	} else {
		output_text(tally, title, stdout);
	}
	json_decref(extra);
	if (options->csv) {
		written = output_csv(tally, options->csv);
		if (written)
			result = failed_errno(written, "%s", options->csv);
	}
	if (options->html) {
		written = output_html(tally, title, options->html);
		if (written)
			result = failed_errno(written, "%s", options->html);
	}
	if (!tally->requests && tally->sent)
		return failed("not one of %llu requests was answered as it should be",
			      (unsigned long long)(tally->errors + tally->abandoned));
	return result;
}

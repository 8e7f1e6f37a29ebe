#include "base/parameters.h"

#include "base/fail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct parameter *find(struct parameters *parameters, const char *name)
{
	for (unsigned int i = 0; i < parameters->count; i++)
		if (!strcmp(parameters->items[i].name, name))
			return &parameters->items[i];
	return NULL;
}

double parameter(const struct parameters *parameters, const char *name)
{
	const struct parameter *found = find((struct parameters *)parameters, name);

	if (!found)
		out_of_memory();
	return found->value;
}

/* One name with its value; `grow`: it may be new. */
static int take(struct parameters *parameters, const char *name, const char *value, bool grow,
		struct buffer *error)
{
	struct parameter *found = find(parameters, name);
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end) {
		buffer_format(error, "%s: %s is no number", name, value);
		return -EINVAL;
	}
	if (!found) {
		if (!grow || parameters->count == PARAMETERS_MAX ||
		    strlen(name) >= sizeof(found->name)) {
			buffer_format(error, "there is no parameter %s", name);
			return -EINVAL;
		}
		found = &parameters->items[parameters->count++];
		strcpy(found->name, name);
	}
	found->value = number;
	return 0;
}

static int take_text(struct parameters *parameters, const char *text, bool grow,
		     struct buffer *error)
{
	char *copy = strdup(text), *rest = copy, *line;
	int result = copy ? 0 : -ENOMEM;

	while (!result && (line = strsep(&rest, "\n"))) {
		char *name, *value;

		line[strcspn(line, "#")] = 0;
		name = strtok(line, " \t\r");
		value = name ? strtok(NULL, " \t\r") : NULL;
		if (name)
			result = take(parameters, name, value ? value : "", grow, error);
	}
	free(copy);
	return result;
}

int parameters_read(struct parameters *parameters, const char *preset, const char *path,
		    const struct option_list *changes, struct buffer *error)
{
	struct buffer file = BUFFER_EMPTY;
	int result;

	memset(parameters, 0, sizeof(*parameters));
	result = take_text(parameters, preset, true, error);
	if (!result && path) {
		result = buffer_read_file(&file, path, 1 << 20);
		if (result)
			buffer_format(error, "%s: %s", path, strerror(-result));
		else
			result = take_text(parameters, file.data ? file.data : "", false, error);
		buffer_release(&file);
	}
	for (unsigned int i = 0; !result && i < changes->count; i++) {
		char change[128], *value;

		snprintf(change, sizeof(change), "%s", changes->items[i]);
		value = strchr(change, '=');
		if (value)
			*value++ = 0;
		result = take(parameters, change, value ? value : "", false, error);
	}
	return result;
}

#include "base/request_log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Apache's "17/May/2015:10:05:03 +0000" as seconds since 1970. */
static int parse_time(const char *text, double *time)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm parts = {0};
	char month[4], sign;
	int zone, length = 0;

	if (sscanf(text, "%2d/%3s/%4d:%2d:%2d:%2d %c%4d%n", &parts.tm_mday, month, &parts.tm_year,
		   &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &sign, &zone, &length) != 8 ||
	    (sign != '+' && sign != '-'))
		return -EINVAL;
	parts.tm_year -= 1900;
	for (parts.tm_mon = 0; parts.tm_mon < 12; parts.tm_mon++)
		if (!strncmp(months + parts.tm_mon * 3, month, 3))
			break;
	if (parts.tm_mon == 12)
		return -EINVAL;
	zone = (zone / 100 * 60 + zone % 100) * 60;
	*time = (double)timegm(&parts) - (sign == '+' ? zone : -zone);
	return 0;
}

static bool whole_number(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !*end && !errno && *value <= most;
}

/* The numbers, whose text has been cut out of the line. */
static int parse_numbers(struct logged_request *request, const char *status_text,
			 const char *bytes_text)
{
	uint64_t status;

	request->bytes = 0;
	if (!whole_number(status_text, 999, &status) ||
	    (strcmp(bytes_text, "-") && !whole_number(bytes_text, INT64_MAX, &request->bytes)))
		return -EINVAL;
	request->status = (unsigned int)status;
	return 0;
}

/* HOST IDENT USER [TIME] "METHOD PATH VERSION" STATUS BYTES ... */
static int parse_common(char *line, struct logged_request *request)
{
	char *time_text = strchr(line, '['), *time_end, *method, *path, *end, *status, *bytes,
	     *rest;

	time_end = time_text ? strchr(time_text, ']') : NULL;
	if (!time_end || strncmp(time_end, "] \"", 3))
		return -EINVAL;
	*time_end = 0;
	if (parse_time(time_text + 1, &request->time))
		return -EINVAL;
	method = time_end + 3;
	path = strchr(method, ' ');
	end = path ? strstr(path + 1, "\" ") : NULL;
	if (!end)
		return -EINVAL;
	*path++ = 0;
	*end = 0;
	status = end + 2;
	/* The version is missing in requests of HTTP/0.9. */
	end = strrchr(path, ' ');
	if (end && !strncmp(end, " HTTP/", 6))
		*end = 0;
	bytes = strchr(status, ' ');
	if (!bytes)
		return -EINVAL;
	*bytes++ = 0;
	rest = strchr(bytes, ' ');
	if (rest)
		*rest = 0;
	request->method = method;
	request->target = path;
	return parse_numbers(request, status, bytes);
}

static int parse_tabbed(char *line, struct logged_request *request)
{
	char *cells[8], *end;
	unsigned int count = 0, first;

	for (char *cell = line; cell && count < 8;) {
		cells[count++] = cell;
		cell = strchr(cell, '\t');
		if (cell)
			*cell++ = 0;
	}
	/* Five columns; or seven, with host and logname in front. */
	first = count >= 7 ? 2 : 0;
	if (count < 5)
		return -EINVAL;
	request->time = strtod(cells[first], &end);
	if (end == cells[first] || *end || !(request->time >= 0 && request->time < 1e12))
		return -EINVAL;
	request->method = cells[first + 1];
	request->target = cells[first + 2];
	return parse_numbers(request, cells[first + 3], cells[first + 4]);
}

int logged_request_parse(char *line, struct logged_request *request)
{
	return strchr(line, '\t') ? parse_tabbed(line, request) : parse_common(line, request);
}

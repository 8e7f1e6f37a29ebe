/* What a request's line in the access log looks like. */
#ifndef BATON_NODE_ACCESS_LINE_H
#define BATON_NODE_ACCESS_LINE_H

#include "base/buffer.h"
#include "node/accesses.h"

/* What a line says besides the request itself. */
struct access_names {
	const char *node, *service;
};

/* The second of the last line as text, for most lines are of the same. All zero before the first;
 * of one format only. */
struct access_second {
	uint64_t second;
	char text[40];
};

enum { ACCESS_ESCAPED = 5 }; /* bytes of text, at most, for one of a stranger's */

/* Writes a stranger's bytes as the lines have them: printable ASCII, the rest as \xHH; no NUL
 * behind. `to` has room for ACCESS_ESCAPED times `length`. Returns how many were written. */
size_t access_escape(char *to, const char *bytes, size_t length);

/* Adds the request's line, its end included, to `text`. `format` is LOG_COMBINED or LOG_JSON. */
void access_format(struct buffer *text, int format, const struct access *access,
		   const struct access_names *names, struct access_second *second);

#endif

/* Text, compressed for a client that takes it so. */
#ifndef BATON_DISTILL_TEXT_H
#define BATON_DISTILL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text_result {
	void *bytes; /* malloc'd; NULL: keep the original */
	size_t length;
	const char *coding; /* "br" or "gzip" */
};

/* Whether a Content-Type is text that compresses (text, JSON, JavaScript, XML, SVG). */
bool text_is(const char *type);

/* The better of the codings that Accept-Encoding allows, if the result is smaller. */
void text_distil(const void *bytes, size_t length, const char *accept_encoding,
		 struct text_result *result);

/* Whether Accept-Encoding names the coding with a weight above 0. */
bool text_accepts(const char *accept_encoding, const char *coding);

#endif

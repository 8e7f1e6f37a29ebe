/* One image, made smaller. By libvips, which decodes in strips and shrinks while it loads. */
#ifndef BATON_DISTILL_IMAGE_H
#define BATON_DISTILL_IMAGE_H

#include "distill/profile.h"

#include <stddef.h>
#include <stdint.h>

enum image_format { IMAGE_NONE, IMAGE_JPEG, IMAGE_PNG, IMAGE_GIF, IMAGE_WEBP, IMAGE_AVIF };

/* What a client takes beside what the original is: bits 1 << enum image_format. */
typedef unsigned int image_set;

struct image_result {
	void *bytes; /* to be freed by image_release; NULL: the original is to be kept */
	size_t length;
	enum image_format format;
	const char *kept; /* why the original is kept; NULL when it isn't */
};

/* Prepares libvips; once a process. `pixels`: an image with more is kept as it is, undecoded, so
 * that a small file that claims to be huge costs nothing. Returns 0 or -EIO. */
int image_start(uint64_t pixels);

/* The format the first bytes name; what a label says does not count. */
enum image_format image_sniff(const void *bytes, size_t length);
const char *image_type(enum image_format format); /* "image/jpeg" */

/* The formats an Accept header names outright ("image/webp"); wildcards say nothing of new formats.
 */
image_set image_accepted(const char *accept);

/* Makes the smallest of the allowed encodings. The original is kept where nothing is smaller, and
 * for animations, broken files and those over the limit. Thread-safe. */
void image_distil(const void *bytes, size_t length, const struct profile *profile,
		  image_set accepted, struct image_result *result);
void image_release(struct image_result *result);

#endif

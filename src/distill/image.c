#include "distill/image.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

static uint64_t pixels_most;

int image_start(uint64_t pixels)
{
	pixels_most = pixels;
	if (VIPS_INIT("baton"))
		return -EIO;
	/* Loaders that were not made for strangers' bytes are shut; results are not kept. */
	vips_block_untrusted_set(TRUE);
	vips_cache_set_max(0);
	vips_concurrency_set(1);
	return 0;
}

enum image_format image_sniff(const void *bytes, size_t length)
{
	const char *at = bytes;

	if (length < 16)
		return IMAGE_NONE;
	if (!memcmp(at, "\xff\xd8\xff", 3))
		return IMAGE_JPEG;
	if (!memcmp(at, "\x89PNG\r\n\x1a\n", 8))
		return IMAGE_PNG;
	if (!memcmp(at, "GIF87a", 6) || !memcmp(at, "GIF89a", 6))
		return IMAGE_GIF;
	if (!memcmp(at, "RIFF", 4) && !memcmp(at + 8, "WEBP", 4))
		return IMAGE_WEBP;
	if (!memcmp(at + 4, "ftypavif", 8) || !memcmp(at + 4, "ftypavis", 8))
		return IMAGE_AVIF;
	return IMAGE_NONE;
}

const char *image_type(enum image_format format)
{
	static const char *const types[] = {NULL,	 "image/jpeg", "image/png",
					    "image/gif", "image/webp", "image/avif"};

	return types[format];
}

image_set image_accepted(const char *accept)
{
	image_set accepted = 0;

	for (int format = IMAGE_JPEG; accept && format <= IMAGE_AVIF; format++) {
		const char *found = strcasestr(accept, image_type(format));
		const char *weight;

		if (!found)
			continue;
		found += strlen(image_type(format));
		if (*found && !strchr(",; \t", *found))
			continue;
		weight = found + strspn(found, " \t");
		/* A weight of 0 means "not this one" (RFC 9110, 12.4.2). */
		if (*weight == ';') {
			weight += 1 + strspn(weight + 1, " \t");
			if (!strncasecmp(weight, "q=0", 3) &&
			    strspn(weight + 3, ".0") == strcspn(weight + 3, ", \t;"))
				continue;
		}
		accepted |= 1u << format;
	}
	return accepted;
}

static int encode(VipsImage *image, enum image_format format, const struct profile *profile,
		  void **bytes, size_t *length)
{
	switch (format) {
	case IMAGE_JPEG:
		return vips_jpegsave_buffer(image, bytes, length, "Q", profile->jpeg, "strip", TRUE,
					    "optimize_coding", TRUE, NULL);
	case IMAGE_PNG:
		return vips_pngsave_buffer(image, bytes, length, "compression", 9, "strip", TRUE,
					   NULL);
	case IMAGE_WEBP:
		return vips_webpsave_buffer(image, bytes, length, "Q", profile->webp, "strip", TRUE,
					    NULL);
	case IMAGE_AVIF:
		return vips_heifsave_buffer(image, bytes, length, "Q", profile->avif, "compression",
					    VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "effort", 2, "strip",
					    TRUE, NULL);
	default:
		return -1;
	}
}

/* Whether the chunks of a PNG (PNG specification, 5.3) lie inside of the file. libpng takes memory
 * for a chunk of the length that it claims, up to 2 GB, before it looks for its bytes. */
static bool png_whole(const uint8_t *bytes, size_t length)
{
	enum { SIGNATURE = 8, AROUND = 12 }; /* length, name and checksum */

	for (size_t at = SIGNATURE; length - at >= AROUND;) {
		uint32_t size;

		memcpy(&size, bytes + at, sizeof(size));
		size = be32toh(size);
		if (size > length - at - AROUND)
			return false;
		if (!memcmp(bytes + at + 4, "IEND", 4))
			return true;
		at += AROUND + size;
	}
	return false;
}

/* Width, height and pages as the file's head claims them; nothing is decoded. */
static const char *refused(const void *bytes, size_t length)
{
	VipsImage *head = vips_image_new_from_buffer(bytes, length, "", "access",
						     VIPS_ACCESS_SEQUENTIAL, NULL);
	const char *why = NULL;

	if (!head)
		return "unreadable";
	if ((uint64_t)vips_image_get_width(head) * (uint64_t)vips_image_get_height(head) >
	    pixels_most)
		why = "too many pixels";
	else if (vips_image_get_n_pages(head) > 1)
		why = "animated";
	g_object_unref(head);
	return why;
}

/* The image, turned upright, no larger than the profile says, in memory, so that it can be encoded
 * more than once. NULL when the file breaks off or lies. */
static VipsImage *shrunk(const void *bytes, size_t length, const struct profile *profile)
{
	int width = profile->width ? profile->width : VIPS_MAX_COORD;
	int height = profile->height ? profile->height : VIPS_MAX_COORD;
	VipsImage *small = NULL, *grey = NULL, *whole;

	if (vips_thumbnail_buffer((void *)bytes, length, &small, width, "height", height, "size",
				  VIPS_SIZE_DOWN, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL))
		return NULL;
	if (profile->grey) {
		if (vips_colourspace(small, &grey, VIPS_INTERPRETATION_B_W, NULL)) {
			g_object_unref(small);
			return NULL;
		}
		g_object_unref(small);
		small = grey;
	}
	whole = vips_image_copy_memory(small);
	g_object_unref(small);
	return whole;
}

static void keep_smaller(struct image_result *result, size_t original, void *bytes, size_t length,
			 enum image_format format)
{
	if (length >= (result->bytes ? result->length : original)) {
		g_free(bytes);
		return;
	}
	g_free(result->bytes);
	*result = (struct image_result){bytes, length, format, NULL};
}

void image_distil(const void *bytes, size_t length, const struct profile *profile,
		  image_set accepted, struct image_result *result)
{
	enum image_format original = image_sniff(bytes, length);
	image_set tried = accepted & (1u << IMAGE_WEBP | 1u << IMAGE_AVIF);
	VipsImage *image;

	*result = (struct image_result){.kept = "not an image"};
	if (original == IMAGE_NONE)
		return;
	result->kept = original == IMAGE_PNG && !png_whole(bytes, length) ? "unreadable"
									  : refused(bytes, length);
	if (result->kept)
		goto clear;
	result->kept = "unreadable";
	image = shrunk(bytes, length, profile);
	if (!image)
		goto clear;
	/* Whoever asked for the original's format can show it, and every client shows a JPEG. */
	if (original == IMAGE_WEBP || original == IMAGE_AVIF)
		tried |= 1u << original;
	else
		tried |= vips_image_hasalpha(image) || original == IMAGE_GIF ? 1u << IMAGE_PNG
									     : 1u << IMAGE_JPEG;
	if (original == IMAGE_PNG)
		tried |= 1u << IMAGE_PNG;
	result->kept = "not smaller";
	for (int format = IMAGE_JPEG; format <= IMAGE_AVIF; format++) {
		void *encoded = NULL;
		size_t size = 0;

		if (tried & 1u << format &&
		    !encode(image, (enum image_format)format, profile, &encoded, &size))
			keep_smaller(result, length, encoded, size, (enum image_format)format);
	}
	g_object_unref(image);
clear:
	vips_error_clear();
	vips_thread_shutdown();
}

void image_release(struct image_result *result)
{
	g_free(result->bytes);
	*result = (struct image_result){0};
}

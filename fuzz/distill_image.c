/* Images as a stranger's server may send them, through the distiller. The input's first byte says
 * which profile and which formats the client takes besides, the rest is the image. What is made
 * must be smaller than what came, of a format that the client takes, no larger than the profile
 * says, and an image that opens. */
#include "disagree.h"

#include "distill/image.h"

#include <string.h>
#include <vips/vips.h>

enum { PIXELS = 1 << 18, PROFILES = 4 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return image_start(PIXELS);
}

/* dav1d 1.0 of Debian 12 leaves 40 bytes behind for some broken AVIF files. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdav1d\n";
}

static const char *size_of(const struct image_result *result, const struct profile *profile)
{
	VipsImage *image = vips_image_new_from_buffer(result->bytes, result->length, "", NULL);
	const char *wrong = NULL;

	if (!image)
		return "what was made can't be read";
	if (vips_image_get_width(image) > profile->width ||
	    vips_image_get_height(image) > profile->height)
		wrong = "larger than the profile says";
	g_object_unref(image);
	return wrong;
}

static const char *wrong_with(const struct image_result *result, enum image_format original,
			      size_t length, image_set accepted, const struct profile *profile)
{
	struct image_result again;
	const char *wrong;

	if (!result->bytes)
		return result->kept ? NULL : "kept, and nobody knows why";
	if (result->kept)
		return "kept and made";
	if (result->length >= length)
		return "not smaller";
	if (image_sniff(result->bytes, result->length) != result->format)
		return "not what it is said to be";
	accepted |= 1u << original | 1u << IMAGE_JPEG | 1u << IMAGE_PNG;
	if (!(accepted & 1u << result->format))
		return "a format that nobody asked for";
	wrong = size_of(result, profile);
	if (wrong)
		return wrong;
	image_distil(result->bytes, result->length, &profiles[0], 0, &again);
	if (again.kept && !strcmp(again.kept, "unreadable"))
		wrong = "what was made can't be decoded";
	image_release(&again);
	return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct profile *profile;
	struct image_result result;
	image_set accepted;

	if (length < 2)
		return 0;
	profile = &profiles[bytes[0] % PROFILES];
	accepted = (bytes[0] & 4 ? 1u << IMAGE_WEBP : 0) | (bytes[0] & 8 ? 1u << IMAGE_AVIF : 0);
	image_distil(bytes + 1, length - 1, profile, accepted, &result);
	disagree(wrong_with(&result, image_sniff(bytes + 1, length - 1), length - 1, accepted,
			    profile));
	image_release(&result);
	return 0;
}

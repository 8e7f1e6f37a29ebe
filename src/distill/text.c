#include "distill/text.h"

#include <brotli/encode.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { WORTHWHILE = 150 }; /* below this the headers weigh more than what is saved */

bool text_is(const char *type)
{
	static const char *const types[] = {
		"text/",	   "application/json",	    "application/javascript",
		"application/xml", "application/xhtml+xml", "image/svg+xml"};

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strncasecmp(type, types[i], strlen(types[i])))
			return true;
	return false;
}

bool text_accepts(const char *accept_encoding, const char *coding)
{
	size_t wanted = strlen(coding);

	for (const char *at = accept_encoding; at && *at;
	     at += strcspn(at, ","), at += *at == ',') {
		size_t length;
		const char *weight;

		at += strspn(at, " \t");
		length = strcspn(at, ",; \t");
		weight = at + length + strspn(at + length, " \t;");
		if (length != wanted || strncasecmp(at, coding, wanted))
			continue;
		return strncasecmp(weight, "q=0", 3) ||
		       strspn(weight + 3, ".0") < strcspn(weight + 3, ", \t");
	}
	return false;
}

static void *gzip(const void *bytes, size_t length, size_t *size)
{
	z_stream stream = {0};
	void *out;

	/* 16 above the window's bits asks zlib for gzip's header. */
	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
			 Z_DEFAULT_STRATEGY))
		return NULL;
	*size = deflateBound(&stream, length);
	out = malloc(*size);
	if (out) {
		stream.next_in = (Bytef *)bytes;
		stream.avail_in = (uInt)length;
		stream.next_out = out;
		stream.avail_out = (uInt)*size;
		if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
			free(out);
			out = NULL;
		}
		*size = stream.total_out;
	}
	deflateEnd(&stream);
	return out;
}

static void *brotli(const void *bytes, size_t length, size_t *size)
{
	void *out;

	*size = BrotliEncoderMaxCompressedSize(length);
	out = *size ? malloc(*size) : NULL;
	if (out && !BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, length, bytes,
					  size, out)) {
		free(out);
		out = NULL;
	}
	return out;
}

void text_distil(const void *bytes, size_t length, const char *accept_encoding,
		 struct text_result *result)
{
	*result = (struct text_result){0};
	if (length < WORTHWHILE || length > UINT32_MAX)
		return;
	if (text_accepts(accept_encoding, "br")) {
		result->bytes = brotli(bytes, length, &result->length);
		result->coding = "br";
	} else if (text_accepts(accept_encoding, "gzip")) {
		result->bytes = gzip(bytes, length, &result->length);
		result->coding = "gzip";
	}
	if (result->bytes && result->length >= length) {
		free(result->bytes);
		*result = (struct text_result){0};
	}
}

/* First requests put together from segments: by the slow path's reassembly and reader, beside the
 * same bytes in one piece, and beside llhttp. The input: a byte that says HTTP or TLS, a byte that
 * says how many segments, four bytes for each of them (where, how long), and the stream. */
#define SCRATCH_SIZE 32768

#include "disagree.h"

#include "base/fail.c"
#include "control/rules.c"
#include "front/head.c"
#include "front/reassembly.c"
#include "unit/bpf/compare.h"

enum { LIMIT = 16384 };

__thread struct place_world *place_world; /* never looked at: all of a target is asked for */

/* What the first bytes say, and by how many of them that was known. */
struct verdict {
	enum first_request result;
	struct place_query query;
};

static struct verdict read_beginning(const uint8_t *bytes, uint32_t length, bool tls)
{
	static struct config_service service;
	struct verdict verdict = {0};

	service.protocol = tls ? PROTOCOL_TLS : PROTOCOL_HTTP;
	verdict.result = head_read(bytes, length, &service, 0, &verdict.query, NULL);
	return verdict;
}

/* Who was placed by a beginning is placed alike by more, unless that is no request at all. */
static void placed_alike(const struct verdict *less, const struct verdict *more)
{
	if (less->result == FIRST_SPLIT || more->result == FIRST_STRANGE)
		return;
	if (less->result != more->result)
		disagree("more bytes make something else of it");
	if (less->query.target != more->query.target || less->query.carp != more->query.carp ||
	    less->query.md5 != more->query.md5)
		disagree("more bytes give another target");
}

/* A hello that is whole in one record is placed alike if its message comes in records of `part`
 * bytes. */
static void recut_alike(const uint8_t *hello, uint32_t length, uint32_t part)
{
	static uint8_t records[HEAD_MOST];
	struct verdict one, many;
	uint32_t end, to = 0;

	if (length < 9)
		return;
	end = 5u + (hello[3] << 8 | hello[4]);
	one = read_beginning(hello, length, true);
	if (one.result != FIRST_PLACED || end > length)
		return;
	for (uint32_t at = 5; at < end; at += part) {
		uint32_t size = end - at < part ? end - at : part;

		if (to + 5 + size > sizeof(records))
			return;
		memcpy(records + to, hello, 3);
		records[to + 3] = (uint8_t)(size >> 8);
		records[to + 4] = (uint8_t)size;
		memcpy(records + to + 5, hello + at, size);
		to += 5 + size;
	}
	many = read_beginning(records, to, true);
	if (many.result != FIRST_PLACED)
		disagree("in several records it is something else");
	placed_alike(&one, &many);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct verdict first = {.result = FIRST_SPLIT}, now;
	struct reassembly reassembly;
	uint32_t taken = 0, had = 0, length;
	const uint8_t *cuts, *stream;
	unsigned int count;

	if (size < 2 || size < 2 + 4u * (bytes[1] & 15) || size > 20000)
		return 0;
	count = bytes[1] & 15;
	cuts = bytes + 2;
	stream = cuts + 4 * count;
	length = (uint32_t)(bytes + size - stream);
	reassembly_init(&reassembly, LIMIT);
	/* Behind the segments of the input, whatever is still missing. */
	for (unsigned int i = 0; i <= count; i++) {
		const uint8_t *cut = cuts + 4 * i;
		uint32_t at = i < count ? (uint32_t)(cut[0] << 8 | cut[1]) : 0;
		uint32_t part = i < count ? (uint32_t)(cut[2] << 8 | cut[3]) : length;

		if (at > length)
			at = length;
		if (part > length - at)
			part = length - at;
		taken += reassembly_add(&reassembly, at, stream + at, part);
		if (reassembly.have > LIMIT ||
		    memcmp(reassembly.have ? reassembly.bytes : stream, stream, reassembly.have))
			disagree("not the bytes that came");
		if (reassembly.have == had)
			continue;
		had = reassembly.have;
		now = read_beginning(reassembly.bytes, had, bytes[0] & 1);
		placed_alike(&first, &now);
		if (first.result == FIRST_SPLIT)
			first = now;
	}
	if (had != (length < LIMIT ? length : LIMIT) || taken != had || reassembly.count)
		disagree("something is missing, or was counted twice");
	if (bytes[0] & 1)
		recut_alike(stream, length, 1 + (bytes[0] >> 1) * (bytes[0] >> 1));
	else if (had)
		disagree(compare_request(reassembly.bytes, had));
	reassembly_release(&reassembly);
	return 0;
}

#include "../unit.h"

#include "load/content.h"

#include <errno.h>
#include <string.h>

static void names(void **state)
{
	static const struct {
		const char *target, *name;
		int result;
	} rows[] = {
		{"/", "/index.html", 0},
		{"/a", "/a", 0},
		{"/a/?x=1", "/a/index.html", 0},
		{"/a?b/../c", "/a", 0},
		{"/a//b", "/a/b", 0},
		{"//", "/index.html", 0},
		{"/a%20b%2Fc", "/a b/c", 0},
		{"/a/../b", NULL, -EINVAL},
		{"/%2e%2e/b", NULL, -EINVAL},
		{"/a/..", NULL, -EINVAL},
		{"/.", NULL, -EINVAL},
		{"/..a", "/..a", 0},
		{"/%0", NULL, -EINVAL},
		{"/%00", NULL, -EINVAL},
		{"/%zz", NULL, -EINVAL},
		{"a", NULL, -EINVAL},
		{"", NULL, -EINVAL},
		{"http://a/b", NULL, -EINVAL},
	};
	char name[400], target[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(content_name(rows[i].target, name, sizeof(name)), rows[i].result);
		if (!rows[i].result)
			assert_string_equal(name, rows[i].name);
	}
	/* No part is longer than a file's name may be, and nothing is written beyond the room. */
	memset(target, 'x', sizeof(target));
	target[0] = '/';
	target[257] = 0;
	assert_int_equal(content_name(target, name, sizeof(name)), -ENAMETOOLONG);
	target[256] = 0;
	assert_int_equal(content_name(target, name, sizeof(name)), 0);
	assert_int_equal(content_name(target, name, 100), -ENAMETOOLONG);
}

static void any_piece_matches(void **state)
{
	unsigned char whole[100], piece[100];
	uint64_t seed = content_seed("/a");

	(void)state;
	content_fill(seed, 0, whole, sizeof(whole));
	for (size_t from = 0; from < sizeof(whole); from++) {
		for (size_t length = 0; from + length <= sizeof(whole); length++) {
			content_fill(seed, from, piece, length);
			assert_memory_equal(piece, whole + from, length);
			assert_true(content_matches(seed, from, whole + from, length));
		}
	}
}

static void every_wrong_byte_is_seen(void **state)
{
	unsigned char bytes[61];
	uint64_t seed = content_seed("/a");

	(void)state;
	for (uint64_t offset = 0; offset < 9; offset++) {
		content_fill(seed, offset, bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++) {
			bytes[i] ^= 1;
			assert_false(content_matches(seed, offset, bytes, sizeof(bytes)));
			bytes[i] ^= 1;
		}
		assert_true(content_matches(seed, offset, bytes, sizeof(bytes)));
		assert_false(content_matches(seed, offset + 1, bytes, sizeof(bytes)));
		assert_false(content_matches(content_seed("/b"), offset, bytes, sizeof(bytes)));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names),
	cmocka_unit_test(any_piece_matches),
	cmocka_unit_test(every_wrong_byte_is_seen),
};

UNIT_MAIN(tests)

#include "../unit.h"

#include "base/random.h"
#include "bpf/checksum.h"

#include <string.h>

static struct scratch scratch;

/* RFC 1071 as it is written: 16 bits at a time. */
static __u16 plain(const __u8 *bytes, __u32 length, __u64 sum)
{
	for (; length > 1; length -= 2, bytes += 2)
		sum += bytes[0] | bytes[1] << 8;
	if (length)
		sum += bytes[0];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void every_length(void **state)
{
	struct random_state random;

	(void)state;
	random_seed(&random, 1);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < SCRATCH_SIZE; i++)
			scratch.bytes[i] = round ? random_next(&random) : 0xff;
		for (__u32 length = 0; length <= SCRATCH_SIZE - 8; length++) {
			__u64 pseudo = random_next(&random) >> 30;

			assert_int_equal(
				checksum_fold(checksum_scratch(&scratch, 8, length, pseudo)),
				plain(scratch.bytes + 8, length, pseudo));
		}
	}
}

/* The example of RFC 1071, 3: the sum of these words is ddf2 in network order. */
static void known(void **state)
{
	(void)state;
	memcpy(scratch.bytes, "\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8);
	assert_int_equal(checksum_fold(checksum_scratch(&scratch, 0, 8, 0)),
			 __builtin_bswap16(0xddf2));
}

/* Segments of all lengths, over IPv4 and IPv6: good, and not after any one bit has changed. */
static void segments(void **state)
{
	__u32 source = __builtin_bswap32(0x0a000001), destination = __builtin_bswap32(0x0a000002);
	__u32 source6[4] = {0x000080fe, 0, 0, 0x01000000};
	__u32 destination6[4] = {0x000080fe, 0, 0, 0x02000000};
	__u64 pseudo;
	__u16 check;

	(void)state;
	for (int length = 20; length < 1480; length += 97) {
		memset(scratch.bytes, 0x5a, SCRATCH_SIZE);
		scratch.bytes[length - 1] = length;
		memset(scratch.bytes + 16, 0, 2);
		pseudo = checksum_pseudo4(source, destination, 6, length);
		/* The pseudo header, written out. */
		assert_int_equal(
			checksum_fold(pseudo),
			plain((const __u8[]){10, 0, 0, 1, 10, 0, 0, 2, 0, 6, length >> 8, length},
			      12, 0));
		check = checksum_finish(checksum_scratch(&scratch, 0, length, pseudo));
		memcpy(scratch.bytes + 16, &check, 2);
		assert_true(checksum_good(&scratch, 0, length, pseudo));
		scratch.bytes[length / 2] ^= 1;
		assert_false(checksum_good(&scratch, 0, length, pseudo));
		scratch.bytes[length / 2] ^= 1;

		pseudo = checksum_pseudo6(source6, destination6, 58, length);
		memset(scratch.bytes + 16, 0, 2);
		check = checksum_finish(checksum_scratch(&scratch, 0, length, pseudo));
		memcpy(scratch.bytes + 16, &check, 2);
		assert_true(checksum_good(&scratch, 0, length, pseudo));
		scratch.bytes[0] ^= 0x80;
		assert_false(checksum_good(&scratch, 0, length, pseudo));
	}
}

/* Changing a word and the checksum with it is the same as summing anew. */
static void incremental(void **state)
{
	struct random_state random;

	(void)state;
	random_seed(&random, 2);
	for (int round = 0; round < 20000; round++) {
		__u16 words[8], check, new16;
		__u32 old32, new32;

		for (int i = 0; i < 8; i++)
			words[i] = random_below(&random, 3) ? random_next(&random)
							    : random_next(&random) % 2 * 0xffff;
		check = ~plain((__u8 *)words, sizeof(words), 0);
		new16 = random_next(&random);
		check = checksum_update16(check, words[3], new16);
		words[3] = new16;
		memcpy(&old32, words + 4, 4);
		new32 = random_next(&random);
		check = checksum_update32(check, old32, new32);
		memcpy(words + 4, &new32, 4);
		assert_int_equal(plain((__u8 *)words, sizeof(words), check), 0xffff);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_length),
	cmocka_unit_test(known),
	cmocka_unit_test(segments),
	cmocka_unit_test(incremental),
};

UNIT_MAIN(tests)

/* Known answers from the paper's appendix, every length beside OpenSSL. */
#include "../unit.h"

#include "bpf/siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

static struct scratch scratch;

static __u64 openssl(const void *key, const void *bytes, size_t length, unsigned int c,
		     unsigned int d)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	unsigned int size = 8;
	OSSL_PARAM params[] = {OSSL_PARAM_uint(OSSL_MAC_PARAM_SIZE, &size),
			       OSSL_PARAM_uint(OSSL_MAC_PARAM_C_ROUNDS, &c),
			       OSSL_PARAM_uint(OSSL_MAC_PARAM_D_ROUNDS, &d), OSSL_PARAM_END};
	unsigned char out[8];
	size_t written;
	__u64 result;

	assert_int_equal(EVP_MAC_init(context, key, 16, params), 1);
	assert_int_equal(EVP_MAC_update(context, bytes, length), 1);
	assert_int_equal(EVP_MAC_final(context, out, &written, sizeof(out)), 1);
	assert_int_equal(written, 8);
	memcpy(&result, out, 8);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	return result;
}

static void known(void **state)
{
	struct siphash_key key;
	struct siphash s;

	(void)state;
	for (int i = 0; i < 16; i++)
		((unsigned char *)&key)[i] = i;
	for (int i = 0; i < 15; i++)
		scratch.bytes[i] = i;
	siphash_start(&s, &key);
	assert_true(siphash_scratch(&scratch, 0, 15, &s) == 0xa129ca6149be45e5ull);
	siphash_start(&s, &key);
	assert_true(siphash_scratch(&scratch, 0, 0, &s) == 0x726fdb47dd0e0e31ull);
}

static void every_length(void **state)
{
	struct siphash_key key = {{0x0123456789abcdefull, 0xfedcba9876543210ull}};
	struct siphash s;

	(void)state;
	for (int i = 0; i < SCRATCH_SIZE; i++)
		scratch.bytes[i] = i * 7 + i / 256;
	for (__u32 length = 0; length <= SCRATCH_SIZE; length += length < 200 ? 1 : 61) {
		__u32 from = length < 200 ? length % 13 : 0;

		siphash_start(&s, &key);
		assert_true(siphash_scratch(&scratch, from, length, &s) ==
			    openssl(&key, scratch.bytes + from, length, 2, 4));
	}
	/* Words first, the rest from the scratch: what a header is signed like. */
	siphash_start(&s, &key);
	siphash_word(&s, load_u64(scratch.bytes));
	siphash_word(&s, load_u64(scratch.bytes + 8));
	assert_true(siphash_scratch(&scratch, 16, 1001, &s) ==
		    openssl(&key, scratch.bytes, 1017, 2, 4));
	/* Outside of the buffer there is nothing. */
	siphash_start(&s, &key);
	assert_true(siphash_scratch(&scratch, 1, SCRATCH_SIZE, &s) == 0);
}

static void one_three(void **state)
{
	struct siphash_key key = {{1, 2}};
	struct siphash s;
	__u64 words[3] = {0x1111, ~0ull, 42};

	(void)state;
	siphash_start(&s, &key);
	siphash13_word(&s, words[0]);
	siphash13_word(&s, words[1]);
	assert_true(siphash13_end(&s, 42, 1) == openssl(&key, words, 17, 1, 3));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known),
	cmocka_unit_test(every_length),
	cmocka_unit_test(one_three),
};

UNIT_MAIN(tests)

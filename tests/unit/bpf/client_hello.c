/* Hellos that OpenSSL writes, whole, cut, changed; and the shapes it doesn't write. */
#include "../unit.h"

#include "base/random.h"
#include "bpf/client_hello.h"

#include <openssl/ssl.h>
#include <string.h>

static struct scratch scratch;

/* What OpenSSL says first to the server `name` (NULL: none) offering `alpn` (in wire form). */
static size_t openssl_hello(const char *name, const char *alpn, int version, unsigned char *out,
			    size_t size)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	BIO *from = BIO_new(BIO_s_mem()), *to = BIO_new(BIO_s_mem());
	SSL *ssl;
	int length;

	assert_non_null(context);
	SSL_CTX_set_max_proto_version(context, version);
	ssl = SSL_new(context);
	assert_non_null(ssl);
	SSL_set_bio(ssl, from, to);
	SSL_set_connect_state(ssl);
	if (name)
		assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
	if (alpn)
		assert_int_equal(
			SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, strlen(alpn)), 0);
	assert_int_equal(SSL_do_handshake(ssl), -1);
	length = BIO_read(to, out, size);
	assert_true(length > 0 && length < (int)size);
	SSL_free(ssl);
	SSL_CTX_free(context);
	return length;
}

static void parse(const void *bytes, size_t length, struct client_hello *hello)
{
	memset(&scratch, 'z', sizeof(scratch));
	memcpy(scratch.bytes, bytes, length);
	client_hello_parse(&scratch, length, hello);
}

static void openssl(void **state)
{
	static const char *const names[] = {NULL, "a", "www.example.com",
					    "a-rather-long-label-of-a-name.a-rather-long-label-of-"
					    "a-name.example.a-rather-long-label-of-a-name.org"};
	static const char *const alpns[] = {NULL, "\x02h2\x08http/1.1", "\x08http/1.1"};
	__u64 hashes[3] = {0};

	(void)state;
	for (int i = 0; i < 24; i++) {
		const char *name = names[i % 4], *alpn = alpns[i / 4 % 3];
		unsigned char bytes[2048];
		struct client_hello hello;
		size_t length = openssl_hello(name, alpn, i < 12 ? TLS1_3_VERSION : TLS1_2_VERSION,
					      bytes, sizeof(bytes));
		unsigned int known = 0;

		parse(bytes, length, &hello);
		assert_int_equal(hello.flags, CLIENT_HELLO_COMPLETE |
						      (name ? CLIENT_HELLO_NAME : 0) |
						      (alpn ? CLIENT_HELLO_ALPN : 0));
		assert_int_equal(hello.length, length);
		if (name) {
			assert_int_equal(hello.name_length, strlen(name));
			assert_memory_equal(scratch.bytes + hello.name_at, name, strlen(name));
		}
		if (alpn) {
			assert_int_equal(hello.alpn_length, strlen(alpn));
			assert_memory_equal(scratch.bytes + hello.alpn_at, alpn, strlen(alpn));
			assert_true(hello.alpn_hash ==
				    place_hash_bytes(PLACE_HASH_START, alpn, strlen(alpn)));
			hashes[i / 4 % 3] = hello.alpn_hash;
		}
		/* Every beginning of it is incomplete, and knows more the longer it is. */
		for (size_t cut = 0; cut < length; cut++) {
			parse(bytes, cut, &hello);
			assert_int_equal(hello.flags & ~(CLIENT_HELLO_NAME | CLIENT_HELLO_ALPN), 0);
			assert_int_equal(hello.flags & known, known);
			known = hello.flags;
		}
		/* Something behind the record is nothing to it. */
		bytes[length] = 0x17;
		parse(bytes, length + 1, &hello);
		assert_true(hello.flags & CLIENT_HELLO_COMPLETE);
	}
	assert_true(hashes[1] != hashes[2]);
}

/* A hello longer than the buffer: its name is known all the same if it comes early. */
static void long_hello(void **state)
{
	static unsigned char bytes[4096];
	struct client_hello hello;
	size_t length = openssl_hello("example.org", NULL, TLS1_3_VERSION, bytes, sizeof(bytes));
	size_t add = 3000 - length, extensions = 9 + 34 + 1 + 32;

	(void)state;
	/* An extension of an unknown kind at the end, and all lengths that hold it. */
	bytes[length] = bytes[length + 1] = 0xee;
	bytes[length + 2] = (add - 4) >> 8;
	bytes[length + 3] = add - 4;
	extensions += 2 + (bytes[extensions] << 8 | bytes[extensions + 1]);
	extensions += 1 + bytes[extensions];
	length += add;
	bytes[3] = (length - 5) >> 8;
	bytes[4] = length - 5;
	bytes[7] = (length - 9) >> 8;
	bytes[8] = length - 9;
	bytes[extensions] = (length - extensions - 2) >> 8;
	bytes[extensions + 1] = length - extensions - 2;
	parse(bytes, SCRATCH_SIZE, &hello);
	assert_int_equal(hello.flags, CLIENT_HELLO_NAME);
	assert_int_equal(hello.length, 3000);
	/* The same cut into two records. */
	bytes[3] = 1000 >> 8;
	bytes[4] = 1000 & 255;
	parse(bytes, 1005, &hello);
	assert_int_equal(hello.flags, CLIENT_HELLO_FRAGMENTED);
	/* Even inside of the message's header. */
	bytes[3] = 0;
	bytes[4] = 3;
	parse(bytes, 8, &hello);
	assert_int_equal(hello.flags, CLIENT_HELLO_FRAGMENTED);
}

static void malformed(void **state)
{
	static const struct {
		const char *bytes;
		int length;
	} rows[] = {
		{"GET / HTTP/1.1\r\n", 16},
		{"\x16\x02", 2},
		{"\x16\x03\x01\x00\x40\x02", 6},		      /* a ServerHello */
		{"\x17\x03\x03\x00\x40", 5},			      /* application data */
		{"\x16\x03\x01\x00\x00", 5},			      /* empty */
		{"\x16\x03\x01\x50\x00", 5},			      /* too long */
		{"\x16\x03\x01\x00\x40\x01\x00\x00\x10", 9},	      /* two messages */
		{"\x16\x03\x01\x00\x10\x01\x00\x00\x0c\x03\x03", 11}, /* no room for random */
		{"\x80\x2e\x01\x03\x01", 5},			      /* SSL 2 */
	};
	struct client_hello hello;
	unsigned char bytes[2048];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		parse(rows[i].bytes, rows[i].length, &hello);
		if (hello.flags != CLIENT_HELLO_MALFORMED)
			fail_msg("row %zu: %#x", i, hello.flags);
	}
	length = openssl_hello("example.org", "\x02h2", TLS1_3_VERSION, bytes, sizeof(bytes));
	bytes[43] = 33; /* the session id's length */
	parse(bytes, length, &hello);
	assert_int_equal(hello.flags, CLIENT_HELLO_MALFORMED);
}

/* Whatever is changed: what is said to be found lies inside. */
static void mutated(void **state)
{
	struct random_state random;
	unsigned char original[2048], bytes[2048];
	size_t length =
		openssl_hello("example.org", "\x02h2", TLS1_3_VERSION, original, sizeof(original));

	(void)state;
	random_seed(&random, 8);
	for (int round = 0; round < 100000; round++) {
		struct client_hello hello;

		memcpy(bytes, original, length);
		for (int n = 1 + random_below(&random, 3); n > 0; n--)
			bytes[random_below(&random, length)] = random_next(&random);
		parse(bytes, length, &hello);
		if (hello.flags & CLIENT_HELLO_MALFORMED)
			continue;
		assert_true(hello.length <= TLS_RECORD_MAX);
		if (hello.flags & CLIENT_HELLO_NAME)
			assert_true(hello.name_at + hello.name_length <= (int)length &&
				    hello.name_length > 0);
		if (hello.flags & CLIENT_HELLO_ALPN)
			assert_true(hello.alpn_at + hello.alpn_length <= (int)length);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(openssl),
	cmocka_unit_test(long_hello),
	cmocka_unit_test(malformed),
	cmocka_unit_test(mutated),
};

UNIT_MAIN(tests)

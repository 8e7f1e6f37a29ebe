/* The kernel reads what the host reads: requests, ClientHellos, options, hashes, sums, cookies and
 * response streams, on the fuzzers' seeds and on changed ones. Needs root. */
#include "../unit/unit.h"

#include "base/random.h"
#include "bpf/checksum.h"
#include "bpf/client_hello.h"
#include "bpf/cookie.h"
#include "bpf/http_request.h"
#include "bpf/http_response.h"

#include "readers.skel.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 400, INPUT_MAX = SCRATCH_SIZE };

static struct readers_bpf *kernel;
static struct random_state chance;

static int setup(void **state)
{
	(void)state;
	kernel = readers_bpf__open_and_load();
	assert_non_null(kernel);
	random_seed(&chance, 20261121);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	readers_bpf__destroy(kernel);
	return 0;
}

static void run(const struct bpf_program *program, const void *bytes, size_t length)
{
	static unsigned char frame[14 + INPUT_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = 14 + length);

	memcpy(frame + 14, bytes, length);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	assert_int_equal(options.retval, 0);
}

/* Calls `check` with every seed of the folder, as it is and changed; `keep` bytes stay. */
static void each(const char *folder, size_t keep, void (*check)(unsigned char *, size_t))
{
	static const char spice[] = "\r\n \t:,;0/";
	char path[512];
	struct dirent **entries;
	int count, seeds = 0;

	snprintf(path, sizeof(path), "%s/%s", CORPUS, folder);
	count = scandir(path, &entries, NULL, alphasort);
	for (int entry = 0; entry < count; entry++) {
		const char *name = entries[entry]->d_name;
		unsigned char seed[INPUT_MAX], bytes[INPUT_MAX];
		size_t length;
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s/%s", CORPUS, folder, name);
		if (name[0] == '.')
			continue;
		file = fopen(path, "rb");
		assert_non_null(file);
		length = fread(seed, 1, sizeof(seed), file);
		fclose(file);
		assert_true(length > keep);
		seeds++;
		check(seed, length);
		for (int round = 0; round < ROUNDS; round++) {
			size_t cut = length;

			memcpy(bytes, seed, length);
			for (int n = random_below(&chance, 4); n > 0; n--) {
				unsigned char byte = random_next(&chance);

				if (byte & 1)
					byte = spice[random_below(&chance, sizeof(spice) - 1)];
				bytes[keep + random_below(&chance, length - keep)] = byte;
			}
			if (!random_below(&chance, 3))
				cut = keep + 1 + random_below(&chance, length - keep);
			check(bytes, cut);
		}
	}
	for (int entry = 0; entry < count; entry++)
		free(entries[entry]);
	free(entries);
	assert_true(seeds >= 3);
}

static void check_readers(unsigned char *bytes, size_t length)
{
	static struct scratch scratch;
	struct http_request request;
	struct client_hello hello;
	struct tcp_options options, offered = {0};
	struct siphash s;
	__u32 made, checked;

	for (size_t i = 0; i < sizeof(kernel->bss->keys); i++)
		((unsigned char *)&kernel->bss->keys)[i] = random_next(&chance);
	for (size_t i = 0; i < sizeof(kernel->bss->flow); i++)
		((unsigned char *)&kernel->bss->flow)[i] = random_next(&chance);
	if (random_below(&chance, 2))
		address_from_ipv4(&kernel->bss->flow.client, random_next(&chance));
	kernel->bss->isn = random_next(&chance);
	kernel->bss->now = random_next(&chance) >> 8;

	memcpy(scratch.bytes, bytes, length);
	http_request_parse(&scratch, length, &request);
	client_hello_parse(&scratch, length, &hello);
	tcp_options_parse(&scratch, 0, length > 40 ? 40 : length, &options);
	made = cookie_make(&kernel->bss->flow, &options, kernel->bss->isn, options.mss,
			   &kernel->bss->keys[0], kernel->bss->now);
	kernel->bss->cookie = random_below(&chance, 2) ? made : (__u32)random_next(&chance);
	checked = cookie_check(&kernel->bss->flow, kernel->bss->isn, kernel->bss->cookie, &options,
			       kernel->bss->keys, 0, 2, 8, kernel->bss->now, &offered);
	run(kernel->progs.readers, bytes, length);

	assert_memory_equal(&kernel->bss->request, &request, sizeof(request));
	assert_memory_equal(&kernel->bss->hello, &hello, sizeof(hello));
	assert_memory_equal(&kernel->bss->options, &options, sizeof(options));
	siphash_start(&s, &kernel->bss->keys[0]);
	assert_true(kernel->bss->hash == siphash_scratch(&scratch, 0, length, &s));
	assert_int_equal(kernel->bss->sum, checksum_fold(checksum_scratch(&scratch, 0, length, 0)));
	assert_int_equal(kernel->bss->made, made);
	assert_int_equal(kernel->bss->checked, checked);
	if (checked)
		assert_memory_equal(&kernel->bss->offered, &offered, sizeof(offered));
}

static void check_stream(unsigned char *bytes, size_t length)
{
	static struct scratch scratch;
	struct response_state state = {0};
	struct byte_source source;
	unsigned int heads;

	/* The seeds' first nine bytes: how many requests, which are HEADs, where it is cut. */
	memcpy(&heads, bytes + 1, 4);
	for (unsigned int i = 0; i < bytes[0] % (RESPONSE_REQUESTS + 1u); i++)
		response_expect(&state, heads >> i & 1);
	kernel->bss->state = state;
	for (size_t at = 9, i = 0; at < length; i++) {
		size_t piece = 1u + bytes[5 + i % 4];
		int ended;

		if (piece > length - at)
			piece = length - at;
		source = (struct byte_source){bytes + at, piece};
		ended = response_follow(&source, 0, piece, &state, &scratch);
		run(kernel->progs.follow, bytes + at, piece);
		assert_int_equal(kernel->bss->ended, ended);
		assert_int_equal(kernel->bss->state.phase, state.phase);
		assert_int_equal(kernel->bss->state.carried, state.carried);
		assert_int_equal(kernel->bss->state.status, state.status);
		assert_int_equal(kernel->bss->state.flags, state.flags);
		assert_int_equal(kernel->bss->state.done, state.done);
		assert_memory_equal(&kernel->bss->state.body, &state.body, sizeof(state.body));
		at += piece;
	}
}

static void requests(void **state)
{
	(void)state;
	each("http_request", 0, check_readers);
}

static void hellos(void **state)
{
	(void)state;
	each("client_hello", 0, check_readers);
}

static void options(void **state)
{
	(void)state;
	each("tcp_options", 0, check_readers);
}

static void streams(void **state)
{
	(void)state;
	each("http_response", 9, check_stream);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(requests),
	cmocka_unit_test(hellos),
	cmocka_unit_test(options),
	cmocka_unit_test(streams),
};

int main(void)
{
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}

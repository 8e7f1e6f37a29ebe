#include "../unit.h"

#include "base/random.h"
#include "echo/session.h"
#include "echo/spread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct session *session, uint64_t limit)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;

	v4->sin_family = AF_INET;
	v4->sin_port = htons(40000);
	inet_pton(AF_INET, "10.77.1.9", &v4->sin_addr);
	session_init(session, &peer, limit);
}

/* What follows the time in each reply, which is cut away. */
static char *without_times(const struct buffer *out)
{
	char *text = calloc(1, out->length + 1), *to = text;
	const char *at = out->data, *end = out->data + out->length;

	while (at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		assert_non_null(next);
		assert_true(next - at > 29);
		assert_int_equal(at[0], '[');
		assert_int_equal(at[27], ']');
		memcpy(to, at + 29, (size_t)(next + 1 - at) - 29);
		to += next + 1 - at - 29;
		at = next + 1;
	}
	return text;
}

/* However the bytes are cut into reads, the replies are the same. */
static void any_split_gives_the_same_replies(void **state)
{
	static const char input[] = "hello\n\nworld [x] \x01\x02\nlonger line of words\nunfinished";
	static const char wanted[] = "[10.77.1.9] [40000] [hello]\n[10.77.1.9] [40000] []\n"
				     "[10.77.1.9] [40000] [world [x] \x01\x02]\n"
				     "[10.77.1.9] [40000] [longer line of words]\n"
				     "[10.77.1.9] [40000] [unfinished]\n";
	struct random_state random;

	(void)state;
	random_seed(&random, 4);
	for (unsigned int i = 0; i < 500; i++) {
		struct buffer out = BUFFER_EMPTY;
		struct session session;
		char *text;

		begin(&session, 0);
		for (size_t at = 0; at < sizeof(input) - 1;) {
			size_t part = 1 + random_below(&random, 12);

			if (part > sizeof(input) - 1 - at)
				part = sizeof(input) - 1 - at;
			session_take(&session, input + at, part, &out);
			at += part;
		}
		assert_int_equal(session.messages, 4);
		session_end(&session, &out);
		text = without_times(&out);
		assert_string_equal(text, wanted);
		assert_int_equal(session.messages, 5);
		free(text);
		buffer_release(&out);
		session_release(&session);
	}
}

static void a_line_may_be_so_long_and_no_longer(void **state)
{
	struct buffer out = BUFFER_EMPTY;
	struct session session;
	char line[LINE_MOST + 2];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[LINE_MOST] = '\n';
	begin(&session, 0);
	session_take(&session, line, LINE_MOST + 1, &out);
	assert_int_equal(session.messages, 1);
	assert_false(session.closing);
	buffer_clear(&out);
	line[LINE_MOST] = 'x';
	session_take(&session, line, 4000, &out);
	assert_int_equal(out.length, 0);
	session_take(&session, line, 97, &out);
	assert_true(session.overlong && session.closing);
	assert_non_null(strstr(out.data, "a line may have 4096 bytes"));
	buffer_clear(&out);
	session_take(&session, "more\n", 5, &out);
	session_end(&session, &out);
	assert_int_equal(out.length, 0);
	assert_false(session_discard(&session, 1000));
	assert_true(session_discard(&session, DISCARD_MOST));
	buffer_release(&out);
	session_release(&session);
}

static void a_limit_ends_the_conversation(void **state)
{
	struct buffer out = BUFFER_EMPTY;
	struct session session;

	(void)state;
	begin(&session, 2);
	session_take(&session, "a\nb\nc\n", 6, &out);
	assert_int_equal(session.messages, 2);
	assert_true(session.closing && !session.overlong);
	assert_null(strstr(out.data, "[c]"));
	buffer_release(&out);
	session_release(&session);
}

static void terminals_are_told_no_commands(void **state)
{
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	text_printable(&out, "a\x1b[2J\0\tb\xc3\xa4\n", 11);
	assert_string_equal(out.data, "a\\x1b[2J\\x00\tb\xc3\xa4\n");
	buffer_clear(&out);
	/* No UTF-8: alone, cut off, too long, a surrogate, beyond the last; and a C1 control. */
	text_printable(&out, "\xff\xe2\x82\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xc2\x9b", 14);
	assert_string_equal(out.data, "\\xff\\xe2\\x82\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80"
				      "\\x80\\xc2\\x9b");
	buffer_release(&out);
}

static void spread_of_known_values(void **state)
{
	struct spread spread = {0};

	(void)state;
	assert_float_equal(spread_variance(&spread), 0, 1e-12);
	for (unsigned int i = 1; i <= 10; i++)
		spread_add(&spread, 1e6 + i);
	assert_float_equal(spread.mean, 1e6 + 5.5, 1e-6);
	assert_float_equal(spread_variance(&spread), 55.0 / 6, 1e-6);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_split_gives_the_same_replies),
	cmocka_unit_test(a_line_may_be_so_long_and_no_longer),
	cmocka_unit_test(a_limit_ends_the_conversation),
	cmocka_unit_test(terminals_are_told_no_commands),
	cmocka_unit_test(spread_of_known_values),
};

UNIT_MAIN(tests)

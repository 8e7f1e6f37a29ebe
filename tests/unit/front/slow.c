/* What the slow path is made of: putting bytes together, reading them, refusals. */
#include "../unit.h"

#include "front/reassembly.h"
#include "front/refusal.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM = 4000, LIMIT = 3000 };

static uint8_t byte_at(uint32_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

/* Any order, any overlap: what is there is what was sent, and no byte is counted twice. */
static void any_order_gives_the_stream(void **state)
{
	struct random_state random;
	uint8_t stream[STREAM];

	(void)state;
	random_seed(&random, 1);
	for (uint32_t i = 0; i < STREAM; i++)
		stream[i] = byte_at(i);
	for (int round = 0; round < 300; round++) {
		struct reassembly reassembly;
		uint32_t taken = 0;

		reassembly_init(&reassembly, LIMIT);
		while (reassembly.have < LIMIT) {
			uint32_t at = (uint32_t)random_below(&random, STREAM);
			uint32_t length = (uint32_t)random_below(&random, 400);

			/* Now and then what is missing first, or it would take for ever. */
			if (!random_below(&random, 4))
				at = reassembly.have;
			if (length > STREAM - at)
				length = STREAM - at;
			taken += reassembly_add(&reassembly, at, stream + at, length);
			assert_true(reassembly.have <= LIMIT);
			assert_memory_equal(reassembly.bytes ? reassembly.bytes : stream, stream,
					    reassembly.have);
			for (unsigned int i = 0; i < reassembly.count; i++) {
				assert_true(reassembly.parts[i].from < reassembly.parts[i].to);
				assert_true(reassembly.parts[i].from >
					    (i ? reassembly.parts[i - 1].to : reassembly.have));
			}
		}
		assert_int_equal(taken, LIMIT);
		assert_int_equal(reassembly.count, 0);
		reassembly_release(&reassembly);
	}
}

static void what_came_first_stays(void **state)
{
	struct reassembly reassembly;

	(void)state;
	reassembly_init(&reassembly, 100);
	assert_int_equal(reassembly_add(&reassembly, 4, (const uint8_t *)"ef", 2), 2);
	assert_int_equal(reassembly_add(&reassembly, 3, (const uint8_t *)"XXXX", 4), 2);
	assert_int_equal(reassembly.have, 0);
	assert_int_equal(reassembly_add(&reassembly, 0, (const uint8_t *)"abcYYYYY", 8), 4);
	assert_int_equal(reassembly.have, 8);
	assert_memory_equal(reassembly.bytes, "abcXefXY", 8);
	assert_int_equal(reassembly_add(&reassembly, 0, (const uint8_t *)"ZZZ", 3), 0);
	assert_memory_equal(reassembly.bytes, "abcXefXY", 8);
	reassembly_release(&reassembly);
}

static void islands_and_room_are_bounded(void **state)
{
	struct reassembly reassembly;
	uint8_t bytes[50] = {0};

	(void)state;
	reassembly_init(&reassembly, 40);
	for (uint32_t i = 0; i < REASSEMBLY_PARTS; i++)
		assert_int_equal(reassembly_add(&reassembly, 2 + 2 * i, bytes, 1), 1);
	assert_int_equal(reassembly_add(&reassembly, 30, bytes, 1), 0);
	assert_int_equal(reassembly_add(&reassembly, 35, bytes, 50), 0);
	assert_int_equal(reassembly_add(&reassembly, 40, bytes, 1), 0);
	assert_int_equal(reassembly_add(&reassembly, ~0u, bytes, 50), 0);
	assert_int_equal(reassembly_add(&reassembly, 0, bytes, 50), 40 - REASSEMBLY_PARTS);
	assert_int_equal(reassembly.have, 40);
	assert_true(reassembly.room >= 40 && reassembly.room <= 4096);
	reassembly_release(&reassembly);
}

/* Each answer of HTTP says how long it is, and that the connection ends. */
static void refusals_are_whole(void **state)
{
	static const struct {
		enum refusal_kind kind;
		int status;
	} rows[] = {{REFUSAL_TOO_LONG, 431},
		    {REFUSAL_URI_TOO_LONG, 414},
		    {REFUSAL_TIMED_OUT, 408},
		    {REFUSAL_NO_NODE, 503}};

	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct refusal *refusal = refusal_of(rows[i].kind, false);
		char text[1000];
		const char *length, *body;
		int status;

		assert_true(refusal->length < sizeof(text));
		memcpy(text, refusal->text, refusal->length);
		text[refusal->length] = 0;
		assert_int_equal(sscanf(text, "HTTP/1.1 %d ", &status), 1);
		assert_int_equal(status, rows[i].status);
		assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
		length = strstr(text, "\r\nContent-Length: ");
		body = strstr(text, "\r\n\r\n");
		assert_non_null(length);
		assert_non_null(body);
		assert_int_equal(strtoul(length + 18, NULL, 10), strlen(body + 4));
	}
	assert_int_equal(refusal_of(REFUSAL_CLOSED, false)->length, 0);
	/* TLS: a fatal alert, two bytes in a record of that length. */
	assert_int_equal(refusal_of(REFUSAL_TOO_LONG, true)->length, 7);
	assert_memory_equal(refusal_of(REFUSAL_NO_NODE, true)->text, "\x15\x03\x01\x00\x02\x02\x50",
			    7);
	assert_null(refusal_of(REFUSAL_TIMED_OUT, true));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_order_gives_the_stream),
	cmocka_unit_test(what_came_first_stays),
	cmocka_unit_test(islands_and_room_are_bounded),
	cmocka_unit_test(refusals_are_whole),
};

UNIT_MAIN(tests)

/* What the slow path is made of: putting bytes together, reading them, segments, refusals. */
#include "../unit.h"

#include "front/reassembly.h"
#include "front/refusal.h"
#include "front/segment.h"

#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
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

static struct segment some_segment(bool six, bool stamped)
{
	struct segment segment = {
		.from_mac = {2, 0, 0, 0, 0, 1},
		.to_mac = {2, 0, 0, 0, 0, 2},
		.from_port = htons(40000),
		.to_port = htons(80),
		.seq = 4000000000u,
		.ack = 17,
		.flags = SEGMENT_ACK | SEGMENT_PSH | SEGMENT_FIN,
		.window = 1234,
		.stamped = stamped,
		.tsval = stamped ? 99 : 0,
		.tsecr = stamped ? 98 : 0,
		.payload = (const uint8_t *)"hello",
		.length = 5,
	};

	if (six) {
		inet_pton(AF_INET6, "fd77::1", &segment.from);
		inet_pton(AF_INET6, "fd77::100", &segment.to);
	} else {
		address_from_ipv4(&segment.from, inet_addr("10.77.0.1"));
		address_from_ipv4(&segment.to, inet_addr("10.77.0.100"));
	}
	return segment;
}

static void what_is_made_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct segment made = some_segment(i & 1, i & 2), read;
		uint8_t frame[SEGMENT_OVERHEAD + 10] = {0};
		uint32_t length = segment_make(&made, frame);

		assert_int_equal(length, 14 + (i & 1 ? 40 : 20) + 20 + (i & 2 ? 12 : 0) + 5);
		/* Padding doesn't count. */
		assert_int_equal(segment_read(frame, length + 3, &read), 0);
		assert_memory_equal(read.from_mac, made.from_mac, 6);
		assert_memory_equal(read.to_mac, made.to_mac, 6);
		assert_true(address_equal(&read.from, &made.from));
		assert_true(address_equal(&read.to, &made.to));
		assert_int_equal(read.from_port, made.from_port);
		assert_int_equal(read.to_port, made.to_port);
		assert_int_equal(read.seq, made.seq);
		assert_int_equal(read.ack, made.ack);
		assert_int_equal(read.flags, made.flags);
		assert_int_equal(read.window, made.window);
		assert_int_equal(read.stamped, made.stamped);
		assert_int_equal(read.tsval, made.tsval);
		assert_int_equal(read.tsecr, made.tsecr);
		assert_int_equal(read.length, 5);
		assert_memory_equal(read.payload, "hello", 5);
		/* A bit anywhere in what the checksum covers, and every cut. */
		for (uint32_t at = 14 + (i & 1 ? 40 : 20); at < length; at++) {
			frame[at] ^= 4;
			assert_int_equal(segment_read(frame, length, &read), -EBADMSG);
			frame[at] ^= 4;
		}
		for (uint32_t cut = 0; cut < length; cut++)
			assert_int_equal(segment_read(frame, cut, &read), -EBADMSG);
	}
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
	cmocka_unit_test(any_order_gives_the_stream),	cmocka_unit_test(what_came_first_stays),
	cmocka_unit_test(islands_and_room_are_bounded), cmocka_unit_test(what_is_made_is_read),
	cmocka_unit_test(refusals_are_whole),
};

UNIT_MAIN(tests)

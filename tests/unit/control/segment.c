#include "../unit.h"

#include "control/segment.h"

#include <arpa/inet.h>
#include <errno.h>

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_made_is_read),
};

UNIT_MAIN(tests)

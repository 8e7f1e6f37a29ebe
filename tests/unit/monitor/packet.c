#include "../unit.h"

#include "base/random.h"
#include "monitor/counts.h"
#include "monitor/packet.h"
#include "wire/header.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#define BIT(class) (1u << TRAFFIC_##class)

/* Whatever the bytes, a packet is in exactly one of IP, ARP and Other, and in no class of IP
 * without being IP. Each is read from a block of its own size, so a read behind its end is seen. */
static void any_bytes_are_safe(void **state)
{
	static const int links[] = {DLT_EN10MB,	   DLT_RAW,	   DLT_IPV4, DLT_IPV6,
				    DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP};
	static const uint8_t types[][2] = {{8, 0}, {8, 6}, {0x86, 0xdd}, {0x81, 0}, {0x88, 0xa8}};
	static const uint8_t nexts[] = {0, 6, 17, 43, 44, 51, 58, 60};
	struct random_state random;

	(void)state;
	random_seed(&random, 68);
	for (unsigned int i = 0; i < 200000; i++) {
		size_t length = random_below(&random, 120);
		uint8_t *bytes = malloc(length + !length);
		uint32_t outer;
		struct packet packet;

		assert_non_null(bytes);
		for (size_t at = 0; at < length; at++)
			bytes[at] = random_below(&random, 2)
					    ? nexts[random_below(&random, sizeof(nexts))]
					    : (uint8_t)random_next(&random);
		if (length > 14)
			memcpy(bytes + 12, types[random_below(&random, 5)], 2);
		packet_read(links[random_below(&random, 8)], bytes, length, BATON_PORT, &packet);
		outer = packet.classes & (BIT(IP) | BIT(ARP) | BIT(OTHER));
		assert_true(packet.classes & BIT(TOTAL));
		assert_int_equal(__builtin_popcount(outer), 1);
		if (packet.classes & (BIT(TCP) | BIT(UDP) | BIT(ICMP) | BIT(IPV6) | BIT(BATON)))
			assert_int_equal(outer, BIT(IP));
		free(bytes);
	}
}

static void link_types(void **state)
{
	uint8_t bytes[64] = {0};
	struct packet packet;

	(void)state;
	bytes[0] = 0x45;
	bytes[9] = 6;
	packet_read(DLT_RAW, bytes, 40, BATON_PORT, &packet);
	assert_int_equal(packet.classes, BIT(TOTAL) | BIT(IP) | BIT(TCP));
	memmove(bytes + 16, bytes, 40);
	bytes[14] = 8;
	bytes[15] = 0;
	packet_read(DLT_LINUX_SLL, bytes, 56, BATON_PORT, &packet);
	assert_int_equal(packet.classes, BIT(TOTAL) | BIT(IP) | BIT(TCP));
	assert_true(packet_link_known(DLT_EN10MB));
	assert_false(packet_link_known(DLT_IEEE802_11));
}

static void watched_addresses(void **state)
{
	struct watch_list list = {.count = 0};

	(void)state;
	assert_int_equal(watch_add(&list, "10.77.0.100", false), 0);
	assert_string_equal(list.items[0].name, "10.77.0.100");
	assert_int_equal(watch_add(&list, "six=fd77::100", false), 0);
	assert_int_equal(watch_add(&list, "n=10.0.0.1,02:00:00:00:00:0a", true), 0);
	assert_true(list.items[2].has_mac);
	assert_int_equal(list.items[2].mac[5], 10);
	assert_int_equal(watch_add(&list, "=10.0.0.1", true), -EINVAL);
	assert_int_equal(watch_add(&list, "n=10.0.0", true), -EINVAL);
	assert_int_equal(watch_add(&list, "n=10.0.0.1,02:00:00:00:00", true), -EINVAL);
	assert_int_equal(watch_add(&list, "n=10.0.0.1,02:00:00:00:00:0a:", true), -EINVAL);
	while (list.count < WATCHED_MAX)
		assert_int_equal(watch_add(&list, "10.0.0.9", true), 0);
	assert_int_equal(watch_add(&list, "10.0.0.9", true), -ENOSPC);
}

static void counts_survive_json(void **state)
{
	struct watch_list list = {.count = 0};
	struct counts counts = {0}, back;
	json_t *object;

	(void)state;
	for (unsigned int i = 0; i < TRAFFIC_CLASS_COUNT; i++)
		counts.classes[i] = (struct count){i + 1, 1000000007ull * i};
	object = counts_json(&counts, &list);
	assert_int_equal(counts_from_json(&back, object), 0);
	assert_memory_equal(&counts, &back, sizeof(counts));
	json_object_del(object, "arp");
	assert_int_equal(counts_from_json(&back, object), -EINVAL);
	json_decref(object);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_bytes_are_safe),
	cmocka_unit_test(link_types),
	cmocka_unit_test(watched_addresses),
	cmocka_unit_test(counts_survive_json),
};

UNIT_MAIN(tests)

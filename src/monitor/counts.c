#include "monitor/counts.h"
#include "wire/header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const message_names[BATON_TYPES] = {[0] = "unknown",
						       [BATON_HANDOFF] = "handoff",
						       [BATON_RETURN] = "return",
						       [BATON_CONFIRM] = "confirm",
						       [BATON_ASTRAY] = "astray",
						       [BATON_ASK] = "ask",
						       [BATON_ANSWER] = "answer",
						       [BATON_WHO_HAS] = "who-has",
						       [BATON_RELEASE] = "release"};

const char *message_name(unsigned int type)
{
	return message_names[type < BATON_TYPES ? type : 0];
}

static int read_mac(const char *text, uint8_t *mac)
{
	char end;

	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &mac[0], &mac[1], &mac[2], &mac[3],
		      &mac[4], &mac[5], &end) == 6
		       ? 0
		       : -EINVAL;
}

int watch_add(struct watch_list *list, const char *text, bool is_node)
{
	struct watched item = {.is_node = is_node};
	const char *equals = strchr(text, '='), *address = equals ? equals + 1 : text;
	size_t length = equals ? (size_t)(equals - text) : strlen(text);
	size_t address_length = strcspn(address, ",");
	char digits[64];
	__be32 v4;

	if (list->count == WATCHED_MAX)
		return -ENOSPC;
	if (!length || length >= sizeof(item.name) || address_length >= sizeof(digits))
		return -EINVAL;
	memcpy(item.name, text, length);
	memcpy(digits, address, address_length);
	digits[address_length] = 0;
	if (inet_pton(AF_INET, digits, &v4) == 1)
		address_from_ipv4(&item.address, v4);
	else if (inet_pton(AF_INET6, digits, &item.address) != 1)
		return -EINVAL;
	if (address[address_length]) {
		if (read_mac(address + address_length + 1, item.mac))
			return -EINVAL;
		item.has_mac = true;
	}
	list->items[list->count++] = item;
	return 0;
}

static void add_watched(struct counts *counts, struct watch_list *list, const struct packet *packet,
			uint32_t length)
{
	for (unsigned int i = 0; i < list->count; i++) {
		struct watched *item = &list->items[i];
		bool from = packet->addressed &&
			    !memcmp(&item->address, &packet->source, sizeof(item->address));
		bool to = packet->addressed &&
			  !memcmp(&item->address, &packet->destination, sizeof(item->address));

		if (item->is_node && packet->mac_from) {
			if (from && !item->has_mac) {
				memcpy(item->mac, packet->mac_from, 6);
				item->has_mac = true;
			}
			if (item->has_mac) {
				from |= !memcmp(item->mac, packet->mac_from, 6);
				to |= !memcmp(item->mac, packet->mac_to, 6);
			}
		}
		if (from || to) {
			counts->watched[i].packets++;
			counts->watched[i].bytes += length;
		}
	}
}

void counts_add(struct counts *counts, struct watch_list *list, const struct packet *packet,
		uint32_t length)
{
	for (uint32_t left = packet->classes; left; left &= left - 1) {
		struct count *count = &counts->classes[__builtin_ctz(left)];

		count->packets++;
		count->bytes += length;
	}
	if (packet->classes & 1u << TRAFFIC_BATON)
		counts->messages[packet->baton_type < BATON_TYPES ? packet->baton_type : 0]++;
	if (list->count)
		add_watched(counts, list, packet, length);
}

void counts_merge(struct counts *into, const struct counts *from)
{
	for (unsigned int i = 0; i < TRAFFIC_CLASS_COUNT; i++) {
		into->classes[i].packets += from->classes[i].packets;
		into->classes[i].bytes += from->classes[i].bytes;
	}
	for (unsigned int i = 0; i < WATCHED_MAX; i++) {
		into->watched[i].packets += from->watched[i].packets;
		into->watched[i].bytes += from->watched[i].bytes;
	}
	for (unsigned int i = 0; i < BATON_TYPES; i++)
		into->messages[i] += from->messages[i];
}

void counts_add_grown(struct counts *counts, const struct traffic_counts *before,
		      const struct traffic_counts *now)
{
	for (unsigned int i = 0; i < TRAFFIC_CLASS_COUNT; i++) {
		counts->classes[i].packets += now->slots[i].packets - before->slots[i].packets;
		counts->classes[i].bytes += now->slots[i].bytes - before->slots[i].bytes;
	}
	for (unsigned int i = 0; i < BATON_TYPES; i++)
		counts->messages[i] += now->slots[TRAFFIC_MESSAGES + i].packets -
				       before->slots[TRAFFIC_MESSAGES + i].packets;
}

static json_t *count_json(const struct count *count)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)count->packets, "bytes",
			 (json_int_t)count->bytes);
}

json_t *counts_json(const struct counts *counts, const struct watch_list *list)
{
	json_t *object = json_object();
	json_t *messages = json_object();

	for (unsigned int i = 0; i < TRAFFIC_CLASS_COUNT; i++)
		json_object_set_new(object, traffic_keys[i], count_json(&counts->classes[i]));
	for (unsigned int i = 0; i < BATON_TYPES; i++)
		if (counts->messages[i])
			json_object_set_new(messages, message_names[i],
					    json_integer((json_int_t)counts->messages[i]));
	if (json_object_size(messages))
		json_object_set(object, "messages", messages);
	json_decref(messages);
	for (unsigned int i = 0; i < list->count; i++) {
		const char *key = list->items[i].is_node ? "nodes" : "vips";
		json_t *group = json_object_get(object, key);

		if (!group) {
			group = json_object();
			json_object_set_new(object, key, group);
		}
		json_object_set_new(group, list->items[i].name, count_json(&counts->watched[i]));
	}
	return object;
}

int counts_from_json(struct counts *counts, const json_t *object)
{
	memset(counts, 0, sizeof(*counts));
	for (unsigned int i = 0; i < TRAFFIC_CLASS_COUNT; i++) {
		const json_t *count = json_object_get(object, traffic_keys[i]);
		json_int_t packets = json_integer_value(json_object_get(count, "packets"));
		json_int_t bytes = json_integer_value(json_object_get(count, "bytes"));

		if (packets < 0 || bytes < 0 || (!count && i < TRAFFIC_PAPER_COUNT))
			return -EINVAL;
		counts->classes[i].packets = (uint64_t)packets;
		counts->classes[i].bytes = (uint64_t)bytes;
	}
	return 0;
}

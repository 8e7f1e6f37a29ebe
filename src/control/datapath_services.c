/* Services, their rules, and whom they serve. */
#include "control/datapath_maps.h"

#include "base/fail.h"
#include "wire/header.h"
#include "wire/source.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the SYN-ACK announces and the nodes' sockets go on with: Linux's own for its default receive
 * buffers. */
enum { RCV_WSCALE = 7 };

static void service_value(const struct registry_service *from, uint32_t id, struct service *value)
{
	const struct config_service *settings = &from->settings;

	memset(value, 0, sizeof(*value));
	value->id = id;
	value->pool = id;
	value->kind = settings->protocol == PROTOCOL_HTTP  ? SERVICE_HTTP
		      : settings->protocol == PROTOCOL_TLS ? SERVICE_TLS
							   : SERVICE_LAYER4;
	value->forward = (__u8)settings->forward;
	value->release = (__u8)settings->release;
	value->rcv_wscale = RCV_WSCALE;
	value->target = (__u8)config_target(settings);
	value->flags |=
		(settings->place == PLACE_SPREAD ? SERVICE_SPREAD : 0) |
		(settings->switching ? 0 : SERVICE_NO_SWITCH) |
		(settings->schedule == SCHEDULE_PACKET ? SERVICE_PACKET : 0) |
		(settings->source_count ? SERVICE_FILTERED : 0) |
		(settings->source_rate || settings->source_connections ? SERVICE_LIMITED : 0);
}

static int put_source(const struct datapath *datapath, uint32_t id, const struct address *address,
		      uint32_t bits, enum source_verdict verdict)
{
	struct source_key key = {
		.bits = SOURCE_SERVICE_BITS + bits, .service = htonl(id), .address = *address};
	__u8 value = (__u8)verdict;

	return bpf_map_update_elem(datapath->sources, &key, &value, BPF_ANY) ? -errno : 0;
}

static bool has_allow(const struct config_service *service)
{
	bool found = false;

	for (unsigned int i = 0; i < service->source_count; i++)
		found |= !service->sources[i].deny;
	return found;
}

static bool source_wanted(const struct registry *registry, const struct source_key *key)
{
	uint32_t id = ntohl(key->service);
	const struct registry_service *service = &registry->services[id % CONFIG_SERVICES];
	bool wanted = has_allow(&service->settings) && key->bits == SOURCE_SERVICE_BITS;

	for (unsigned int i = 0; i < service->settings.source_count; i++)
		wanted |= service->settings.sources[i].bits + SOURCE_SERVICE_BITS == key->bits &&
			  address_equal(&service->settings.sources[i].address, &key->address);
	return wanted && id < CONFIG_SERVICES && service->used;
}

/* Who may use the services: the front's business alone. Where somebody is allowed, everybody else
 * is denied. What is wanted is written before the rest goes. */
int datapath_write_sources(struct datapath *datapath, const struct registry *registry)
{
	static const struct address any;
	struct source_key key, next;
	int error = 0;
	bool more;

	for (uint32_t id = 0; id < CONFIG_SERVICES && datapath->sources >= 0 && !error; id++) {
		const struct config_service *s = &registry->services[id].settings;
		struct source_limit limit = {s->source_rate, s->source_connections};

		if (!registry->services[id].used)
			continue;
		if (bpf_map_update_elem(datapath->limits, &id, &limit, BPF_ANY))
			return -errno;
		if (has_allow(s))
			error = put_source(datapath, id, &any, 0, SOURCE_DENY);
		for (unsigned int i = 0; i < s->source_count && !error; i++)
			error = put_source(datapath, id, &s->sources[i].address, s->sources[i].bits,
					   s->sources[i].deny ? SOURCE_DENY : SOURCE_ALLOW);
	}
	if (error || datapath->sources < 0)
		return error;
	for (more = !bpf_map_get_next_key(datapath->sources, NULL, &next); more;) {
		key = next;
		more = !bpf_map_get_next_key(datapath->sources, &key, &next);
		if (!source_wanted(registry, &key))
			bpf_map_delete_elem(datapath->sources, &key);
	}
	return 0;
}

/* Writes the rules of a service into the set that doesn't hold, and makes that the one to name in
 * struct service; 0 if it has none. */
static int write_rules(struct datapath *datapath, const struct registry_service *from, uint32_t id)
{
	struct rule_table *table;
	__u32 set = 2 * id;
	int error = 0;

	if (!from->settings.rule_count) {
		datapath->sets[id] = 0;
		return 0;
	}
	if (datapath->sets[id] == 1 + set)
		set++;
	table = calloc(1, sizeof(*table));
	if (!table)
		out_of_memory();
	rules_make(table, &from->settings, id);
	for (__u32 i = 0; i < table->set.count && !error; i++) {
		__u32 index = set * RULES_MAX + i;

		if (bpf_map_update_elem(datapath->rules, &index, &table->rules[i], BPF_ANY))
			error = -errno;
	}
	if (!error && bpf_map_update_elem(datapath->rule_sets, &set, &table->set, BPF_ANY))
		error = -errno;
	free(table);
	if (!error)
		datapath->sets[id] = (__u16)(1 + set);
	return error;
}

/* Whether this host's program is to know an address of the service. With `place: dns` each front
 * has one of each family, in their order, and nothing to do with the others. */
static bool answers_for(const struct datapath *datapath, const struct config_service *service,
			unsigned int address)
{
	bool four = address_is_ipv4(&service->addresses[address]);
	unsigned int front = 0;

	if (service->place != PLACE_DNS || datapath->cluster.self < BATON_FRONT(0))
		return true;
	for (unsigned int i = 0; i < address; i++)
		front += address_is_ipv4(&service->addresses[i]) == four;
	return datapath->cluster.self == BATON_FRONT(front);
}

int datapath_write_services(struct datapath *datapath, const struct registry *registry)
{
	struct service_key *keys = calloc(CONFIG_SERVICES * CONFIG_VIPS, sizeof(*keys));
	unsigned int count = 0;
	int error = 0;

	if (!keys)
		out_of_memory();
	for (uint32_t id = 0; id < CONFIG_SERVICES && !error; id++) {
		const struct registry_service *from = &registry->services[id];
		struct service value;

		if (!from->used)
			continue;
		error = write_rules(datapath, from, id);
		if (error)
			break;
		service_value(from, id, &value);
		value.rules = datapath->sets[id];
		for (unsigned int i = 0; i < from->settings.address_count && !error; i++) {
			struct service_key *key;

			if (!answers_for(datapath, &from->settings, i))
				continue;
			key = &keys[count++];
			key->vip = from->settings.addresses[i];
			key->port = htons((uint16_t)from->settings.port);
			key->protocol =
				from->settings.protocol == PROTOCOL_UDP ? IPPROTO_UDP : IPPROTO_TCP;
			if (bpf_map_update_elem(datapath->services, key, &value, BPF_ANY))
				error = -errno;
		}
	}
	for (unsigned int i = 0; i < datapath->key_count && !error; i++) {
		bool wanted = false;

		for (unsigned int j = 0; j < count && !wanted; j++)
			wanted = !memcmp(&keys[j], &datapath->keys[i], sizeof(keys[j]));
		if (!wanted && bpf_map_delete_elem(datapath->services, &datapath->keys[i]) &&
		    errno != ENOENT)
			error = -errno;
	}
	if (!error) {
		memcpy(datapath->keys, keys, sizeof(datapath->keys));
		datapath->key_count = count;
	}
	free(keys);
	return error;
}

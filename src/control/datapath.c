#include "control/datapath.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/rules.h"
#include "place/build.h"
#include "place/dispatcher.h"
#include "wire/header.h"
#include "wire/source.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* What the SYN-ACK announces and the nodes' sockets go on with: Linux's own for its default receive
 * buffers. */
enum { RCV_WSCALE = 7 };

/* What was charged so long ago has arrived, or never will. */
#define CHARGE_REST_NS (NS_PER_S / 2)

/* What had been charged to a node, or to all of a pool, at some times past, the newest at `last`.
 */
enum { CHARGE_SAMPLES = 10 };

struct charge {
	uint64_t at[CHARGE_SAMPLES], charged[CHARGE_SAMPLES];
	unsigned int last;
};

struct hop {
	struct address host;
	unsigned char mac[6];
	int ifindex;
};

/* The maps of the policies and where they lie in the world. */
static const struct world_part {
	const char *name;
	size_t at;   /* of the pointer in struct place_world */
	size_t room; /* of the member that holds the number of entries, or 0 */
	size_t size; /* of an entry */
} world_parts[] = {
	{"place_pools", offsetof(struct place_world, pools), 0, sizeof(struct place_pool)},
	{"place_members", offsetof(struct place_world, members),
	 offsetof(struct place_world, members_room), sizeof(struct place_member)},
	{"place_table", offsetof(struct place_world, table),
	 offsetof(struct place_world, table_room), sizeof(__u64)},
	{"place_state", offsetof(struct place_world, states), 0, sizeof(struct place_state)},
	{"place_loads", offsetof(struct place_world, loads), 0, sizeof(struct place_load)},
};

enum { WORLD_PARTS = sizeof(world_parts) / sizeof(world_parts[0]) };

struct datapath {
	struct place_world world;
	size_t mapped[WORLD_PARTS]; /* bytes */
	int services, nodes, cluster_fd, rules, rule_sets;
	int sources, limits; /* -1 on a node */
	int dispatchers;
	__u16 sets[RULES_SERVICES]; /* struct service's `rules` of each service now */
	bool was_ready;
	struct cluster cluster;
	struct node_entry entries[NODES_MAX], written[NODES_MAX];
	struct hop *hops;
	unsigned int hop_count;
	struct charge charges[PLACE_NODES_MAX + PLACE_POOLS_MAX];
	struct service_key keys[CONFIG_SERVICES * CONFIG_VIPS]; /* in the map now */
	unsigned int key_count;
};

static int map_named(struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		errno = ENOENT;
	return fd;
}

/* ---- hops ---- */

static bool is_here(const struct datapath *datapath, const struct address *address)
{
	return !address_is_zero(address) && (address_equal(address, &datapath->cluster.address4) ||
					     address_equal(address, &datapath->cluster.address6));
}

static void apply_hop(struct datapath *datapath, struct node_entry *entry)
{
	if (is_here(datapath, &entry->address)) {
		memcpy(entry->mac, datapath->cluster.mac, sizeof(entry->mac));
		entry->ifindex = 0;
		entry->reachable = HOP_HERE;
		return;
	}
	for (unsigned int i = 0; i < datapath->hop_count; i++) {
		const struct hop *hop = &datapath->hops[i];

		if (!address_equal(&hop->host, &entry->address))
			continue;
		memcpy(entry->mac, hop->mac, sizeof(entry->mac));
		entry->ifindex = (__u32)hop->ifindex;
		entry->reachable = HOP_KNOWN;
	}
}

void datapath_hop(struct datapath *datapath, const struct address *host, const unsigned char mac[6],
		  int ifindex)
{
	struct hop *hop = NULL;

	for (unsigned int i = 0; i < datapath->hop_count && !hop; i++)
		if (address_equal(&datapath->hops[i].host, host))
			hop = &datapath->hops[i];
	if (!hop) {
		datapath->hops = realloc(datapath->hops,
					 (datapath->hop_count + 1) * sizeof(*datapath->hops));
		if (!datapath->hops)
			out_of_memory();
		hop = &datapath->hops[datapath->hop_count++];
		hop->host = *host;
	}
	memcpy(hop->mac, mac, sizeof(hop->mac));
	hop->ifindex = ifindex;
}

static void take_hop(struct datapath *datapath, const struct node_entry *entry)
{
	if (entry->reachable == HOP_KNOWN)
		datapath_hop(datapath, &entry->address, entry->mac, (int)entry->ifindex);
}

/* What an earlier daemon knew holds until the kernel says otherwise: a restart must not make nodes
 * unreachable, not even for a moment. */
static void take_hops(struct datapath *datapath)
{
	for (uint32_t id = 1; id < NODES_MAX; id++)
		take_hop(datapath, &datapath->written[id]);
	for (int i = 0; i < FRONTS_MAX; i++)
		take_hop(datapath, &datapath->cluster.fronts[i]);
	for (int i = 0; i < DISPATCHERS_MAX; i++)
		take_hop(datapath, &datapath->cluster.dispatchers[i]);
}

/* ---- the maps ---- */

static int map_world(struct datapath *datapath, struct bpf_object *object)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < WORLD_PARTS; i++) {
		const struct world_part *part = &world_parts[i];
		struct bpf_map *map = bpf_object__find_map_by_name(object, part->name);
		size_t bytes;
		void *memory;

		if (!map || bpf_map__value_size(map) != part->size)
			return -ENOENT;
		bytes = (bpf_map__max_entries(map) * part->size + page - 1) / page * page;
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
		if (memory == MAP_FAILED)
			return -errno;
		datapath->mapped[i] = bytes;
		*(void **)((char *)&datapath->world + part->at) = memory;
		if (part->room)
			*(__u32 *)((char *)&datapath->world + part->room) =
				bpf_map__max_entries(map);
	}
	return 0;
}

struct datapath *datapath_new(struct bpf_object *object)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	struct service_key key, *previous = NULL;
	uint32_t zero = 0;

	if (!datapath)
		out_of_memory();
	datapath->services = map_named(object, "services");
	datapath->nodes = map_named(object, "nodes");
	datapath->cluster_fd = map_named(object, "cluster");
	datapath->sources = bpf_object__find_map_fd_by_name(object, "sources");
	datapath->limits = bpf_object__find_map_fd_by_name(object, "limits");
	datapath->dispatchers = map_named(object, "dispatchers");
	datapath->rules = map_named(object, "rules");
	datapath->rule_sets = map_named(object, "rule_sets");
	if (datapath->rules < 0 || datapath->rule_sets < 0 || datapath->services < 0 ||
	    datapath->dispatchers < 0 || datapath->nodes < 0 || datapath->cluster_fd < 0 ||
	    bpf_map_lookup_elem(datapath->cluster_fd, &zero, &datapath->cluster) ||
	    map_world(datapath, object))
		goto missing;
	datapath->was_ready = datapath->cluster.ready;
	for (uint32_t id = 0; id < NODES_MAX; id++)
		if (bpf_map_lookup_elem(datapath->nodes, &id, &datapath->written[id]))
			goto missing;
	take_hops(datapath);
	while (datapath->key_count < CONFIG_SERVICES * CONFIG_VIPS &&
	       !bpf_map_get_next_key(datapath->services, previous, &key)) {
		struct service service;

		previous = &datapath->keys[datapath->key_count++];
		*previous = key;
		if (!bpf_map_lookup_elem(datapath->services, &key, &service) && service.rules &&
		    service.id < RULES_SERVICES)
			datapath->sets[service.id] = service.rules;
	}
	return datapath;
missing:
	datapath_free(datapath);
	return NULL;
}

void datapath_free(struct datapath *datapath)
{
	int error = errno;

	for (int i = 0; i < WORLD_PARTS; i++)
		if (datapath->mapped[i])
			munmap(*(void **)((char *)&datapath->world + world_parts[i].at),
			       datapath->mapped[i]);
	free(datapath->hops);
	free(datapath);
	errno = error;
}

bool datapath_was_ready(const struct datapath *datapath)
{
	return datapath->was_ready;
}

/* The header's key is not the file's: what else the file's key is used for can't help to guess it.
 */
static void derive(const unsigned char key[32], const char *purpose, __u64 out[2])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int length = sizeof(sum);

	if (!HMAC(EVP_sha256(), key, 32, (const unsigned char *)purpose, strlen(purpose), sum,
		  &length))
		abort();
	memcpy(out, sum, 16);
}

void datapath_keys(struct datapath *datapath, const struct config_keys *keys)
{
	/* The slot goes with the key, not with its line, so that hosts agree on it while a new key
	 * is being brought to all of them. */
	datapath->cluster.epoch = config_key_slot(keys->keys[0]);
	datapath->cluster.key_count = keys->count;
	for (unsigned int i = 0; i < keys->count; i++) {
		unsigned int slot = config_key_slot(keys->keys[i]);

		derive(keys->keys[i], "baton header", datapath->cluster.keys[slot]);
		/* Of the cluster's key too: what one front has told a client, another one must
		 * know for good. */
		derive(keys->keys[i], "baton cookie", datapath->cluster.cookie_keys[slot]);
	}
}

void datapath_host(struct datapath *datapath, const struct datapath_host *host)
{
	datapath->cluster.self = host->self;
	datapath->cluster.address4 = host->address4;
	datapath->cluster.address6 = host->address6;
	memcpy(datapath->cluster.mac, host->mac, sizeof(datapath->cluster.mac));
}

void datapath_clock(struct datapath *datapath, int64_t offset)
{
	datapath->cluster.clock_offset = offset;
}

void datapath_asks(struct datapath *datapath, uint64_t per_second, bool always, bool began)
{
	uint64_t per_tick = per_second * (1u << BATON_TIME_SHIFT) / NS_PER_S;
	struct timespec now;

	datapath->cluster.ask_per_tick = (__u32)(per_second && !per_tick ? 1 : per_tick);
	datapath->cluster.ask_per_source = (datapath->cluster.ask_per_tick + 1) / 2;
	datapath->cluster.ask_always = always;
	if (!began)
		return;
	clock_gettime(CLOCK_BOOTTIME, &now);
	datapath->cluster.began_ns = (__u64)now.tv_sec * NS_PER_S + (__u64)now.tv_nsec +
				     (__u64)datapath->cluster.clock_offset;
}

int64_t datapath_clock_offset(const struct datapath *datapath)
{
	return datapath->cluster.clock_offset;
}

/* ---- writing ---- */

static int write_cluster(struct datapath *datapath)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(datapath->cluster_fd, &zero, &datapath->cluster, BPF_ANY)
		       ? -errno
		       : 0;
}

static int write_nodes(struct datapath *datapath)
{
	for (uint32_t id = 1; id < NODES_MAX; id++) {
		struct node_entry *entry = &datapath->entries[id];

		if (entry->state != NODE_ABSENT)
			apply_hop(datapath, entry);
		if (!memcmp(entry, &datapath->written[id], sizeof(*entry)))
			continue;
		if (bpf_map_update_elem(datapath->nodes, &id, entry, BPF_ANY))
			return -errno;
		datapath->written[id] = *entry;
	}
	return 0;
}

int datapath_refresh(struct datapath *datapath)
{
	int error;

	for (int i = 0; i < FRONTS_MAX; i++)
		if (datapath->cluster.fronts[i].state != NODE_ABSENT)
			apply_hop(datapath, &datapath->cluster.fronts[i]);
	for (__u32 i = 0; i < datapath->cluster.dispatcher_count; i++)
		apply_hop(datapath, &datapath->cluster.dispatchers[i]);
	error = write_nodes(datapath);
	return error ? error : write_cluster(datapath);
}

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
	value->flags |=
		(settings->target == TARGET_URL ? SERVICE_KEEP_QUERY : 0) |
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
static int write_sources(struct datapath *datapath, const struct registry *registry)
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

static int write_services(struct datapath *datapath, const struct registry *registry)
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

/* A pool of a service: its nodes are those that have the bit. A node that is to get nothing more
 * (weight 0, or draining) stays a member, so that policies move as few targets as they can. */
static int write_pool(struct datapath *datapath, const struct registry *registry, uint32_t id,
		      uint32_t bit, const char *policy_name, uint32_t pool)
{
	const struct registry_service *service = &registry->services[id];
	struct place_node *nodes = calloc(NODES_MAX, sizeof(*nodes));
	struct place_plan plan = {.nodes = nodes};
	int policy = place_policy_by_name(policy_name), error = 0;
	bool ramps = false, certain = false;

	if (!nodes)
		out_of_memory();
	if (policy < 0) {
		free(nodes);
		return policy;
	}
	plan.policy = (enum place_policy)policy;
	if (policy == PLACE_TLS_AFFINITY)
		plan.window_ns = service->settings.window;
	for (uint32_t node = 1; node < NODES_MAX; node++) {
		if (!(service->pools[node] & bit))
			continue;
		ramps |= service->member[node] == MEMBER_UP && service->ramp[node];
		certain |= service->member[node] == MEMBER_UP && !registry->nodes[node].draining &&
			   registry->nodes[node].weight;
	}
	for (uint32_t node = 1; node < NODES_MAX; node++) {
		const struct registry_node *from = &registry->nodes[node];
		struct place_node *to = &nodes[plan.count];
		bool doubt = service->member[node] == MEMBER_DOUBT;

		if (service->member[node] == MEMBER_NONE || !(service->pools[node] & bit))
			continue;
		to->id = node;
		to->name = from->name;
		to->weight = from->weight ? from->weight : 1;
		/* Only proportions matter; whole shares stay as they are while nobody comes back.
		 */
		if (ramps)
			to->weight *= service->ramp[node] ? service->ramp[node] : RAMP_STEPS;
		/* If all are in doubt, it is rather the front that is cut off. */
		to->state = service->member[node] == MEMBER_DOWN  ? PLACE_DOWN
			    : from->draining || from->weight == 0 ? PLACE_DRAIN
			    : doubt && certain			  ? PLACE_DRAIN
								  : PLACE_UP;
		plan.count++;
	}
	if (plan.count)
		error = place_build(&datapath->world, pool, &plan);
	else
		datapath->world.states[pool].ready = 0;
	free(nodes);
	return error;
}

static int write_pools(struct datapath *datapath, const struct registry *registry)
{
	int error = 0;

	for (uint32_t id = 0; id < CONFIG_SERVICES && !error; id++) {
		const struct registry_service *service = &registry->services[id];

		if (!service->used)
			continue;
		error = write_pool(datapath, registry, id, 1, service->settings.policy, id);
		for (uint32_t i = 0; i < CONFIG_POOL_SLOTS && !error; i++)
			if (*service->settings.pools[i].name)
				error = write_pool(datapath, registry, id, 2u << i,
						   service->settings.pools[i].policy,
						   RULE_POOL(id, i));
	}
	return error;
}

/* Gives the room of pools back that no rule names any more. */
static void forget_pools(struct datapath *datapath, const struct registry *registry)
{
	for (uint32_t id = 0; id < CONFIG_SERVICES; id++)
		for (uint32_t i = 0; i < CONFIG_POOL_SLOTS; i++)
			if (!registry->services[id].used ||
			    !*registry->services[id].settings.pools[i].name)
				datapath->world.states[RULE_POOL(id, i)].ready = 0;
}

struct place_world *datapath_world(struct datapath *datapath)
{
	return &datapath->world;
}

/* How much had been charged CHARGE_REST_NS ago, at least. */
static uint64_t charged_then(struct charge *charge, uint64_t charged, uint64_t now)
{
	uint64_t then = 0;

	for (unsigned int i = 0; i < CHARGE_SAMPLES; i++)
		if (charge->at[i] && now - charge->at[i] >= CHARGE_REST_NS &&
		    charge->charged[i] > then)
			then = charge->charged[i];
	if (now - charge->at[charge->last] >= CHARGE_REST_NS / (CHARGE_SAMPLES - 2)) {
		charge->last = (charge->last + 1) % CHARGE_SAMPLES;
		charge->at[charge->last] = now;
		charge->charged[charge->last] = charged;
	}
	return then;
}

void datapath_load(struct datapath *datapath, uint32_t slot, uint64_t in_service, uint64_t received)
{
	struct place_load *load = &datapath->world.loads[slot];
	uint64_t charged = __atomic_load_n(&load->charged, __ATOMIC_RELAXED), now = clock_now();
	uint64_t then = charged_then(&datapath->charges[slot], charged, now);
	uint64_t lost = load->lost, handed = received + lost;

	/* Requests that somebody else gave the node: no credit for what is charged here. */
	if ((int64_t)(handed - charged) > 0)
		lost -= handed - charged;
	/* What never arrived (a client that went, a node that was away, a request that had to stay
	 * where it was) must not weigh for ever. */
	else if ((int64_t)(then - handed) > 0)
		lost += then - handed;
	__atomic_store_n(&load->in_service, in_service, __ATOMIC_RELAXED);
	__atomic_store_n(&load->lost, lost, __ATOMIC_RELAXED);
	__atomic_store_n(&load->handed, received + lost, __ATOMIC_RELAXED);
	__atomic_store_n(&load->reported_ns, now, __ATOMIC_RELAXED);
}

void datapath_pool_load(struct datapath *datapath, uint32_t pool, uint64_t in_service)
{
	struct place_load *load = &datapath->world.loads[PLACE_NODES_MAX + pool];

	__atomic_store_n(&load->handed, __atomic_load_n(&load->charged, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&load->in_service, in_service, __ATOMIC_RELAXED);
	__atomic_store_n(&load->reported_ns, clock_now(), __ATOMIC_RELAXED);
}

uint32_t datapath_pool_slot(uint32_t service)
{
	return PLACE_NODES_MAX + service;
}

/* The dispatchers that this host asks: none if it is one itself. */
static void set_dispatchers(struct datapath *datapath, const struct registry *registry)
{
	struct cluster *cluster = &datapath->cluster;

	cluster->dispatcher_count =
		cluster->self >= BATON_DISPATCHER(0) ? 0 : registry->dispatcher_count;
	for (__u32 i = 0; i < cluster->dispatcher_count; i++) {
		const struct registry_dispatcher *from = &registry->dispatchers[i];
		struct node_entry *entry = &cluster->dispatchers[i];

		cluster->dispatcher_hashes[i] =
			place_hash_bytes(PLACE_HASH_START, from->name, strlen(from->name));
		if (!address_equal(&entry->address, &from->address)) {
			memset(entry, 0, sizeof(*entry));
			entry->address = from->address;
		}
		entry->state = NODE_UP;
	}
}

void datapath_dispatcher(struct datapath *datapath, uint32_t number, bool connected)
{
	struct dispatcher_state state = {0};

	/* A question that the program begins meanwhile is forgotten with this; the next one is
	 * not. */
	if (number < DISPATCHERS_MAX &&
	    (connected || !bpf_map_lookup_elem(datapath->dispatchers, &number, &state))) {
		state.away = !connected;
		bpf_map_update_elem(datapath->dispatchers, &number, &state, BPF_ANY);
	}
}

int datapath_dispatcher_of(const struct datapath *datapath, uint64_t target)
{
	return datapath->cluster.dispatcher_count ? (int)dispatcher_of(&datapath->cluster, target)
						  : -ENOENT;
}

bool datapath_dispatcher_answers(const struct datapath *datapath, uint32_t number)
{
	struct dispatcher_state state;

	return number < datapath->cluster.dispatcher_count &&
	       datapath->cluster.dispatchers[number].reachable &&
	       !bpf_map_lookup_elem(datapath->dispatchers, &number, &state) &&
	       (!state.open_ns || clock_now() - state.open_ns < DISPATCHER_PATIENCE_NS);
}

int datapath_publish(struct datapath *datapath, const struct registry *registry)
{
	int error;

	datapath->cluster.node_most = 0;
	datapath->cluster.on_node = 0;
	for (uint32_t id = 1; id < NODES_MAX; id++) {
		const struct registry_node *node = &registry->nodes[id];
		struct node_entry *entry = &datapath->entries[id];

		memset(entry, 0, sizeof(*entry));
		if (!node->used)
			continue;
		datapath->cluster.node_most = id;
		entry->address = node->address;
		entry->address6 = node->address6;
		entry->state = (__u8)registry_node_state(registry, id);
		entry->weight = node->weight;
		datapath->cluster.on_node |= is_here(datapath, &entry->address);
	}
	datapath->cluster.port = htons((uint16_t)registry->port);
	datapath->cluster.idle_s = (__u32)(registry->idle / NS_PER_S);
	datapath->cluster.front_count = 0;
	for (int i = 0; i < FRONTS_MAX; i++) {
		struct node_entry *front = &datapath->cluster.fronts[i];

		datapath->cluster.front_count += !address_is_zero(&registry->fronts[i]);
		if (!address_equal(&front->address, &registry->fronts[i])) {
			memset(front, 0, sizeof(*front));
			front->address = registry->fronts[i];
		}
		front->state = address_is_zero(&front->address) ? NODE_ABSENT : NODE_UP;
	}
	set_dispatchers(datapath, registry);
	error = write_nodes(datapath);
	if (!error)
		error = datapath_refresh(datapath);
	if (!error)
		error = write_pools(datapath, registry);
	if (!error)
		error = write_sources(datapath, registry);
	if (!error)
		error = write_services(datapath, registry);
	if (!error)
		forget_pools(datapath, registry);
	if (error || datapath->cluster.ready)
		return error;
	datapath->cluster.ready = 1;
	return write_cluster(datapath);
}

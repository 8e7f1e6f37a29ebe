#include "control/datapath_maps.h"

#include "base/clock.h"
#include "base/fail.h"
#include "place/dispatcher.h"
#include "wire/header.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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

_Static_assert(sizeof(world_parts) / sizeof(world_parts[0]) == WORLD_PARTS,
	       "struct datapath has room for each");

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
	int error;

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
	    bpf_map_lookup_elem(datapath->cluster_fd, &zero, &datapath->cluster))
		goto missing;
	error = map_world(datapath, object);
	if (error) {
		errno = -error;
		goto missing;
	}
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
	datapath->cluster.address4 = host->address;
	datapath->cluster.address6 = host->address6;
	if (!address_is_ipv4(&host->address)) {
		memset(&datapath->cluster.address4, 0, sizeof(datapath->cluster.address4));
		datapath->cluster.address6 = host->address;
	}
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

struct place_world *datapath_world(struct datapath *datapath)
{
	return &datapath->world;
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
		error = datapath_write_pools(datapath, registry);
	if (!error)
		error = datapath_write_sources(datapath, registry);
	if (!error)
		error = datapath_write_services(datapath, registry);
	if (!error)
		datapath_forget_pools(datapath, registry);
	if (error || datapath->cluster.ready)
		return error;
	datapath->cluster.ready = 1;
	return write_cluster(datapath);
}

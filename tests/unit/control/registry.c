#include "../unit.h"

#include "control/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A configuration whose nodes are those of `names` (one letter each), with one service on all. */
static void configured(struct config *config, const char *names)
{
	struct buffer text = BUFFER_EMPTY, errors = BUFFER_EMPTY;

	buffer_text(&text, "cluster: {name: lab, key_file: /k}\n"
			   "front: {address: 10.0.0.2, interface: eth0}\n"
			   "services: [{name: web, addresses: [10.0.0.9], port: 80}]\n"
			   "nodes:\n");
	for (const char *name = names; *name; name++)
		buffer_format(&text, "  - {name: %c, address: 10.0.1.%d}\n", *name, *name);
	assert_int_equal(config_parse(config, "f", text.data, text.length, &errors), 0);
	buffer_release(&text);
	buffer_release(&errors);
}

static void configure(struct registry *registry, const char *names, bool changes)
{
	uint64_t version = registry->version;
	struct config config;

	configured(&config, names);
	assert_int_equal(registry_configure(registry, &config), changes);
	assert_int_equal(registry->version, version + changes);
	config_release(&config);
}

static void ids_stay(void **state)
{
	struct registry *registry = registry_new();

	(void)state;
	configure(registry, "abc", true);
	assert_int_equal(registry_node_id(registry, "a"), 1);
	assert_int_equal(registry_node_id(registry, "c"), 3);
	configure(registry, "abc", false);
	registry->nodes[2].draining = true;
	registry->services[0].member[3] = MEMBER_DOWN;
	configure(registry, "dcb", true);
	assert_int_equal(registry_node_id(registry, "a"), 0);
	assert_int_equal(registry_node_id(registry, "b"), 2);
	assert_int_equal(registry_node_id(registry, "c"), 3);
	/* a's id rests: a flow may still name it. */
	assert_int_equal(registry_node_id(registry, "d"), 4);
	assert_true(registry->nodes[2].draining);
	assert_int_equal(registry_node_state(registry, 2), NODE_DRAIN);
	assert_int_equal(registry_node_state(registry, 3), NODE_DOWN);
	assert_int_equal(registry_node_state(registry, 4), NODE_UP);
	assert_int_equal(registry_node_state(registry, 1), NODE_ABSENT);
	assert_int_equal(registry->services[0].member[1], MEMBER_NONE);
	free(registry);
}

static void ids_run_out(void **state)
{
	struct registry *registry = registry_new();
	struct registry_node node = {.weight = 1};

	(void)state;
	for (int i = 1; i < NODES_MAX; i++) {
		snprintf(node.name, sizeof(node.name), "n%d", i);
		assert_int_equal(registry_add_node(registry, &node), i);
	}
	assert_int_equal(registry_add_node(registry, &node), -EEXIST);
	strcpy(node.name, "other");
	assert_int_equal(registry_add_node(registry, &node), -ENOSPC);
	registry_remove_node(registry, 7);
	assert_int_equal(registry_add_node(registry, &node), 7);
	free(registry);
}

static void there_and_back(void **state)
{
	struct registry *one = registry_new(), *two = registry_new();
	json_t *snapshot;

	(void)state;
	configure(one, "ab", true);
	one->nodes[1].draining = true;
	one->services[0].member[2] = MEMBER_DOWN;
	snapshot = registry_snapshot(one);
	assert_int_equal(registry_restore(two, snapshot), 0);
	assert_memory_equal(one, two, sizeof(*one));
	json_decref(snapshot);
	free(one);
	free(two);
}

/* A snapshot with any one of its values replaced by another type, or left out, is refused or read,
 * but never half taken over. */
static void damaged(void **state)
{
	struct registry *one = registry_new(), *two = registry_new(), *before = registry_new();
	json_t *snapshot, *copy;
	const char *key;
	json_t *value;

	(void)state;
	configure(one, "ab", true);
	snapshot = registry_snapshot(one);
	json_object_foreach (snapshot, key, value) {
		copy = json_deep_copy(snapshot);
		json_object_del(copy, key);
		assert_int_equal(registry_restore(two, copy), -EINVAL);
		assert_memory_equal(two, before, sizeof(*two));
		json_object_set_new(copy, key, json_true());
		/* A list that is none is taken as empty; all else is refused. */
		if (!json_is_array(value))
			assert_int_equal(registry_restore(two, copy), -EINVAL);
		json_decref(copy);
	}
	copy = json_deep_copy(snapshot);
	json_object_set_new(json_array_get(json_object_get(copy, "nodes"), 0), "id",
			    json_integer(NODES_MAX));
	assert_int_equal(registry_restore(two, copy), -EINVAL);
	json_decref(copy);
	json_decref(snapshot);
	free(one);
	free(two);
	free(before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ids_stay),
	cmocka_unit_test(ids_run_out),
	cmocka_unit_test(there_and_back),
	cmocka_unit_test(damaged),
};

UNIT_MAIN(tests)

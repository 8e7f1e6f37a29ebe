/* The control socket's requests. */
#include "front/front.h"

#include "base/fail.h"
#include "control/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *message, const char *key)
{
	return json_string_value(json_object_get(message, key));
}

/* The node the message names; 0 with the request answered if there is none. */
static uint32_t node_of(const struct front *front, struct request *request, const json_t *message)
{
	const char *name = text_of(message, "node");
	uint32_t id = name ? registry_node_id(front->registry, name) : 0;

	if (!id)
		request_fail(request, "no node is called '%s'; 'baton status' lists them",
			     name ? name : "");
	return id;
}

static void changed(struct front *front, struct request *request)
{
	int error = front_changed(front);

	if (error)
		request_fail(request, "the programs' maps can't be written: %s", strerror(-error));
	else
		peers_settle(front->peers, request, json_object());
}

static void status(struct front *front, struct request *request, const json_t *message)
{
	(void)message;
	request_answer(request, front_status(front));
}

static void settle(struct front *front, struct request *request, const json_t *message)
{
	(void)message;
	peers_settle(front->peers, request, json_object());
}

static void set_draining(struct front *front, struct request *request, const json_t *message,
			 bool draining)
{
	uint32_t id = node_of(front, request, message);

	if (!id)
		return;
	if (front->registry->nodes[id].draining != draining) {
		front->registry->nodes[id].draining = draining;
		front->registry->version++;
		log_line(LOG_LEVEL_INFO, "node %s: %s", front->registry->nodes[id].name,
			 draining ? "drain" : "ready");
		changed(front, request);
		return;
	}
	peers_settle(front->peers, request, json_object());
}

static void drain(struct front *front, struct request *request, const json_t *message)
{
	set_draining(front, request, message, true);
}

static void ready(struct front *front, struct request *request, const json_t *message)
{
	set_draining(front, request, message, false);
}

static void weight(struct front *front, struct request *request, const json_t *message)
{
	const json_t *value = json_object_get(message, "weight");
	uint32_t id = node_of(front, request, message);

	if (!id)
		return;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > 65535) {
		request_fail(request, "a weight is a whole number from 0 to 65535");
		return;
	}
	front->registry->nodes[id].weight = (uint32_t)json_integer_value(value);
	front->registry->version++;
	changed(front, request);
}

/* ---- changes of nodes and services, made in the document ---- */

/* Takes `document` (and its reference) over as the configuration. */
static void adopt(struct front *front, struct request *request, json_t *document)
{
	char *text = json_dumps(document, 0);
	struct buffer errors = BUFFER_EMPTY;

	json_decref(document);
	if (!text)
		out_of_memory();
	if (front_reload(front, text, &errors)) {
		peers_settle(front->peers, request, json_object());
	} else {
		/* One sentence: the first. */
		errors.data[strcspn(errors.data, "\n")] = 0;
		request_fail(request, "%s", errors.data);
	}
	buffer_release(&errors);
	free(text);
}

/* A node that is added serves in the services that the message names, or in all. */
static void enlist(json_t *document, const char *name, const json_t *services)
{
	json_t *service;
	size_t index;

	json_array_foreach (json_object_get(document, "services"), index, service) {
		const char *this = text_of(service, "name");
		bool wanted = !services;
		const json_t *item;
		size_t at;

		json_array_foreach (services, at, item)
			wanted |= json_is_string(item) && !strcmp(json_string_value(item), this);
		if (wanted)
			json_array_append_new(json_object_get(service, "nodes"), json_string(name));
	}
}

static void dismiss(json_t *document, const char *name)
{
	json_t *service, *node;
	size_t index, at;

	json_array_foreach (json_object_get(document, "services"), index, service) {
		json_t *nodes = json_object_get(service, "nodes");

		json_array_foreach (nodes, at, node)
			if (!strcmp(json_string_value(node), name)) {
				json_array_remove(nodes, at);
				break;
			}
	}
}

/* "node" and "service": {"command", "action": "list|add|set|del", "entry": {...}}. */
static void edit(struct front *front, struct request *request, const json_t *message,
		 const char *list)
{
	json_t *document = document_make(front->registry, &front->config), *old;
	const json_t *entry = json_object_get(message, "entry");
	const char *action = text_of(message, "action"), *name = text_of(entry, "name");
	bool nodes = !strcmp(list, "nodes");
	size_t index;

	if (!action || (strcmp(action, "list") && (!json_is_object(entry) || !name))) {
		request_fail(request, "action must be list, add, set or del, with an entry");
		goto out;
	}
	if (!strcmp(action, "list")) {
		request_answer(request, json_pack("{s:O}", list, json_object_get(document, list)));
		goto out;
	}
	old = document_find(document, list, name, &index);
	if (!strcmp(action, "add") ? old != NULL : !old) {
		request_fail(request,
			     old ? "there is a %s called '%s' already; set changes it"
				 : "there is no %s called '%s'; add makes one",
			     nodes ? "node" : "service", name);
		goto out;
	}
	if (!strcmp(action, "add")) {
		json_t *fresh = json_deep_copy(entry);
		json_t *services = nodes ? json_incref(json_object_get(fresh, "services")) : NULL;

		if (nodes)
			json_object_del(fresh, "services");
		json_array_append_new(json_object_get(document, list), fresh);
		if (nodes)
			enlist(document, name, services);
		json_decref(services);
	} else if (!strcmp(action, "set")) {
		json_t *health = json_object_get(entry, "health");
		json_t *copy = json_deep_copy(entry);

		/* What is not said of the health check stays as it is. */
		if (json_is_object(health)) {
			json_object_update(json_object_get(old, "health"), health);
			json_object_del(copy, "health");
		}
		json_object_update(old, copy);
		json_decref(copy);
	} else if (!strcmp(action, "del")) {
		json_array_remove(json_object_get(document, list), index);
		if (nodes)
			dismiss(document, name);
	} else {
		request_fail(request, "action must be list, add, set or del, not '%s'", action);
		goto out;
	}
	adopt(front, request, json_incref(document));
out:
	json_decref(document);
}

static void edit_nodes(struct front *front, struct request *request, const json_t *message)
{
	edit(front, request, message, "nodes");
}

static void edit_services(struct front *front, struct request *request, const json_t *message)
{
	edit(front, request, message, "services");
}

static void reload(struct front *front, struct request *request, const json_t *message)
{
	struct buffer errors = BUFFER_EMPTY;

	(void)message;
	if (front_reload(front, NULL, &errors)) {
		peers_settle(front->peers, request, json_object());
	} else {
		errors.data[strcspn(errors.data, "\n")] = 0;
		request_fail(request, "%s", errors.data);
	}
	buffer_release(&errors);
}

static void where(struct front *front, struct request *request, const json_t *message)
{
	request_answer(request, front_where(front, message));
}

static void flows(struct front *front, struct request *request, const json_t *message)
{
	request_answer(request, front_flows(front, message));
}

static void seen(struct front *front, struct request *request, const json_t *message)
{
	(void)message;
	request_answer(request, front_seen(front));
}

static void kill_flows(struct front *front, struct request *request, const json_t *message)
{
	kills_answer(front->kills, request, message);
}

static const struct {
	const char *command;
	void (*answer)(struct front *front, struct request *request, const json_t *message);
} commands[] = {
	{"status", status}, {"settle", settle}, {"where", where},     {"drain", drain},
	{"ready", ready},   {"weight", weight}, {"node", edit_nodes}, {"service", edit_services},
	{"reload", reload}, {"flows", flows},	{"kill", kill_flows}, {"seen", seen},
};

void front_answer(struct request *request, const json_t *message, void *owner)
{
	const char *command = text_of(message, "command");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].command, command)) {
			commands[i].answer(owner, request, message);
			return;
		}
	request_fail(request, "the front's daemon knows no command '%s'", command);
}

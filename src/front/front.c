/* `baton front`: the daemon of the host that has the cluster's address. */
#include "front/front.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/daemon.h"
#include "control/kernel.h"
#include "control/state.h"
#include "control/target_clock.h"
#include "control/web.h"
#include "front/slow.h"
#include "wire/header.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct options {
	const char *file, *name;
	bool check, detach, verbose;
};

static const struct option_spec option_specs[] = {
	{"config", 'c', OPTION_TEXT, "FILE", "the cluster's configuration",
	 offsetof(struct options, file)},
	{"name", 'n', OPTION_TEXT, "NAME",
	 "which of its fronts this is, if it has several [the host's name]",
	 offsetof(struct options, name)},
	{"check", 0, OPTION_FLAG, NULL, "check the configuration and key, and exit",
	 offsetof(struct options, check)},
	{"detach", 0, OPTION_FLAG, NULL, "take the program out of the kernel, and exit",
	 offsetof(struct options, detach)},
	{"verbose", 'v', OPTION_FLAG, NULL, "log more", offsetof(struct options, verbose)},
	{0},
};

/* ---- the registry ---- */

/* The state file's "file" says which configuration it was made from: while that is the same, what
 * commands have changed since holds over a restart. */
static json_t *file_fingerprint(const struct config *config)
{
	struct registry *registry = registry_new();
	json_t *snapshot;

	registry_configure(registry, config);
	snapshot = registry_snapshot(registry);
	free(registry);
	return snapshot;
}

static void save(const struct front *front)
{
	json_t *state = json_pack("{s:o, s:o}", "registry", registry_snapshot(front->registry),
				  "file", file_fingerprint(&front->config));
	int error = state_save(front->state, state);

	if (error)
		log_line(LOG_LEVEL_ERROR, "%s can't be written: %s; a restart would forget changes",
			 front->state, strerror(-error));
	json_decref(state);
}

static void restore(struct front *front)
{
	json_t *state = state_load(front->state), *file = file_fingerprint(&front->config);
	bool known =
		state && !registry_restore(front->registry, json_object_get(state, "registry"));

	if (!known || !json_equal(json_object_get(state, "file"), file))
		registry_configure(front->registry, &front->config);
	/* Nodes that have gone on with the last version see that this daemon is a new one. */
	front->registry->version++;
	json_decref(state);
	json_decref(file);
}

/* Looks after the neighbours that the nodes are now. What was left is forgotten first: a node may
 * have got another one's address. */
static void watch_nodes(struct front *front)
{
	static const struct address none;

	for (uint32_t id = 1; id < NODES_MAX; id++) {
		const struct registry_node *node = &front->registry->nodes[id];
		/* Where this front is on a node's host, that one needs no looking for. */
		bool here = address_equal(&node->address, &front->config.front.address);
		const struct address *now = node->used && !here ? &node->address : &none;

		if (!memcmp(&front->watched[id], now, sizeof(*now)))
			continue;
		if (!address_is_zero(&front->watched[id]))
			neighbors_forget(front->neighbors, &front->watched[id]);
		front->watched[id] = *now;
	}
	for (uint32_t id = 1; id < NODES_MAX; id++)
		if (!address_is_zero(&front->watched[id]))
			neighbors_watch(front->neighbors, &front->watched[id]);
	for (unsigned int i = 0; i < front->registry->dispatcher_count; i++)
		neighbors_watch(front->neighbors, &front->registry->dispatchers[i].address);
}

static int publish(struct front *front)
{
	struct datapath_host host = {.self = BATON_FRONT(front->config.front.number),
				     .address = front->config.front.address,
				     .address6 = front->config.front.address6};

	memcpy(host.mac, front->mac, sizeof(host.mac));
	datapath_host(front->datapath, &host);
	watch_nodes(front);
	return datapath_publish(front->datapath, front->registry);
}

int front_changed(struct front *front)
{
	int error = publish(front);

	if (error)
		log_line(LOG_LEVEL_ERROR, "filling the program's maps: %s", strerror(-error));
	save(front);
	checks_follow(front->checks);
	peers_push(front->peers);
	return error;
}

/* What a running daemon can't change. */
static bool same_place(const struct config *now, const struct config *then, struct buffer *errors)
{
	const char *what =
		strcmp(now->name, then->name)			      ? "cluster name"
		: now->port != then->port			      ? "cluster port"
		: strcmp(now->front.interface, then->front.interface) ? "interface"
		: now->front.number != then->front.number	      ? "place among the fronts"
		: now->front.flows != then->front.flows		      ? "flows"
		: memcmp(&now->front.control, &then->front.control, sizeof(now->front.control))
			? "control"
		: !address_equal(&now->front.address, &then->front.address) ? "address"
									    : NULL;

	if (what)
		buffer_format(errors,
			      "the front's %s can't be changed while it runs; restart the daemon "
			      "with the new file\n",
			      what);
	return !what;
}

bool front_reload(struct front *front, const char *text, struct buffer *errors)
{
	struct config_keys keys;
	struct config config;
	int error;

	if (text)
		error = config_parse(&config, "request", text, strlen(text), errors);
	else
		error = config_read(&config, front->file, errors);
	if (!error && !text)
		error = config_keys_read(config.key_file, &keys, errors);
	if (!error && !config_front_choose(&config, front->config.front.name)) {
		buffer_format(errors, "no front is called '%s' any more; restart the daemon\n",
			      front->config.front.name);
		error = -EINVAL;
	}
	if (error || !same_place(&front->config, &config, errors)) {
		config_release(&config);
		return false;
	}
	if (!text) {
		front->keys = keys;
		datapath_keys(front->datapath, &keys);
		config_release(&front->config);
		front->config = config;
		datapath_asks(front->datapath, config.front.who_has, config_fronts_share(&config),
			      false);
	}
	if (registry_configure(front->registry, &config) || !text)
		front_changed(front);
	if (text)
		config_release(&config);
	return true;
}

/* ---- the daemon ---- */

static void on_hop(const struct address *host, const unsigned char mac[6], int ifindex, void *owner)
{
	struct front *front = owner;
	char text[ADDRESS_TEXT];
	int error;

	log_line(LOG_LEVEL_INFO, "%s is at %02x:%02x:%02x:%02x:%02x:%02x", address_text(host, text),
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	/* Device 0 means the one the segment came by, which spares XDP a redirect. */
	datapath_hop(front->datapath, host, mac, ifindex == front->ifindex ? 0 : ifindex);
	error = datapath_refresh(front->datapath);
	if (error)
		log_line(LOG_LEVEL_ERROR, "telling the program where a node is: %s",
			 strerror(-error));
}

static void on_hangup(uv_signal_t *signal, int number)
{
	struct front *front = signal->data;
	struct buffer errors = BUFFER_EMPTY;
	char *line, *rest;

	(void)number;
	if (front_reload(front, NULL, &errors))
		log_line(LOG_LEVEL_INFO, "configuration read again");
	rest = errors.data;
	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			log_line(LOG_LEVEL_ERROR, "not taken over: %s", line);
	buffer_release(&errors);
}

static void stop(struct front *front)
{
	requests_end(front->requests);
	checks_end(front->checks);
	kills_end(front->kills);
	peers_end(front->peers);
	flow_sweep_end(front->sweep);
	slow_path_end(front->slow);
	target_clock_end(front->targets);
	layer4_end(front->layer4);
	sight_end(front->sight);
	neighbors_end(front->neighbors);
	uv_close((uv_handle_t *)&front->terminate, NULL);
	uv_close((uv_handle_t *)&front->interrupt, NULL);
	uv_close((uv_handle_t *)&front->hangup, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
	log_line(LOG_LEVEL_INFO, "signal %d: the daemon ends, the program stays attached", number);
	stop(signal->data);
}

/* The page and the metrics. The cluster serves without them, so what is wrong there is only said.
 */
static void start_web(struct front *front)
{
	char text[ENDPOINT_TEXT];
	int error;

	if (!front->config.front.http.port)
		return;
	error = web_start(front->config.name, &front->config.front.http, &front->web);
	if (error)
		log_line(LOG_LEVEL_WARNING, "no page at %s: %s",
			 endpoint_text(&front->config.front.http, text), strerror(-error));
}

static int run(struct front *front)
{
	char path[PATH_ROOM], why[512], text[ENDPOINT_TEXT];
	int error;

	front->started = clock_now();
	error = daemon_interface(front->config.front.interface, front->config.front.name,
				 &front->ifindex, front->mac);
	if (error)
		return error;
	error = daemon_directory(&front->config);
	if (error)
		return error;
	/* The control socket first: whoever has it is the one daemon. Nothing is answered before
	 * the loop runs. */
	uv_loop_init(&front->loop);
	path_socket(path, front->config.name, front->host);
	error = requests_serve(&front->loop, path, front_answer, front, &front->requests);
	if (error == -EADDRINUSE)
		return failed("%s: a daemon of this front is running; end it first", path);
	if (error)
		return failed_errno(error, "%s", path);
	error = front_attach(front, why);
	if (error) {
		kernel_pins_tidy(front->pins);
		return failed("%s", why);
	}
	front->registry = registry_new();
	datapath_keys(front->datapath, &front->keys);
	if (!datapath_was_ready(front->datapath))
		datapath_clock(front->datapath, daemon_clock_offset());
	datapath_asks(front->datapath, front->config.front.who_has,
		      config_fronts_share(&front->config), !datapath_was_ready(front->datapath));
	front->neighbors = neighbors_new(&front->loop, on_hop, front);
	if (!front->neighbors)
		return failed_errno(errno, "asking the kernel for neighbours");
	restore(front);
	error = publish(front);
	if (error)
		return failed_errno(error, "filling the program's maps");
	save(front);
	front->peers = peers_start(front, &error);
	if (!front->peers)
		return failed("listening at %s for the nodes: %s",
			      endpoint_text(&front->config.front.control, text),
			      uv_strerror(error));
	resets_open(&front->resets);
	front->kills = kills_start(front);
	if (!front->kills)
		return failed_errno(errno, "a packet socket");
	front->burial = burial_start(front);
	if (!front->burial)
		return failed_errno(errno, "taking the flows of dead nodes");
	front->checks = checks_start(front);
	front->sweep = flow_sweep_start(front);
	front->slow = slow_path_start(front);
	if (!front->slow)
		return failed_errno(errno, "taking long requests from the program");
	front->targets = target_clock_new(front->object);
	target_clock_start(front->targets, &front->loop);
	front->layer4 = layer4_start(front);
	front->sight = sight_start(front);
	daemon_signals(&front->loop, &front->terminate, &front->interrupt, on_signal, front);
	uv_signal_init(&front->loop, &front->hangup);
	front->hangup.data = front;
	uv_signal_start(&front->hangup, on_hangup, SIGHUP);
	log_line(LOG_LEVEL_INFO, "%s of cluster %s: XDP attached to %s (%s mode), nodes at %s",
		 front->config.front.name, front->config.name, front->config.front.interface,
		 front->native ? "native" : "generic",
		 endpoint_text(&front->config.front.control, text));
	start_web(front);
	uv_run(&front->loop, UV_RUN_DEFAULT);
	uv_loop_close(&front->loop);
	if (front->web)
		web_stop(front->web);
	burial_end(front->burial);
	resets_close(&front->resets);
	front_release(front);
	free(front->registry);
	return EXIT_DONE;
}

/* Which of the fronts this host is. Returns 0, or EXIT_USAGE with a line on stderr. */
static int choose(struct front *front, const char *name)
{
	struct config *config = &front->config;

	if (name || config->front_count > 1) {
		if (!name)
			name = daemon_host_name();
		if (!config_front_choose(config, name))
			return misused("%s: no front is called '%s'; give one of its names with "
				       "--name",
				       front->file, name);
	}
	if (config->front.number)
		snprintf(front->host, sizeof(front->host), "front-%s", config->front.name);
	else
		strcpy(front->host, "front");
	path_pins(front->pins, config->name, front->host);
	path_state(front->state, config->name, front->host);
	return 0;
}

static int command(const struct command *self, int argc, char **argv)
{
	struct options options = {0};
	struct front front = {0};
	int error;

	command_parse(self, argc, argv, &options);
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	error = daemon_configuration(options.file, options.detach ? NULL : &front.keys,
				     &front.config);
	if (error)
		return error;
	front.file = options.file;
	error = choose(&front, options.name);
	if (error)
		goto out;
	if (options.detach) {
		error = daemon_detach(front.pins, front.state);
	} else if (options.check) {
		printf("cluster %s: %u nodes, %u services; configuration and key are right\n",
		       front.config.name, front.config.node_count, front.config.service_count);
		error = EXIT_DONE;
	} else {
		error = run(&front);
	}
out:
	config_release(&front.config);
	return error;
}

const struct command command_front = {
	.name = "front",
	.operands = "",
	.summary = "Run the front's daemon: the cluster's address is here",
	.description =
		"Loads the program that answers SYNs, places requests and hands connections to the "
		"nodes, tells the nodes' daemons what the cluster is, watches the servers' health "
		"and answers commands (status, drain, where, ...). The program stays attached when "
		"the daemon ends; --detach takes it away. SIGHUP reads the configuration again.",
	.options = option_specs,
	.run = command,
};

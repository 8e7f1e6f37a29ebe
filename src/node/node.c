/* `baton node`: the daemon of a host that runs a server. */
#include "node/node.h"
#include "node/listeners.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/commands.h"
#include "control/daemon.h"
#include "control/kernel.h"
#include "control/target_clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *file, *name;
	bool check, detach, verbose;
};

static const struct option_spec option_specs[] = {
	{"config", 'c', OPTION_TEXT, "FILE", "the cluster's configuration",
	 offsetof(struct options, file)},
	{"name", 'n', OPTION_TEXT, "NAME", "which of its nodes this is [the host's name]",
	 offsetof(struct options, name)},
	{"check", 0, OPTION_FLAG, NULL,
	 "check the configuration, key, kernel and servers, and exit",
	 offsetof(struct options, check)},
	{"detach", 0, OPTION_FLAG, NULL, "take the programs out of the kernel, and exit",
	 offsetof(struct options, detach)},
	{"verbose", 'v', OPTION_FLAG, NULL, "log more", offsetof(struct options, verbose)},
	{0},
};

/* Where dispatchers are on hosts of their own, the programs ask them. */
static void watch_dispatchers(struct node *node)
{
	for (unsigned int i = 0; i < node->registry->dispatcher_count; i++)
		neighbors_watch(node->neighbors, &node->registry->dispatchers[i].address);
}

int node_publish(struct node *node)
{
	struct datapath_host host = {.address = node->self.address,
				     .address6 = node->self.address6};

	host.self = (uint16_t)registry_node_id(node->registry, node->name);
	memcpy(host.mac, node->mac, sizeof(host.mac));
	datapath_host(node->datapath, &host);
	watch_dispatchers(node);
	return datapath_publish(node->datapath, node->registry);
}

static void on_hop(const struct address *host, const unsigned char mac[6], int ifindex, void *owner)
{
	struct node *node = owner;
	int error;

	datapath_hop(node->datapath, host, mac, ifindex);
	error = datapath_refresh(node->datapath);
	if (error)
		log_line(LOG_LEVEL_ERROR, "telling the programs where the front is: %s",
			 strerror(-error));
}

/* The access log may be another, and its file may have been moved away. */
static void log_again(struct node *node)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;
	char why[512];

	if (config_read(&config, node->file, &errors)) {
		log_line(LOG_LEVEL_ERROR, "the configuration was not read again: %s", errors.data);
	} else {
		node->config.log = config.log;
		node->config.origin = config.origin;
		if (served_reload(node->served, why))
			log_line(LOG_LEVEL_ERROR, "%s; the log is the one of before", why);
		config_release(&config);
	}
	buffer_release(&errors);
}

static void on_hangup(uv_signal_t *signal, int number)
{
	struct node *node = signal->data;

	(void)number;
	front_follower_keys(&node->follower);
	log_again(node);
}

static void stop(struct node *node)
{
	requests_end(node->requests);
	front_links_end(node->fronts);
	dispatcher_links_end(node->dispatchers);
	held_sweep_end(node->sweep);
	park_end(node->park);
	target_clock_end(node->targets);
	release_end(node->release);
	served_end(node->served);
	quiet_end(node->quiet);
	neighbors_end(node->neighbors);
	uv_close((uv_handle_t *)&node->terminate, NULL);
	uv_close((uv_handle_t *)&node->interrupt, NULL);
	uv_close((uv_handle_t *)&node->hangup, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
	log_line(LOG_LEVEL_INFO, "signal %d: the daemon ends, the programs stay attached", number);
	stop(signal->data);
}

static int run(struct node *node)
{
	char path[PATH_ROOM], why[512];
	int error;

	error = daemon_interface(node->self.interface, node->name, &node->ifindex, node->mac);
	if (error)
		return error;
	error = daemon_directory(&node->config);
	if (error)
		return error;
	/* The control socket first: whoever has it is the one daemon. Nothing is answered before
	 * the loop runs. */
	uv_loop_init(&node->loop);
	path_socket(path, node->config.name, daemon_host("node-", node->name));
	error = requests_serve(&node->loop, path, node_answer, node, &node->requests);
	if (error == -EADDRINUSE)
		return failed("%s: a daemon of this node is running; end it first", path);
	if (error)
		return failed_errno(error, "%s", path);
	error = node_attach(node, why);
	if (error) {
		kernel_pins_tidy(node->pins);
		return failed("%s", why);
	}
	node->registry = registry_new();
	datapath_keys(node->datapath, &node->keys);
	node->neighbors = neighbors_new(&node->loop, on_hop, node);
	if (!node->neighbors)
		return failed_errno(errno, "asking the kernel for neighbours");
	for (unsigned int i = 0; i < node->config.front_count; i++)
		if (!address_equal(&node->config.fronts[i].address, &node->self.address))
			neighbors_watch(node->neighbors, &node->config.fronts[i].address);
	node->follower = links_follower(node);
	error = front_follower_begin(&node->follower);
	if (error)
		return failed_errno(error, "filling the programs' maps");
	node->park = park_start(node);
	if (!node->park)
		return failed_errno(errno, "taking parked segments");
	node->release = release_start(node);
	if (!node->release)
		return failed_errno(errno, "taking flows that are over");
	node->sweep = held_sweep_start(node);
	node->targets = target_clock_new(node->object);
	target_clock_start(node->targets, &node->loop);
	node->served = served_start(node, why);
	if (!node->served)
		return failed("%s", why);
	node->quiet = quiet_start(node);
	if (!node->quiet)
		return failed_errno(errno, "taking quiet flows");
	node->dispatchers = dispatcher_links_start(node);
	node->fronts = front_links_start(&node->follower);
	daemon_signals(&node->loop, &node->terminate, &node->interrupt, on_signal, node);
	uv_signal_init(&node->loop, &node->hangup);
	node->hangup.data = node;
	uv_signal_start(&node->hangup, on_hangup, SIGHUP);
	log_line(LOG_LEVEL_INFO, "node %s of cluster %s: attached to %s", node->name,
		 node->config.name, node->self.interface);
	uv_run(&node->loop, UV_RUN_DEFAULT);
	uv_loop_close(&node->loop);
	node_release(node);
	free(node->registry);
	return EXIT_DONE;
}

/* Whether this host is the node: it has its address. */
static bool is_here(const struct node *node)
{
	const struct endpoint any = {node->self.address, 0};
	struct sockaddr_storage storage;
	socklen_t length = endpoint_sockaddr(&any, &storage);
	int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool here = fd >= 0 && !bind(fd, (struct sockaddr *)&storage, length);

	if (fd >= 0)
		close(fd);
	return here;
}

static int check_only(const struct node *node)
{
	static const char *const needs[] = {"bpf_sk_assign_tcp_reqsk", NULL};
	unsigned int index =
		(unsigned int)(config_node_named(&node->config, node->name) - node->config.nodes);
	char why[256], problem[LISTENER_WORDS];
	int result = EXIT_DONE;

	if (!is_here(node)) {
		printf("node %s of cluster %s: configuration and key are right; kernel and servers "
		       "can only be looked at there\n",
		       node->name, node->config.name);
		return EXIT_DONE;
	}
	if (kernel_check(needs, why))
		return failed("%s", why);
	for (unsigned int i = 0; i < node->config.service_count; i++) {
		const struct config_service *service = &node->config.services[i];

		if (service->node[index] && !listeners_check(service, problem) && *problem)
			result = failed("service %s: %s", service->name, problem);
	}
	if (result)
		return result;
	printf("node %s of cluster %s: configuration, key, kernel and servers are right\n",
	       node->name, node->config.name);
	return EXIT_DONE;
}

static int command(const struct command *self, int argc, char **argv)
{
	struct options options = {0};
	const struct config_node *found;
	struct node node = {0};
	int error;

	for (const struct command *const *c = self->commands; argc > 1 && *c; c++)
		if (!strcmp((*c)->name, argv[1]))
			return command_dispatch(self, argc, argv);
	if (command_parse(self, argc, argv, &options) < argc)
		return misused("'%s' takes options, or add, set, del or list", command_path());
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	error = daemon_configuration(options.file, options.detach ? NULL : &node.keys,
				     &node.config);
	if (error)
		return error;
	snprintf(node.name, sizeof(node.name), "%s",
		 options.name ? options.name : daemon_host_name());
	node.file = options.file;
	found = config_node_named(&node.config, node.name);
	if (!found) {
		error = misused("%s: no node is called '%s'; give one of its names with --name",
				options.file, node.name);
		goto out;
	}
	node.self = *found;
	path_pins(node.pins, node.config.name, daemon_host("node-", node.name));
	path_state(node.state, node.config.name, daemon_host("node-", node.name));
	if (options.detach)
		error = daemon_detach(node.pins, node.state);
	else if (options.check)
		error = check_only(&node);
	else
		error = run(&node);
out:
	config_release(&node.config);
	return error;
}

const struct command command_node = {
	.name = "node",
	.operands = "",
	.summary = "Run a node's daemon; or add, change, remove and list nodes",
	.description =
		"Loads the programs that build connections from what the front hands over, follow "
		"them, and give them back at a request that belongs to another node. The programs "
		"stay attached when the daemon ends; --detach takes them away. SIGHUP "
		"reads the keys again and opens the access log again.\n\nWith a command "
		"(add, set, del, list) it changes a running cluster's nodes instead.",
	.commands = node_commands,
	.options = option_specs,
	.run = command,
};

/* `baton dispatcher`: the daemon of a host that decides for policies that need one view of the
 * whole cluster. */
#include "dispatcher/dispatcher.h"

#include "base/fail.h"
#include "control/daemon.h"
#include "control/kernel.h"
#include "control/target_clock.h"
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
	{"name", 'n', OPTION_TEXT, "NAME", "which of its dispatchers this is [the host's name]",
	 offsetof(struct options, name)},
	{"check", 0, OPTION_FLAG, NULL, "check the configuration and key, and exit",
	 offsetof(struct options, check)},
	{"detach", 0, OPTION_FLAG, NULL, "take the program out of the kernel, and exit",
	 offsetof(struct options, detach)},
	{"verbose", 'v', OPTION_FLAG, NULL, "log more", offsetof(struct options, verbose)},
	{0},
};

/* ---- what the program goes by ---- */

/* Answers go to nodes and fronts. */
static void watch_hosts(struct dispatcher *dispatcher)
{
	const struct registry *registry = dispatcher->registry;

	for (int i = 0; i < FRONTS_MAX; i++)
		if (!address_is_zero(&registry->fronts[i]))
			neighbors_watch(dispatcher->neighbors, &registry->fronts[i]);
	for (uint32_t id = 1; id < NODES_MAX; id++)
		if (registry->nodes[id].used)
			neighbors_watch(dispatcher->neighbors, &registry->nodes[id].address);
}

static int publish(void *owner)
{
	struct dispatcher *dispatcher = owner;
	int number = registry_dispatcher_number(dispatcher->registry, dispatcher->name);
	struct datapath_host host = {.address = dispatcher->self.address,
				     .address6 = dispatcher->self.address6};

	host.self = (uint16_t)BATON_DISPATCHER(number < 0 ? 0 : number);
	memcpy(host.mac, dispatcher->mac, sizeof(host.mac));
	datapath_host(dispatcher->datapath, &host);
	watch_hosts(dispatcher);
	return datapath_publish(dispatcher->datapath, dispatcher->registry);
}

static void on_hop(const struct address *host, const unsigned char mac[6], int ifindex, void *owner)
{
	struct dispatcher *dispatcher = owner;
	int error;

	/* Device 0 means the one the question came by, which spares XDP a redirect. */
	datapath_hop(dispatcher->datapath, host, mac, ifindex == dispatcher->ifindex ? 0 : ifindex);
	error = datapath_refresh(dispatcher->datapath);
	if (error)
		log_line(LOG_LEVEL_ERROR, "telling the program where a host is: %s",
			 strerror(-error));
}

static json_t *report(void *owner)
{
	return dispatcher_report(owner);
}

static struct front_follower follower(struct dispatcher *dispatcher)
{
	return (struct front_follower){.loop = &dispatcher->loop,
				       .config = &dispatcher->config,
				       .name = dispatcher->name,
				       .here = dispatcher->self.address,
				       .keys = &dispatcher->keys,
				       .registry = dispatcher->registry,
				       .datapath = dispatcher->datapath,
				       .state = dispatcher->state,
				       .publish = publish,
				       .report = report,
				       .owner = dispatcher};
}

/* ---- the daemon ---- */

static void on_hangup(uv_signal_t *signal, int number)
{
	const struct dispatcher *dispatcher = signal->data;

	(void)number;
	front_follower_keys(&dispatcher->follower);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct dispatcher *dispatcher = signal->data;

	log_line(LOG_LEVEL_INFO, "signal %d: the daemon ends, the program stays attached", number);
	requests_end(dispatcher->requests);
	front_links_end(dispatcher->fronts);
	loads_end(dispatcher->loads);
	target_clock_end(dispatcher->targets);
	neighbors_end(dispatcher->neighbors);
	uv_close((uv_handle_t *)&dispatcher->terminate, NULL);
	uv_close((uv_handle_t *)&dispatcher->interrupt, NULL);
	uv_close((uv_handle_t *)&dispatcher->hangup, NULL);
}

static int run(struct dispatcher *dispatcher)
{
	char path[PATH_ROOM], why[512], text[ENDPOINT_TEXT];
	int error;

	error = daemon_interface(dispatcher->self.interface, dispatcher->name, &dispatcher->ifindex,
				 dispatcher->mac);
	if (error)
		return error;
	error = daemon_directory(&dispatcher->config);
	if (error)
		return error;
	/* The control socket first: whoever has it is the one daemon. Nothing is answered before
	 * the loop runs. */
	uv_loop_init(&dispatcher->loop);
	path_socket(path, dispatcher->config.name, daemon_host("dispatcher-", dispatcher->name));
	error = requests_serve(&dispatcher->loop, path, dispatcher_answer, dispatcher,
			       &dispatcher->requests);
	if (error == -EADDRINUSE)
		return failed("%s: a daemon of this dispatcher is running; end it first", path);
	if (error)
		return failed_errno(error, "%s", path);
	error = dispatcher_attach(dispatcher, why);
	if (error) {
		kernel_pins_tidy(dispatcher->pins);
		return failed("%s", why);
	}
	dispatcher->registry = registry_new();
	datapath_keys(dispatcher->datapath, &dispatcher->keys);
	dispatcher->neighbors = neighbors_new(&dispatcher->loop, on_hop, dispatcher);
	if (!dispatcher->neighbors)
		return failed_errno(errno, "asking the kernel for neighbours");
	dispatcher->follower = follower(dispatcher);
	error = front_follower_begin(&dispatcher->follower);
	if (error)
		return failed_errno(error, "filling the program's maps");
	dispatcher->loads = loads_start(dispatcher, &error);
	if (!dispatcher->loads)
		return failed("listening at %s for the nodes: %s",
			      endpoint_text(&dispatcher->self.control, text), uv_strerror(error));
	dispatcher->targets = target_clock_new(dispatcher->object);
	target_clock_start(dispatcher->targets, &dispatcher->loop);
	dispatcher->fronts = front_links_start(&dispatcher->follower);
	daemon_signals(&dispatcher->loop, &dispatcher->terminate, &dispatcher->interrupt, on_signal,
		       dispatcher);
	uv_signal_init(&dispatcher->loop, &dispatcher->hangup);
	dispatcher->hangup.data = dispatcher;
	uv_signal_start(&dispatcher->hangup, on_hangup, SIGHUP);
	log_line(LOG_LEVEL_INFO, "dispatcher %s of cluster %s: XDP attached to %s (%s mode)",
		 dispatcher->name, dispatcher->config.name, dispatcher->self.interface,
		 dispatcher->native ? "native" : "generic");
	uv_run(&dispatcher->loop, UV_RUN_DEFAULT);
	uv_loop_close(&dispatcher->loop);
	dispatcher_release(dispatcher);
	free(dispatcher->registry);
	return EXIT_DONE;
}

static int command(const struct command *self, int argc, char **argv)
{
	struct options options = {0};
	struct dispatcher dispatcher = {0};
	const struct config_dispatcher *found;
	int error;

	command_parse(self, argc, argv, &options);
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	error = daemon_configuration(options.file, options.detach ? NULL : &dispatcher.keys,
				     &dispatcher.config);
	if (error)
		return error;
	snprintf(dispatcher.name, sizeof(dispatcher.name), "%s",
		 options.name ? options.name : daemon_host_name());
	found = config_dispatcher_named(&dispatcher.config, dispatcher.name);
	if (!found) {
		error = misused("%s: no dispatcher is called '%s'; give one of its names with "
				"--name",
				options.file, dispatcher.name);
		goto out;
	}
	dispatcher.self = *found;
	path_pins(dispatcher.pins, dispatcher.config.name,
		  daemon_host("dispatcher-", dispatcher.name));
	path_state(dispatcher.state, dispatcher.config.name,
		   daemon_host("dispatcher-", dispatcher.name));
	if (options.detach) {
		error = daemon_detach(dispatcher.pins, dispatcher.state);
	} else if (options.check) {
		printf("dispatcher %s of cluster %s: configuration and key are right\n",
		       dispatcher.name, dispatcher.config.name);
		error = EXIT_DONE;
	} else {
		error = run(&dispatcher);
	}
out:
	config_release(&dispatcher.config);
	return error;
}

const struct command command_dispatcher = {
	.name = "dispatcher",
	.operands = "",
	.summary = "Run the daemon of a dispatcher on a host of its own",
	.description =
		"Loads the program that answers front and nodes which node a request is for, by "
		"policies that need one view of the whole cluster (lard, ds, ...), for the targets "
		"that are this dispatcher's. Without 'dispatchers' in the configuration the front "
		"decides itself. The program stays attached when the daemon ends; --detach takes "
		"it away. SIGHUP reads the keys again.",
	.options = option_specs,
	.run = command,
};

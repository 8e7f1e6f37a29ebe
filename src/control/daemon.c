#include "control/daemon.h"

#include "base/clock.h"
#include "base/fail.h"
#include "control/interface.h"
#include "control/kernel.h"
#include "control/paths.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One line on stderr for each line of `errors`. */
static int say_all(struct buffer *errors)
{
	char *line, *rest = errors->data;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			misused("%s", line);
	buffer_release(errors);
	return EXIT_USAGE;
}

int daemon_configuration(const char *file, struct config_keys *keys, struct config *config)
{
	struct buffer errors = BUFFER_EMPTY;

	memset(config, 0, sizeof(*config));
	if (!file)
		return misused("a configuration is needed: --config FILE");
	if (config_read(config, file, &errors))
		return say_all(&errors);
	if (keys && config_keys_read(config->key_file, keys, &errors)) {
		config_release(config);
		return say_all(&errors);
	}
	return 0;
}

int daemon_directory(const struct config *config)
{
	char path[PATH_ROOM];
	int error;

	snprintf(path, sizeof(path), RUN_ROOT "/%s", config->name);
	error = path_make(path, 0755);
	return error ? failed_errno(error, "%s can't be made", path) : 0;
}

const char *daemon_host(const char *prefix, const char *name)
{
	static char text[2 * CONFIG_NAME];

	snprintf(text, sizeof(text), "%s%s", prefix, name);
	return text;
}

const char *daemon_host_name(void)
{
	static char text[256];

	if (gethostname(text, sizeof(text) - 1))
		return "";
	text[strcspn(text, ".")] = 0;
	return text;
}

int daemon_detach(const char *pins, const char *state)
{
	int error = kernel_pins_remove(pins);

	if (!error && unlink(state) && errno != ENOENT)
		error = -errno;
	return error ? failed_errno(error, "%s can't be taken away", pins) : EXIT_DONE;
}

void daemon_signals(uv_loop_t *loop, uv_signal_t *terminate, uv_signal_t *interrupt,
		    uv_signal_cb end, void *owner)
{
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(loop, terminate);
	uv_signal_init(loop, interrupt);
	terminate->data = owner;
	interrupt->data = owner;
	uv_signal_start_oneshot(terminate, end, SIGTERM);
	uv_signal_start_oneshot(interrupt, end, SIGINT);
}

int daemon_interface(const char *interface, const char *host, int *index, unsigned char mac[6])
{
	int error = interface_find(interface, index, mac);

	if (error == -ENODEV || error == -EAFNOSUPPORT)
		return failed("no Ethernet device '%s' here; is this host '%s', and is its "
			      "'interface' right in the configuration?",
			      interface, host);
	return error ? failed_errno(error, "looking for the device '%s'", interface) : 0;
}

int64_t daemon_clock_offset(void)
{
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (int64_t)(clock_wall() -
			 ((uint64_t)boot.tv_sec * NS_PER_S + (uint64_t)boot.tv_nsec));
}

#include "control/front_follower.h"

#include "base/fail.h"
#include "control/daemon.h"
#include "control/state.h"

#include <string.h>

int front_follower_begin(const struct front_follower *follower)
{
	struct registry *registry = follower->registry;
	json_t *state = state_load(follower->state);
	bool known = state && !registry_restore(registry, state) &&
		     !strcmp(registry->cluster, follower->config->name);

	json_decref(state);
	if (!known)
		registry_configure(registry, follower->config);
	if (!datapath_was_ready(follower->datapath))
		datapath_clock(follower->datapath, daemon_clock_offset());
	if (!known && datapath_was_ready(follower->datapath))
		return datapath_refresh(follower->datapath);
	registry->version = known ? registry->version : 0;
	return follower->publish(follower->owner);
}

int front_follower_take(const struct front_follower *follower, const json_t *snapshot)
{
	int error = registry_restore(follower->registry, snapshot);

	if (!error)
		error = follower->publish(follower->owner);
	if (!error)
		state_save(follower->state, snapshot);
	return error;
}

void front_follower_keys(const struct front_follower *follower)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config_keys keys;
	int error;

	error = config_keys_read(follower->config->key_file, &keys, &errors);
	if (!error) {
		*follower->keys = keys;
		datapath_keys(follower->datapath, &keys);
		error = datapath_refresh(follower->datapath);
	}
	if (error)
		log_line(LOG_LEVEL_ERROR, "the keys were not read again: %s",
			 errors.length ? errors.data : strerror(-error));
	else
		log_line(LOG_LEVEL_INFO, "keys read again");
	buffer_release(&errors);
}

#include "dispatcher/dispatcher.h"

#include "control/kernel.h"
#include "control/xdp.h"
#include "dispatcher.skel.h"
#include "wire/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const needs[] = {NULL};

int dispatcher_attach(struct dispatcher *dispatcher, char why[512])
{
	struct dispatcher_bpf *skeleton;
	int error = kernel_prepare(needs, dispatcher->pins, why);

	if (error)
		return error;
	skeleton = dispatcher_bpf__open();
	if (!skeleton) {
		error = -errno;
		snprintf(why, 512, "opening the program: %s", strerror(errno));
		return error;
	}
	dispatcher->skeleton = skeleton;
	dispatcher->object = skeleton->obj;
	error = bpf_map__set_max_entries(skeleton->maps.place_targets, PLACE_TARGETS_DISPATCHER);
	if (!error)
		error = kernel_pin_maps(dispatcher->object, dispatcher->pins);
	if (!error)
		error = bpf_object__load(dispatcher->object);
	if (error) {
		snprintf(why, 512,
			 "loading the program: %s (%.300s); if another version of Baton left its "
			 "maps, run 'baton dispatcher --detach' first",
			 strerror(-error), kernel_words());
		return error;
	}
	dispatcher->datapath = datapath_new(dispatcher->object);
	if (!dispatcher->datapath) {
		error = -errno;
		snprintf(why, 512, "the program's maps can't be read: %s", strerror(-error));
		return error;
	}
	/* Until the maps are filled the program passes everything. */
	return xdp_attach(bpf_program__fd(skeleton->progs.dispatcher), dispatcher->self.interface,
			  dispatcher->ifindex, dispatcher->self.xdp, dispatcher->pins,
			  &dispatcher->native, why);
}

void dispatcher_release(struct dispatcher *dispatcher)
{
	datapath_free(dispatcher->datapath);
	dispatcher_bpf__destroy(dispatcher->skeleton);
}

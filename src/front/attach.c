#include "front/front.h"

#include "base/fail.h"
#include "control/kernel.h"
#include "control/xdp.h"
#include "front.skel.h"
#include "wire/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const needs[] = {NULL};

int front_attach(struct front *front, char why[512])
{
	struct front_bpf *skeleton;
	int error;

	error = kernel_prepare(needs, front->pins, why);
	if (error)
		return error;
	skeleton = front_bpf__open();
	if (!skeleton) {
		error = -errno;
		snprintf(why, 512, "opening the program: %s", strerror(errno));
		return error;
	}
	front->skeleton = skeleton;
	front->object = skeleton->obj;
	error = bpf_map__set_max_entries(skeleton->maps.flows, (__u32)front->config.front.flows);
	if (!error)
		error = bpf_map__set_max_entries(skeleton->maps.place_targets,
						 PLACE_TARGETS_DISPATCHER);
	if (!error)
		error = kernel_pin_maps(front->object, front->pins);
	if (!error)
		error = bpf_object__load(front->object);
	if (error) {
		snprintf(why, 512,
			 "loading the program: %s (%.300s); if 'flows' was changed or another "
			 "version of Baton left its maps, run 'baton front --detach' first",
			 strerror(-error), kernel_words());
		return error;
	}
	front->datapath = datapath_new(front->object);
	if (!front->datapath) {
		error = -errno;
		snprintf(why, 512, "the program's maps can't be read: %s", strerror(-error));
		return error;
	}
	/* Until the maps are filled the program passes everything. */
	return xdp_attach(bpf_program__fd(bpf_object__find_program_by_name(front->object, "front")),
			  front->config.front.interface, front->ifindex, front->config.front.xdp,
			  front->pins, &front->native, why);
}

void front_release(struct front *front)
{
	datapath_free(front->datapath);
	front_bpf__destroy(front->skeleton);
}

#include "measure/setup.h"

#include "base/fail.h"
#include "guest/image.h"
#include "measure/cgroup.h"
#include "measure/network.h"
#include "measure/subject.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *walk)
{
	(void)what, (void)kind, (void)walk;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

void setup_clear(const char *scratch)
{
	nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static bool needs_image(const struct plan *plan)
{
	for (unsigned int i = 0; i < plan->subject_count; i++) {
		const struct subject_kind *kind = subject_kind(plan->subjects[i].kind);

		if (kind->needs_image && (!*plan->root || kind != &subject_namespace))
			return true;
	}
	return false;
}

int setup_make(const struct plan *plan, const struct run_options *options, const char *name,
	       const char *scratch, int *image)
{
	struct buffer why = BUFFER_EMPTY;
	int error = 0;
	char group[64];

	*image = -1;
	if (needs_image(plan) && !image_there(options->image)) {
		if (!options->quiet)
			fprintf(stderr, "building the guests' image in %s; takes minutes, once\n",
				options->image);
		error = image_build(options->image, options->mirror, &why);
	}
	if (!error && needs_image(plan)) {
		*image = image_lock(options->image);
		error = *image < 0;
		if (error)
			buffer_format(&why, "%s: %s", options->image,
				      *image == -EWOULDBLOCK
					      ? "another run uses it; name another image by --image"
					      : strerror(-*image));
	}
	if (!error && needs_image(plan))
		error = image_refresh(options->image, scratch, &why);
	snprintf(group, sizeof(group), "baton-%s", name);
	if (!error && cgroup_make(group, plan->host_memory)) {
		buffer_text(&why, "control groups can't be made; mount them at /sys/fs/cgroup");
		error = -1;
	}
	snprintf(group, sizeof(group), "baton-%s/client", name);
	if (!error)
		cgroup_make(group, 0);
	if (!error)
		error = network_up(name, plan->rate, &why);
	if (error)
		failed("measure: %s", why.length ? why.data : "the image can't be built");
	buffer_release(&why);
	return error;
}

void setup_remove(const char *name, const char *scratch, int image)
{
	char group[64];

	network_down(name);
	if (image >= 0)
		close(image);
	snprintf(group, sizeof(group), "baton-%s/client", name);
	cgroup_remove(group);
	snprintf(group, sizeof(group), "baton-%s/guest", name);
	cgroup_remove(group);
	snprintf(group, sizeof(group), "baton-%s", name);
	cgroup_remove(group);
	setup_clear(scratch);
}

#include "lab/partition.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "control/client.h"
#include "control/paths.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <ctype.h>
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* nftw has no argument for its function. */
static const char *lab_name, *lab_root;

char *partition_root(const char *lab, unsigned int number, char *path, size_t room)
{
	snprintf(path, room, RUN_ROOT "/%s/parts/node%u", lab, number);
	return path;
}

int partition_make(const char *lab, unsigned int nodes)
{
	char path[STATE_ROOM];
	int error = 0;

	for (unsigned int i = 1; i <= nodes && !error; i++)
		error = path_make(partition_root(lab, i, path, sizeof(path)), 0755);
	return error;
}

/* The path as a client writes it: everything percent-encoded but what RFC 3986 leaves as it is. */
static void encode(struct buffer *url, const char *path)
{
	for (; *path; path++) {
		if (isalnum((unsigned char)*path) || strchr("/-._~", *path))
			buffer_add(url, path, 1);
		else
			buffer_format(url, "%%%02X", (unsigned char)*path);
	}
}

/* Links the file into the folder of the node that `url_path` goes to. */
static int place(const char *file, const char *name, const char *url_path)
{
	struct buffer url = BUFFER_EMPTY;
	json_t *answer = NULL;
	const char *node;
	char link[PATH_MAX], *end;
	int error;

	buffer_text(&url, "http://" LAB_VIP);
	encode(&url, url_path);
	answer = client_ask(lab_name, "front",
			    json_pack("{s:s, s:s}", "command", "where", "url", url.data));
	buffer_release(&url);
	if (!answer)
		return -1;
	node = json_string_value(json_object_get(answer, "node"));
	if (!node || !json_is_true(json_object_get(answer, "certain"))) {
		error = failed("lab: --partition needs a policy that goes by the target alone, and "
			       "%s does not",
			       json_string_value(json_object_get(answer, "policy")));
		goto release;
	}
	snprintf(link, sizeof(link), RUN_ROOT "/%s/parts/%s%s", lab_name, node, name);
	end = strrchr(link, '/');
	*end = 0;
	error = path_make(link, 0755);
	*end = '/';
	if (!error && symlink(file, link) && errno != EEXIST)
		error = -errno;
	if (error)
		failed_errno(error, "lab: can't link %s", link);
release:
	json_decref(answer);
	return error ? -1 : 0;
}

static int place_one(const char *file, const struct stat *what, int kind, struct FTW *walk)
{
	const char *name = file + strlen(lab_root);
	char folder[PATH_MAX];

	(void)what;
	if (kind != FTW_F)
		return 0;
	if (place(file, name, name))
		return -1;
	if (strcmp(file + walk->base, "index.html"))
		return 0;
	snprintf(folder, sizeof(folder), "%.*s", (int)(strlen(name) - strlen("index.html")), name);
	return place(file, name, folder);
}

int partition_fill(const char *lab, const char *root)
{
	lab_name = lab;
	lab_root = root;
	return nftw(root, place_one, 32, 0) ? -1 : 0;
}

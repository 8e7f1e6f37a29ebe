#include "lab/bounds.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/process.h"
#include "lab/state.h"
#include "lab/topology.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A period of 20 ms: with the kernel's default of 100 ms a host that has used its part up is silent
 * for so long that time-outs, not its speed, would be measured. */
enum { PERIOD_US = 20000, QUOTA_LEAST_US = 1000 };

#define GROUPS_OLD "/sys/fs/cgroup/cpu" /* cgroup 1 */
#define GROUPS	   "/sys/fs/cgroup"	/* cgroup 2 */

bool bounds_of(const char *word, size_t length, const char *host)
{
	bool any = length == 4 && !strncmp(word, "node", 4) && !strncmp(host, "node", 4);

	return any || (strlen(host) == length && !strncmp(word, host, length));
}

/* The value of the word that names the host; NULL: none does. The last one counts. */
static const char *value_of(const struct option_list *words, const char *host)
{
	const char *found = NULL;

	for (unsigned int i = 0; words && i < words->count; i++) {
		size_t length = strcspn(words->items[i], "=");

		if (bounds_of(words->items[i], length, host))
			found = words->items[i] + length + (words->items[i][length] == '=');
	}
	return found;
}

static double share(const char *text)
{
	double value;
	char plain[32];
	size_t length = text ? strlen(text) : 0;
	bool percent = length && text[length - 1] == '%';

	if (!length || length >= sizeof(plain))
		return 0;
	memcpy(plain, text, length + 1);
	if (percent)
		plain[length - 1] = 0;
	if (parse_number(plain, &value))
		return 0;
	return percent ? value / 100 : value;
}

int bounds_check(const struct bounds *bounds)
{
	for (unsigned int i = 0; i < bounds->cpu->count; i++) {
		const char *equal = strchr(bounds->cpu->items[i], '=');
		double value = share(equal ? equal + 1 : NULL);

		if (value < (double)QUOTA_LEAST_US / PERIOD_US || value > 1024)
			return misused("--cpu %s is not HOST=SHARE, a share of one CPU from 5%% on",
				       bounds->cpu->items[i]);
	}
	for (unsigned int i = 0; i < bounds->rate->count; i++) {
		const char *equal = strchr(bounds->rate->items[i], '=');
		uint64_t value;

		if (!equal || parse_count(equal + 1, &value) || value < 100000)
			return misused("--rate %s is not HOST=BITS, 100k bits a second or more",
				       bounds->rate->items[i]);
	}
	return 0;
}

double bounds_cpu(const struct bounds *bounds, const char *host)
{
	return share(value_of(bounds->cpu, host));
}

uint64_t bounds_rate(const struct bounds *bounds, const char *host)
{
	const char *text = value_of(bounds->rate, host);
	uint64_t value = 0;

	return text && !parse_count(text, &value) ? value : 0;
}

static bool old_groups(void)
{
	return !access(GROUPS_OLD "/cpu.cfs_quota_us", F_OK) ||
	       !access(GROUPS_OLD "/cgroup.procs", F_OK);
}

static void group_folder(const char *lab, const char *host, char *path)
{
	snprintf(path, STATE_ROOM, "%s/baton-%s-%s", old_groups() ? GROUPS_OLD : GROUPS, lab, host);
}

bool bounds_group(const char *lab, const char *host, char *path)
{
	group_folder(lab, host, path);
	if (access(path, F_OK))
		return false;
	strncat(path, "/cgroup.procs", STATE_ROOM - strlen(path) - 1);
	return true;
}

static int put(const char *folder, const char *file, const char *text)
{
	char path[STATE_ROOM + 32];
	int fd, error = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int make_group(const char *lab, const char *host)
{
	char folder[STATE_ROOM];

	group_folder(lab, host, folder);
	if (!old_groups())
		put(GROUPS, "cgroup.subtree_control", "+cpu");
	if (mkdir(folder, 0755) && errno != EEXIST)
		return failed_errno(errno, "lab: can't make %s", folder);
	return 0;
}

static int hold_host(const char *lab, const struct bounds *bounds, const char *host)
{
	double cpu = bounds_cpu(bounds, host);
	char folder[STATE_ROOM], text[64];
	int error;

	if (!cpu)
		return 0;
	group_folder(lab, host, folder);
	if (old_groups()) {
		snprintf(text, sizeof(text), "%d", PERIOD_US);
		error = put(folder, "cpu.cfs_period_us", text);
		snprintf(text, sizeof(text), "%.0f", cpu * PERIOD_US);
		error = error ? error : put(folder, "cpu.cfs_quota_us", text);
	} else {
		snprintf(text, sizeof(text), "%.0f %d", cpu * PERIOD_US, PERIOD_US);
		error = put(folder, "cpu.max", text);
	}
	return error ? failed_errno(error, "lab: can't set the CPU share of %s", folder) : 0;
}

/* The shell writes its own number into the group and becomes the program. */
static void begin_within(const char *lab, json_t *one)
{
	json_t *argv = json_object_get(one, "argv");
	char path[STATE_ROOM];

	if (!bounds_group(lab, json_string_value(json_object_get(one, "host")), path))
		return;
	json_array_insert_new(argv, 0, json_string(path));
	json_array_insert_new(argv, 0, json_string("echo $$ >\"$0\" && exec \"$@\""));
	json_array_insert_new(argv, 0, json_string("-c"));
	json_array_insert_new(argv, 0, json_string("sh"));
}

static int queue(const char *netns, const char *device, uint64_t rate)
{
	char bits[32], burst[32];
	uint64_t bytes = rate / 8 / 100; /* of 10 ms, and a frame of 64 KB at least */
	const char *argv[] = {"tc",	"-n",	   "NETNS", "qdisc", "replace", "dev",
			      "DEVICE", "root",	   "tbf",   "rate",  bits,	"burst",
			      burst,	"latency", "200ms", NULL};
	struct buffer said = BUFFER_EMPTY;
	int code;

	argv[2] = netns;
	argv[6] = device;
	snprintf(bits, sizeof(bits), "%lubit", (unsigned long)rate);
	snprintf(burst, sizeof(burst), "%lu", (unsigned long)(bytes < 70000 ? 70000 : bytes));
	code = process_run(argv, NULL, &said);
	if (code)
		failed("lab: tc can't hold %s in %s to a rate: %.*s", device, netns,
		       (int)(said.length ? strcspn(said.data, "\n") : 0),
		       said.length ? said.data : "");
	buffer_release(&said);
	return code ? -1 : 0;
}

static int limit_host(const char *lab, const struct bounds *bounds, const char *host)
{
	uint64_t rate = bounds_rate(bounds, host);
	char netns[128], bridge[128], port[32];

	if (bounds_cpu(bounds, host) > 0 && make_group(lab, host))
		return -1;
	if (!rate)
		return 0;
	snprintf(netns, sizeof(netns), "baton-%s-%s", lab, host);
	snprintf(bridge, sizeof(bridge), "baton-%s-switch", lab);
	snprintf(port, sizeof(port), "p-%.12s", host);
	return queue(netns, "eth0", rate) || queue(bridge, port, rate) ? -1 : 0;
}

/* Does it to each of the lab's hosts, until an error. */
static int each_host(const char *lab, const struct bounds *bounds,
		     int (*act)(const char *lab, const struct bounds *bounds, const char *host))
{
	char prefix[80];
	int length = snprintf(prefix, sizeof(prefix), "baton-%s-", lab), error = 0;
	struct dirent *entry;
	DIR *folder = opendir("/run/netns");

	while (folder && !error && (entry = readdir(folder)))
		if (!strncmp(entry->d_name, prefix, (size_t)length))
			error = act(lab, bounds, entry->d_name + length);
	if (folder)
		closedir(folder);
	return error;
}

int bounds_apply(const char *lab, const struct bounds *bounds, json_t *list)
{
	json_t *one;
	size_t i;
	int error;

	if (!bounds->cpu->count && !bounds->rate->count)
		return 0;
	error = each_host(lab, bounds, limit_host);
	json_array_foreach (list, i, one)
		begin_within(lab, one);
	return error;
}

int bounds_hold(const char *lab, const struct bounds *bounds)
{
	return bounds->cpu->count ? each_host(lab, bounds, hold_host) : 0;
}

void bounds_remove(const char *lab)
{
	const char *root = old_groups() ? GROUPS_OLD : GROUPS;
	char prefix[80], path[STATE_ROOM + 256];
	int length = snprintf(prefix, sizeof(prefix), "baton-%s-", lab);
	struct dirent *entry;
	DIR *folder = opendir(root);

	while (folder && (entry = readdir(folder))) {
		/* "lab-two" is not a host of lab "lab". */
		if (strncmp(entry->d_name, prefix, (size_t)length) ||
		    strchr(entry->d_name + length, '-'))
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, entry->d_name);
		rmdir(path);
	}
	if (folder)
		closedir(folder);
}

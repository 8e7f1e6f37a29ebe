#include "load/tally.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const load_error_names[LOAD_ERROR_COUNT] = {
#define X(id, name, meaning) name,
	LOAD_ERRORS(X)
#undef X
};

const char *const load_error_meanings[LOAD_ERROR_COUNT] = {
#define X(id, name, meaning) meaning,
	LOAD_ERRORS(X)
#undef X
};

int tally_init(struct tally *tally)
{
	struct histogram **all[] = {&tally->latency, &tally->first_byte, &tally->connect,
				    &tally->late,    &tally->switched,	 &tally->stayed};

	memset(tally, 0, sizeof(*tally));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*all[i] = histogram_new();
		if (!*all[i]) {
			tally_release(tally);
			return -ENOMEM;
		}
	}
	return 0;
}

void tally_release(struct tally *tally)
{
	free(tally->latency);
	free(tally->first_byte);
	free(tally->connect);
	free(tally->late);
	free(tally->switched);
	free(tally->stayed);
	for (unsigned int i = 0; i < tally->class_count; i++)
		free(tally->classes[i].latency);
	free(tally->series);
	memset(tally, 0, sizeof(*tally));
}

unsigned int tally_node(struct tally *tally, const char *name, size_t length)
{
	unsigned int i;

	if (length >= NODE_NAME_ROOM)
		length = NODE_NAME_ROOM - 1;
	for (i = 0; i < tally->node_count; i++)
		if (!strncmp(tally->nodes[i].name, name, length) && !tally->nodes[i].name[length])
			return i;
	if (i == NODES_MOST)
		return NODES_MOST - 1;
	if (i == NODES_MOST - 1)
		name = "others", length = 6;
	memcpy(tally->nodes[i].name, name, length);
	tally->node_count++;
	return i;
}

int tally_class(struct tally *tally, const char *name)
{
	struct class_tally *class = &tally->classes[tally->class_count];

	if (tally->class_count == CLASSES_MOST)
		return -ENOSPC;
	snprintf(class->name, sizeof(class->name), "%s", name);
	class->latency = histogram_new();
	if (!class->latency)
		return -ENOMEM;
	return (int)tally->class_count++;
}

static const struct {
	const char *name;
	uint64_t below;
} sizes[] = {
	{"below 1 kB", 1000},	  {"1-10 kB", 10000},	     {"10-100 kB", 100000},
	{"100 kB-1 MB", 1000000}, {"from 1 MB", UINT64_MAX},
};

void tally_size_classes(struct tally *tally)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		tally_class(tally, sizes[i].name);
}

unsigned int tally_size_class(uint64_t bytes)
{
	unsigned int i = 0;

	while (bytes >= sizes[i].below)
		i++;
	return i;
}

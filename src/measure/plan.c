#include "measure/plan.h"

#include "base/clock.h"
#include "control/schema.h"

#include <stdio.h>
#include <string.h>

char *plan_word(const char *names, int index, char *text)
{
	while (index-- > 0)
		names += strcspn(names, "|") + 1;
	snprintf(text, PLAN_NAME, "%.*s", (int)strcspn(names, "|"), names);
	return text;
}

#define AT(member) offsetof(struct plan_subject, member)
static const struct field subject_fields[] = {
	{"kind", FIELD_CHOICE, AT(kind), .required = true, .choices = SUBJECT_KINDS},
	{"name", FIELD_NAME, AT(name), PLAN_NAME},
	{"cpu", FIELD_TEXT, AT(cpu), 64},
	{"kernel", FIELD_TEXT, AT(kernel), PATH_MAX},
	{"initrd", FIELD_TEXT, AT(initrd), PATH_MAX},
	{"command", FIELD_TEXT, AT(command), PATH_MAX},
	{"address", FIELD_TEXT, AT(address), 64},
	{"machine", FIELD_TEXT, AT(machine), 64},
	{"fail", FIELD_CHOICE, AT(fail), .choices = FAIL_NAMES},
	{"mean", FIELD_DURATION, AT(mean), .least = 0, .most = 60},
	{"external", FIELD_DURATION, AT(external), .least = 0, .most = 60},
	{0},
};
#undef AT

static void read_subjects(struct schema *schema, const struct schema_node *node, void *at)
{
	struct plan *plan = at;

	plan->subject_count = schema_count(schema, node, PLAN_SUBJECTS);
	for (unsigned int i = 0; i < plan->subject_count; i++) {
		const struct schema_node *item = schema_item(schema, node, i);
		struct plan_subject *subject = &plan->subjects[i];
		static const char kinds[] = SUBJECT_KINDS;
		char kind[PLAN_NAME];

		*subject = (struct plan_subject){.kind = -1, .mean = NS_PER_MS};
		schema_mapping(schema, item, subject_fields, subject);
		if (subject->kind < 0)
			continue;
		plan_word(kinds, subject->kind, kind);
		if (!*subject->name)
			strcpy(subject->name, kind);
		if (!strcmp(kind, "remote") && (!*subject->command || !*subject->address))
			schema_error(schema, schema_line(item), "kind",
				     "a remote machine needs 'command' (ssh HOST) and 'address'");
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(plan->subjects[j].name, subject->name))
				schema_error(schema, schema_line(item), "name",
					     "'%s' is there twice; give one another name",
					     subject->name);
	}
}

#define AT(member) offsetof(struct plan_workload, member)
static const struct field workload_fields[] = {
	{"type", FIELD_CHOICE, AT(type), .required = true, .choices = WORKLOAD_KINDS},
	{"name", FIELD_NAME, AT(name), PLAN_NAME},
	{"repeats", FIELD_COUNT, AT(repeats), .least = 1, .most = 10000},
	{"files", FIELD_COUNT, AT(files), .least = 1, .most = 100000},
	{"size", FIELD_COUNT, AT(size), .least = 1, .most = 4e9},
	{"direction", FIELD_CHOICE, AT(direction), .choices = DIRECTION_NAMES},
	{"count", FIELD_COUNT, AT(count), .least = 1, .most = 1e6},
	{"time", FIELD_DURATION, AT(time), .least = 0.1, .most = 600},
	{"omit", FIELD_DURATION, AT(omit), .least = 0, .most = 60},
	{0},
};
#undef AT

static void read_workloads(struct schema *schema, const struct schema_node *node, void *at)
{
	struct plan *plan = at;

	plan->workload_count = schema_count(schema, node, PLAN_WORKLOADS);
	for (unsigned int i = 0; i < plan->workload_count; i++) {
		const struct schema_node *item = schema_item(schema, node, i);
		struct plan_workload *work = &plan->workloads[i];
		char type[PLAN_NAME], direction[PLAN_NAME];

		*work = (struct plan_workload){.type = -1, .repeats = 5, .files = 1, .count = 1000};
		schema_mapping(schema, item, workload_fields, work);
		if (work->type < 0)
			continue;
		if (!work->size)
			work->size = work->type == DEMAND ? 8000000 : 1000;
		if (!work->time && work->type != ROUND_TRIP)
			work->time = 2 * NS_PER_S;
		plan_word(WORKLOAD_KINDS, work->type, type);
		plan_word(DIRECTION_NAMES, work->direction, direction);
		if (!*work->name &&
		    (work->type == SAMBA || work->type == GOODPUT || work->type == IPERF3))
			snprintf(work->name, PLAN_NAME, "%.20s-%s", type, direction);
		else if (!*work->name)
			strcpy(work->name, type);
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(plan->workloads[j].name, work->name))
				schema_error(schema, schema_line(item), "name",
					     "'%s' is there twice; give one another name",
					     work->name);
	}
}

/* A list of words, each once. Returns how many. */
static unsigned int read_words(struct schema *schema, const struct schema_node *node,
			       const char *key, const char *choices, unsigned int most, int *at)
{
	const struct field field = {key, FIELD_CHOICE, .choices = choices};
	unsigned int count = schema_count(schema, node, most);

	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, node, i);

		if (!schema_value(schema, item, &field, &at[i]))
			continue;
		for (unsigned int j = 0; j < i; j++)
			if (at[j] == at[i])
				schema_error(schema, schema_line(item), key,
					     "has a word twice; remove one");
	}
	return count;
}

static void read_networks(struct schema *schema, const struct schema_node *node, void *at)
{
	struct plan *plan = at;

	plan->network_count =
		read_words(schema, node, "networks", NETWORK_NAMES, NETWORK_COUNT, plan->networks);
}

static void read_vantages(struct schema *schema, const struct schema_node *node, void *at)
{
	struct plan *plan = at;

	plan->vantage_count =
		read_words(schema, node, "vantages", VANTAGE_NAMES, VANTAGE_COUNT, plan->vantages);
}

static void read_memory(struct schema *schema, const struct schema_node *node, void *at)
{
	static const struct field field = {"memory", FIELD_COUNT, .least = 64 << 20, .most = 64e9};
	struct plan *plan = at;

	plan->memory_count = schema_count(schema, node, PLAN_MEMORIES);
	for (unsigned int i = 0; i < plan->memory_count; i++)
		schema_value(schema, schema_item(schema, node, i), &field, &plan->memories[i]);
}

static void read_weights(struct schema *schema, const struct schema_node *node, void *at)
{
#define AT(member) offsetof(struct plan_weights, member)
	static const struct field fields[] = {
		{"internal", FIELD_SMALL, AT(internal), .least = 0, .most = 1000},
		{"external", FIELD_SMALL, AT(external), .least = 0, .most = 1000},
		{"file", FIELD_SMALL, AT(file), .least = 0, .most = 1000},
		{"web", FIELD_SMALL, AT(web), .least = 0, .most = 1000},
		{0},
	};
#undef AT
	struct plan_weights *weights = at;

	schema_mapping(schema, node, fields, weights);
	if (!(weights->internal + weights->external) || !(weights->file + weights->web))
		schema_error(schema, schema_line(node), "weights",
			     "are all 0; give internal or external, and file or web, a share");
}

#define AT(member) offsetof(struct plan, member)
static const struct field plan_fields[] = {
	{"name", FIELD_NAME, AT(name), PLAN_NAME},
	{"seed", FIELD_COUNT, AT(seed)},
	{"rounds", FIELD_COUNT, AT(rounds), .least = 1, .most = 1000},
	{"warm_up", FIELD_COUNT, AT(warm_up), .least = 0, .most = 100},
	{"host_memory", FIELD_COUNT, AT(host_memory), .least = 0, .most = 1e12},
	{"pin", FIELD_BOOL, AT(pin)},
	{"rate", FIELD_COUNT, AT(rate), .least = 0, .most = 1e12},
	{"boot_timeout", FIELD_DURATION, AT(boot_timeout), .least = 1, .most = 3600},
	{"timeout", FIELD_DURATION, AT(timeout), .least = 1, .most = 86400},
	{"root", FIELD_TEXT, AT(root), PATH_MAX},
	{"subjects", FIELD_OTHER, 0, .required = true, .read = read_subjects},
	{"networks", FIELD_OTHER, 0, .read = read_networks},
	{"memory", FIELD_OTHER, 0, .read = read_memory},
	{"vantages", FIELD_OTHER, 0, .read = read_vantages},
	{"workloads", FIELD_OTHER, 0, .required = true, .read = read_workloads},
	{"weights", FIELD_OTHER, AT(weights), .read = read_weights},
	{0},
};
#undef AT

bool plan_parse(struct plan *plan, const char *name, const char *text, size_t length,
		struct buffer *errors)
{
	struct schema *schema;

	*plan = (struct plan){
		.name = "plan",
		.seed = 1,
		.rounds = 1,
		.warm_up = 1,
		.boot_timeout = 180 * NS_PER_S,
		.timeout = 600 * NS_PER_S,
		.networks = {NETWORK_NAT, NETWORK_TAP},
		.network_count = 2,
		.memories = {256 << 20},
		.memory_count = 1,
		.vantages = {INTERNAL, EXTERNAL},
		.vantage_count = 2,
		.weights = {50, 50, 50, 50},
	};
	schema = schema_open(name, text, length, errors);
	if (!schema)
		return false;
	if (!schema_root(schema))
		schema_error(schema, 1, NULL, "the plan is empty; give it subjects and workloads");
	else
		schema_mapping(schema, schema_root(schema), plan_fields, plan);
	schema_close(schema);
	return !errors->length;
}

static bool same_subject(const struct plan_subject *a, const struct plan_subject *b)
{
	return a->kind == b->kind && a->fail == b->fail && a->mean == b->mean &&
	       a->external == b->external && !strcmp(a->cpu, b->cpu) &&
	       !strcmp(a->kernel, b->kernel) && !strcmp(a->initrd, b->initrd) &&
	       !strcmp(a->command, b->command) && !strcmp(a->address, b->address) &&
	       !strcmp(a->machine, b->machine);
}

static bool same_workload(const struct plan_workload *a, const struct plan_workload *b)
{
	return a->type == b->type && a->files == b->files && a->size == b->size &&
	       a->direction == b->direction && a->count == b->count && a->time == b->time &&
	       a->omit == b->omit;
}

const char *plan_conflict(const struct plan *old, const struct plan *now)
{
	if (old->rate != now->rate)
		return "rate";
	if (old->host_memory != now->host_memory)
		return "host_memory";
	if (old->pin != now->pin)
		return "pin";
	if (strcmp(old->root, now->root))
		return "root";
	for (unsigned int i = 0; i < old->subject_count; i++)
		for (unsigned int j = 0; j < now->subject_count; j++)
			if (!strcmp(old->subjects[i].name, now->subjects[j].name) &&
			    !same_subject(&old->subjects[i], &now->subjects[j]))
				return now->subjects[j].name;
	for (unsigned int i = 0; i < old->workload_count; i++)
		for (unsigned int j = 0; j < now->workload_count; j++)
			if (!strcmp(old->workloads[i].name, now->workloads[j].name) &&
			    !same_workload(&old->workloads[i], &now->workloads[j]))
				return now->workloads[j].name;
	return NULL;
}

uint64_t plan_repetitions(const struct plan *plan)
{
	uint64_t repeats = 0;

	for (unsigned int i = 0; i < plan->workload_count; i++)
		repeats += plan->workloads[i].repeats;
	return repeats * plan->subject_count * plan->network_count * plan->memory_count *
	       plan->vantage_count;
}

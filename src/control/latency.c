#include "control/latency.h"

#include <math.h>
#include <string.h>

json_t *latency_json(const struct latency *latency)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < TIMES_BUCKETS; i++)
		if (latency->buckets[i])
			json_array_append_new(
				list, json_pack("[i, I]", i, (json_int_t)latency->buckets[i]));
	return list;
}

void latency_add(struct latency *latency, const json_t *list)
{
	json_t *pair;
	size_t i;

	json_array_foreach (list, i, pair) {
		json_int_t bucket = json_integer_value(json_array_get(pair, 0));
		json_int_t count = json_integer_value(json_array_get(pair, 1));

		if (bucket < 0 || bucket >= TIMES_BUCKETS || count < 0)
			continue;
		latency->buckets[bucket] += (uint64_t)count;
		latency->count += (uint64_t)count;
	}
}

void latency_since(struct latency *grown, const struct latency *before, const struct latency *now)
{
	memset(grown, 0, sizeof(*grown));
	for (unsigned int i = 0; i < TIMES_BUCKETS; i++) {
		if (now->buckets[i] < before->buckets[i]) {
			*grown = *now;
			return;
		}
		grown->buckets[i] = now->buckets[i] - before->buckets[i];
	}
	grown->count = now->count - before->count;
}

double latency_at(const struct latency *latency, double share)
{
	double wanted = share * (double)latency->count, below = 0;

	if (!latency->count)
		return 0;
	for (unsigned int i = 0; i < TIMES_BUCKETS; i++) {
		double here = (double)latency->buckets[i];
		double from = i ? (double)times_bound(i - 1) : 0;
		double to = i < TIMES_BUCKETS - 1 ? (double)times_bound(i) : from;

		if (here > 0 && below + here >= wanted)
			return from + (to - from) * (wanted > below ? (wanted - below) / here : 0);
		below += here;
	}
	return 0;
}

json_t *latency_shares(const struct latency *latency)
{
	if (!latency->count)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f}", "p50", round(latency_at(latency, 0.5) / 100) / 10,
			 "p90", round(latency_at(latency, 0.9) / 100) / 10, "p99",
			 round(latency_at(latency, 0.99) / 100) / 10, "p999",
			 round(latency_at(latency, 0.999) / 100) / 10);
}

static void add_node(struct latency *latency, const json_t *node, const char *key)
{
	json_t *service;
	size_t i;

	memset(latency, 0, sizeof(*latency));
	json_array_foreach (json_object_get(node, "services"), i, service)
		latency_add(latency, json_object_get(service, key));
}

double latency_between(const json_t *before, const json_t *now, const char *key, double share)
{
	struct latency old, new, grown;

	add_node(&old, before, key);
	add_node(&new, now, key);
	latency_since(&grown, &old, &new);
	return before && grown.count ? latency_at(&grown, share) / 1e3 : NAN;
}

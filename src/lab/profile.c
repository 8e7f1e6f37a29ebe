#include "lab/profile.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/parameters.h"
#include "lab/bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cable's rate counts whole frames, goodput what TCP carries in them: an MTU of 1500 with
 * Ethernet's header, less the headers of Ethernet, IPv4 and TCP with time stamps. */
enum { FRAME = 1514, PAYLOAD = FRAME - 14 - 20 - 32 };

/* "node" or "node1" ... Returns whether it is one of the lab's. */
static bool is_node(const char *host, uint64_t nodes)
{
	char *end;
	unsigned long number;

	if (strncmp(host, "node", 4))
		return false;
	number = strtoul(host + 4, &end, 10);
	return !host[4] || (!*end && number >= 1 && number <= nodes && host[4] != '0');
}

static int read_one(struct lab_profile *profile, const char *word, uint64_t nodes)
{
	static const struct option_list none;
	struct buffer reason = BUFFER_EMPTY;
	struct parameters parameters;
	const char *equal = strchr(word, '='), *slash = strchr(word, '/'), *file = word;
	double mbit;
	int error;

	strcpy(profile->host, "node");
	if (equal && (!slash || equal < slash)) {
		snprintf(profile->host, sizeof(profile->host), "%.*s", (int)(equal - word), word);
		file = equal + 1;
	}
	if (!is_node(profile->host, nodes))
		return misused("--profile %s: %s is no node of this lab; name node, or node1 to "
			       "node%lu",
			       word, profile->host, (unsigned long)nodes);
	error = parameters_read(&parameters, PARAMETERS_MEASURED, file, &none, &reason);
	if (error) {
		error = misused("--profile %s: %s", word, reason.length ? reason.data : "?");
		buffer_release(&reason);
		return error;
	}
	mbit = parameter(&parameters, "link_mbit");
	if (mbit < 0.1 || mbit > 1e6 || parameter(&parameters, "rtt_us") < 0 ||
	    parameter(&parameters, "rtt_us") > 1e7)
		return misused("--profile %s: link_mbit must be 0.1 to 1,000,000, rtt_us at most "
			       "10 s; 'baton measure profile' prints both",
			       word);
	snprintf(profile->rate, sizeof(profile->rate), "%s=%.0f", profile->host,
		 mbit * 1e6 * FRAME / PAYLOAD);
	profile->delay = (uint64_t)(parameter(&parameters, "rtt_us") * NS_PER_US / 2);
	return 0;
}

int profiles_read(struct profiles *profiles, const struct option_list *words, uint64_t nodes)
{
	if (words->count > PROFILES_MAX)
		return misused("--profile: at most %d of them", PROFILES_MAX);
	for (unsigned int i = 0; i < words->count; i++) {
		int error = read_one(&profiles->items[profiles->count++], words->items[i], nodes);

		if (error)
			return error;
	}
	return 0;
}

int profiles_rates(const struct profiles *profiles, struct option_list *rate)
{
	const unsigned int room = sizeof(rate->items) / sizeof(rate->items[0]);

	if (profiles->count + rate->count > room)
		return misused("--rate and --profile: at most %u together", room);
	memmove(rate->items + profiles->count, rate->items, rate->count * sizeof(*rate->items));
	for (unsigned int i = 0; i < profiles->count; i++)
		rate->items[i] = profiles->items[i].rate;
	rate->count += profiles->count;
	return 0;
}

uint64_t profiles_delay(const struct profiles *profiles, const char *host)
{
	uint64_t delay = 0;

	for (unsigned int i = 0; i < profiles->count; i++)
		if (bounds_of(profiles->items[i].host, strlen(profiles->items[i].host), host))
			delay = profiles->items[i].delay;
	return delay;
}

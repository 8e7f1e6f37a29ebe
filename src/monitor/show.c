#include "monitor/show.h"
#include "base/clock.h"
#include "base/plot.h"
#include "base/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
	putchar('\n');
	fflush(stdout);
	json_decref(object);
}

static void json_interval(struct show *show, const struct source *source, unsigned int number,
			  uint64_t wall, double seconds)
{
	json_t *object = counts_json(&source->interval, &source->watched);
	uint64_t dropped = source->dropped - show->dropped[number];

	json_object_set_new(object, "time", json_real((double)wall / 1e9));
	json_object_set_new(object, "seconds", json_real(seconds));
	json_object_set_new(object, "host", json_string(source->name));
	if (source->device[0])
		json_object_set_new(object, "device", json_string(source->device));
	json_object_set_new(object, "dropped", json_integer((json_int_t)dropped));
	print_json(object);
}

static void print_rate(const struct count *count, double seconds)
{
	char packets[32], bytes[32];

	printf(" %6s %6s", text_short((double)count->packets / seconds, packets),
	       text_short((double)count->bytes / seconds, bytes));
}

static void print_head(const struct show *show, unsigned int classes)
{
	printf("%-8s", "");
	if (show->hosts)
		printf(" %-10s", "");
	for (unsigned int i = 0; i < classes; i++)
		printf(" %13s", traffic_titles[i]);
	printf("\n%-8s", "time");
	if (show->hosts)
		printf(" %-10s", "host");
	for (unsigned int i = 0; i < classes; i++)
		printf(" %6s %6s", "pkt/s", "B/s");
	printf("\n");
}

void show_interval(struct show *show, const struct source *source, unsigned int number,
		   uint64_t wall, double seconds)
{
	unsigned int classes = show->all ? TRAFFIC_CLASS_COUNT : TRAFFIC_PAPER_COUNT;
	time_t whole = (time_t)(wall / NS_PER_S);
	struct tm local;
	char when[16];

	if (show->json) {
		json_interval(show, source, number, wall, seconds);
		show->dropped[number] = source->dropped;
		return;
	}
	if (show->rows++ % 20 == 0)
		print_head(show, classes);
	localtime_r(&whole, &local);
	strftime(when, sizeof(when), "%H:%M:%S", &local);
	printf("%-8s", when);
	if (show->hosts)
		printf(" %-10.10s", source->name);
	for (unsigned int i = 0; i < classes; i++)
		print_rate(&source->interval.classes[i], seconds);
	if (source->dropped > show->dropped[number])
		printf("  %llu dropped",
		       (unsigned long long)(source->dropped - show->dropped[number]));
	printf("\n");
	for (unsigned int i = 0; i < source->watched.count; i++) {
		printf("  %-6.6s", source->watched.items[i].name);
		print_rate(&source->interval.watched[i], seconds);
		printf("\n");
	}
	show->dropped[number] = source->dropped;
	fflush(stdout);
}

static void json_summary(const struct source *sources, unsigned int count, double seconds)
{
	json_t *object = json_object(), *hosts = json_object();
	struct counts sum = {0};
	uint64_t received = 0, dropped = 0;

	for (unsigned int i = 0; i < count; i++) {
		counts_merge(&sum, &sources[i].total);
		received += sources[i].received;
		dropped += sources[i].dropped;
		json_object_set_new(hosts, sources[i].name,
				    counts_json(&sources[i].total, &sources[i].watched));
	}
	json_object_set_new(object, "summary", counts_json(&sum, &sources[0].watched));
	if (count > 1)
		json_object_set(object, "hosts", hosts);
	json_decref(hosts);
	json_object_set_new(object, "seconds", json_real(seconds));
	json_object_set_new(object, "received", json_integer((json_int_t)received));
	json_object_set_new(object, "dropped", json_integer((json_int_t)dropped));
	print_json(object);
}

static void add_row(struct table *table, const char *host, const char *name,
		    const struct count *count, const struct count *total, double seconds)
{
	char bytes[16], rate[32];

	table_row(table, "%s%s%s|%llu|%llu|%s|%.1f %%|%s", host ? host : "", host ? "|" : "", name,
		  (unsigned long long)count->packets, (unsigned long long)count->bytes,
		  text_bytes((double)count->bytes, bytes),
		  total->bytes ? 100.0 * (double)count->bytes / (double)total->bytes : 0.0,
		  text_short(seconds > 0 ? (double)count->packets / seconds : 0, rate));
}

void show_summary(struct show *show, const struct source *sources, unsigned int count,
		  double seconds)
{
	static const char columns[] = "class|>packets|>bytes|>|>of bytes|>packets/s";
	struct table *table;

	if (show->json) {
		json_summary(sources, count, seconds);
		return;
	}
	if (show->rows)
		printf("\n");
	if (count > 1) {
		char with_host[sizeof(columns) + 8];

		snprintf(with_host, sizeof(with_host), "host|%s", columns);
		table = table_new(with_host);
	} else {
		table = table_new(columns);
	}
	for (unsigned int s = 0; table && s < count; s++) {
		const struct counts *total = &sources[s].total;
		const struct count *all = &total->classes[TRAFFIC_TOTAL];
		const char *host = count > 1 ? sources[s].name : NULL;

		for (unsigned int i = 0; i < TRAFFIC_CLASS_COUNT; i++)
			add_row(table, host, traffic_titles[i], &total->classes[i], all, seconds);
		for (unsigned int i = 0; i < BATON_TYPES; i++)
			if (total->messages[i])
				table_row(table, "%s%s  %s|%llu", host ? host : "", host ? "|" : "",
					  message_name(i), (unsigned long long)total->messages[i]);
		for (unsigned int i = 0; i < sources[s].watched.count; i++)
			add_row(table, host, sources[s].watched.items[i].name, &total->watched[i],
				all, seconds);
	}
	if (table)
		table_print(table, stdout);
	printf("\nIP holds IPv4 and IPv6, and TCP; Other is neither IP nor ARP. Classes follow the "
	       "outermost\nheader behind VLAN tags; bytes are those on the wire.\n");
	for (unsigned int s = 0; s < count; s++)
		if (sources[s].dropped)
			printf("%s: %llu packets dropped: not counted above; a larger --buffer "
			       "helps\n",
			       sources[s].name, (unsigned long long)sources[s].dropped);
}

/* "10.0.0.1/24"; mask NULL: the address alone. */
static void address_words(const struct sockaddr *address, const struct sockaddr *mask, char *text,
			  size_t room)
{
	const unsigned char *bits;
	unsigned int length, count = 0;
	size_t used;

	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
			  (socklen_t)room);
		bits = mask ? (const void *)&((const struct sockaddr_in *)mask)->sin_addr : NULL;
		length = 4;
	} else {
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
			  (socklen_t)room);
		bits = mask ? (const void *)&((const struct sockaddr_in6 *)mask)->sin6_addr : NULL;
		length = 16;
	}
	for (unsigned int i = 0; bits && i < length; i++)
		count += (unsigned int)__builtin_popcount(bits[i]);
	used = strlen(text);
	if (bits)
		snprintf(text + used, room - used, "/%u", count);
}

static const char *state_words(const pcap_if_t *device)
{
	return device->flags & PCAP_IF_RUNNING ? "running"
	       : device->flags & PCAP_IF_UP    ? "up"
					       : "down";
}

static bool has_words(const pcap_addr_t *address)
{
	return address->addr &&
	       (address->addr->sa_family == AF_INET || address->addr->sa_family == AF_INET6);
}

static void json_devices(const pcap_if_t *all)
{
	json_t *list = json_array();
	char text[96];

	for (const pcap_if_t *d = all; d; d = d->next) {
		json_t *addresses = json_array();

		for (const pcap_addr_t *a = d->addresses; a; a = a->next) {
			if (!has_words(a))
				continue;
			address_words(a->addr, a->netmask, text, sizeof(text));
			json_array_append_new(addresses, json_string(text));
		}
		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:s, s:b}", "name", d->name,
						"addresses", addresses, "state", state_words(d),
						"loopback", (int)(d->flags & PCAP_IF_LOOPBACK)));
	}
	print_json(json_pack("{s:o}", "devices", list));
}

static void table_devices(const pcap_if_t *all)
{
	struct table *table = table_new("device|address/mask|state|");
	char text[96];

	for (const pcap_if_t *d = all; table && d; d = d->next) {
		const char *name = d->name, *about = d->description ? d->description : "";

		for (const pcap_addr_t *a = d->addresses; a; a = a->next) {
			if (!has_words(a))
				continue;
			address_words(a->addr, a->netmask, text, sizeof(text));
			table_row(table, "%s|%s|%s|%s", name, text, *name ? state_words(d) : "",
				  about);
			name = about = "";
		}
		if (*name)
			table_row(table, "%s||%s|%s", name, state_words(d), about);
	}
	if (table)
		table_print(table, stdout);
}

int show_devices(bool json, char *why)
{
	pcap_if_t *all;

	if (pcap_findalldevs(&all, why))
		return -EIO;
	if (json)
		json_devices(all);
	else
		table_devices(all);
	pcap_freealldevs(all);
	return 0;
}

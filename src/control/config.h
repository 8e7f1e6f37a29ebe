/* The configuration: one YAML file for the whole cluster, read by every daemon.
 * docs/configuration.md tells each key; the tables in config.c are what is checked. */
#ifndef BATON_CONTROL_CONFIG_H
#define BATON_CONTROL_CONFIG_H

#include "base/buffer.h"
#include "control/endpoint.h"
#include "wire/cluster.h"
#include "wire/rules.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	CONFIG_NAME = 32,	/* of a cluster, node, service; the ending included */
	CONFIG_NODES = 1024,	/* nodes in one file */
	CONFIG_SERVICES = 64,	/* services in one file */
	CONFIG_DISPATCHERS = 8, /* on hosts of their own */
	CONFIG_SOURCES = 64,	/* in `allow` and `deny` of one service */
	CONFIG_VIPS = 16,	/* addresses of one service */
	CONFIG_POOLS = 8,	/* of one service, its own nodes not counted */
	CONFIG_RULES = RULES_MAX,
	CONFIG_RULE_TEXT = RULE_TEXT_MAX + 1, /* a text of a rule, the ending included */
	CONFIG_RULE_METHOD = 33,
	CONFIG_SEGMENTS_ALL = 100, /* of a path */
	/* Places for pools: with as many again as a file may have, one that is new never takes the
	   place of one that just goes. */
	CONFIG_POOL_SLOTS = SERVICE_POOLS_MAX,
};

/* The words of choices, in the order of the enumerations below (forward and release: of
 * wire/cluster.h). */
#define CONFIG_XDPS	 "auto|native|generic"
#define CONFIG_PROTOCOLS "http|tls|tcp|udp"
#define CONFIG_TARGETS	 "path|url"
#define CONFIG_PLACES	 "inline|spread|dns"
#define CONFIG_FORWARDS	 "direct|tunnel|nat"
#define CONFIG_RELEASES	 "rst|fin"
#define CONFIG_SCHEDULES "flow|packet"
#define CONFIG_HEALTHS	 "none|tcp|http"
#define CONFIG_LOGS	 "none|combined|json"

enum xdp_choice { XDP_AUTO, XDP_NATIVE, XDP_GENERIC };
enum protocol_choice { PROTOCOL_HTTP, PROTOCOL_TLS, PROTOCOL_TCP, PROTOCOL_UDP };
enum target_choice { TARGET_PATH, TARGET_URL };
enum place_choice { PLACE_INLINE, PLACE_SPREAD, PLACE_DNS };
enum schedule_choice { SCHEDULE_FLOW, SCHEDULE_PACKET };
enum health_choice { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP };
enum log_choice { LOG_NONE, LOG_COMBINED, LOG_JSON };

/* The slow path: first requests that are not whole in one segment. */
struct config_slow {
	uint64_t size;	/* bytes of a head, or ClientHello */
	uint64_t time;	/* ns that it may take */
	uint64_t flows; /* so many at once */
};

enum { CONFIG_SLOW_TIME_MOST_S = 60 };

enum { CONFIG_SOURCE_TEXT = 64 };

struct config_front {
	char name[CONFIG_NAME];
	uint32_t number; /* among the cluster's fronts, from 0: its place in the file */
	char interface[IFNAMSIZ];
	struct address address, address6; /* zero: none */
	int xdp;			  /* enum xdp_choice */
	uint64_t flows;			  /* room of the flow table */
	uint64_t idle;			  /* ns after which a silent flow is forgotten */
	uint64_t who_has;		  /* questions a second and CPU for flows not known */
	struct endpoint control, http;	  /* port 0: none */
	struct config_slow slow;
	int line;
};

struct config_node {
	char name[CONFIG_NAME];
	char interface[IFNAMSIZ];
	struct address address, address6; /* zero: none */
	uint32_t weight;
	int line;
};

/* A dispatcher on a host of its own. */
struct config_dispatcher {
	char name[CONFIG_NAME];
	char interface[IFNAMSIZ];
	struct address address, address6; /* zero: none */
	int xdp;			  /* enum xdp_choice */
	struct endpoint control;	  /* where nodes tell it their load */
	int line;
};

struct config_health {
	int type; /* enum health_choice */
	char path[256], host[256];
	uint64_t interval, timeout; /* ns */
	uint64_t slow_start;	    /* ns in which a node that comes back gets its whole share */
	uint32_t rise, fall;
};

/* Nodes that rules give requests to, and how one of them is chosen. */
struct config_pool {
	char name[CONFIG_NAME]; /* empty: not used */
	char policy[CONFIG_NAME];
	bool node[CONFIG_NODES];
};

/* What is empty matches everything. */
struct config_rule {
	char host[CONFIG_RULE_TEXT]; /* lower-case; "*.name": all below */
	char path[CONFIG_RULE_TEXT]; /* what it begins with */
	char suffix[CONFIG_RULE_TEXT];
	char method[CONFIG_RULE_METHOD];
	char header[CONFIG_RULE_TEXT];
	char value[CONFIG_RULE_TEXT]; /* of the header; "text*": what it begins with */
	char pool[CONFIG_NAME];	      /* empty: the service's own */
};

/* Clients that may, or may not, use a service: the longest prefix decides. */
struct config_source {
	struct address address;
	uint32_t bits; /* 0 .. 128; of an IPv4 address 96 and more */
	bool deny;
};

struct config_service {
	char name[CONFIG_NAME];
	struct address addresses[CONFIG_VIPS];
	unsigned int address_count;
	uint32_t port;
	int protocol; /* enum protocol_choice */
	char policy[CONFIG_NAME];
	uint64_t window;	 /* of tls-affinity, ns; 0: the policy's own */
	uint64_t decay;		 /* of ds: the time constant of a target's rate; the same */
	bool node[CONFIG_NODES]; /* by index in `nodes`: serves this service */
	int target;		 /* enum target_choice */
	uint32_t path_segments;	 /* that are part of it; CONFIG_SEGMENTS_ALL: all */
	int place;		 /* enum place_choice */
	int forward;		 /* enum forward_kind */
	int release;		 /* enum release_kind */
	int schedule;		 /* enum schedule_choice, of UDP */
	bool switching;		 /* later requests may go to another node */
	struct config_source sources[CONFIG_SOURCES];
	unsigned int source_count;
	uint32_t source_rate, source_connections; /* of one client's address; 0: no limit */
	struct config_health health;
	struct config_pool pools[CONFIG_POOL_SLOTS]; /* there may be unused ones between */
	struct config_rule rules[CONFIG_RULES];	     /* the first that matches holds */
	unsigned int rule_count;
	int line;
};

/* What of a request is its target, as struct service says it: see enum service_target. */
static inline uint32_t config_target(const struct config_service *service)
{
	if (service->target == TARGET_URL)
		return SERVICE_TARGET_URL;
	return service->path_segments == CONFIG_SEGMENTS_ALL ? SERVICE_TARGET_PATH
							     : 1 + service->path_segments;
}

/* The nodes' access log. */
struct config_log {
	bool on;	 /* single requests are told of at all */
	int format;	 /* enum log_choice; LOG_NONE: only status and page show them */
	char to[256];	 /* a path ({node} in it is the node's name), "stdout" or "syslog" */
	uint64_t rotate; /* a file of so many bytes is put aside; 0: never */
	uint32_t keep;	 /* files put aside that are kept */
};

struct config {
	char name[CONFIG_NAME];
	char key_file[256];
	uint32_t port;	       /* UDP, of the Baton header */
	struct address origin; /* where cache nodes fetch misses; zero: none */
	struct config_front fronts[FRONTS_MAX];
	unsigned int front_count;
	struct config_front front; /* the one that this host is; the first if it is none */
	struct config_node *nodes;
	unsigned int node_count;
	struct config_dispatcher dispatchers[CONFIG_DISPATCHERS]; /* none: the front is it */
	unsigned int dispatcher_count;
	struct config_service *services;
	unsigned int service_count;
	struct config_log log;
};

/* Checks `text` and fills `config`. Errors, one line each with file, line and key, go to `errors`;
 * returns 0 or -EINVAL, and `config` is empty then. Release it either way. */
int config_parse(struct config *config, const char *name, const char *text, size_t length,
		 struct buffer *errors);

/* The same with a file. Besides: -errno, with a line in `errors`, if it can't be read. */
int config_read(struct config *config, const char *path, struct buffer *errors);

void config_release(struct config *config);

/* The word of a choice; `text` holds CONFIG_NAME bytes. Returns text. */
char *config_choice(const char *choices, int index, char *text);

/* Reads ADDRESS or ADDRESS/BITS; -EINVAL if it is neither, or has bits behind its prefix. */
int config_source_parse(const char *text, struct config_source *source);

/* The same as text, of CONFIG_SOURCE_TEXT bytes at most. Returns text. */
char *config_source_text(const struct config_source *source, char *text);

/* Whether several fronts have the same addresses, so that any may get a connection's packets. With
 * `place: dns` each has its own. */
bool config_fronts_share(const struct config *config);

/* Makes `front` the one of that name. Returns whether there is one. */
bool config_front_choose(struct config *config, const char *name);

/* NULL if there is none of that name. */
const struct config_node *config_node_named(const struct config *config, const char *name);
const struct config_dispatcher *config_dispatcher_named(const struct config *config,
							const char *name);
const struct config_service *config_service_named(const struct config *config, const char *name);

/* The cluster's keys: one or two lines of 64 hexadecimal digits. The first is what is sent with,
 * both are taken. A key has a slot, by whether its last digit is even or odd, and two keys in one
 * file must not have the same: so every host means the same key by a slot, wherever its file
 * stands. To change keys: add the new one as second line on every host, then exchange the lines,
 * then remove the old one. */
struct config_keys {
	unsigned char keys[2][32];
	unsigned int count;
};

/* 0 or 1. */
unsigned int config_key_slot(const unsigned char key[32]);

/* "1/0": how many keys are taken, and the slot of that which is sent with. */
char *config_keys_text(const struct config_keys *keys, char text[8]);

/* Reads the key file, which nobody but its owner may read; "credential:NAME" is a systemd
 * credential. Returns 0 or -EINVAL / -errno with a line in `errors` that says what to do. */
int config_keys_read(const char *path, struct config_keys *keys, struct buffer *errors);

#endif

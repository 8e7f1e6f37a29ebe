/* The part of a configuration that says which pool of a service a request goes to: `pools` and
 * `rules`. */
#ifndef BATON_CONTROL_CONFIG_RULES_H
#define BATON_CONTROL_CONFIG_RULES_H

#include "control/config.h"
#include "control/schema.h"

/* Reads the lists `pools` and `rules` (NULL: not given) of a service whose other keys are read
 * already, and checks what they say of each other. The nodes of `config` must be known. */
void config_rules_read(struct schema *schema, const struct config *config,
		       struct config_service *service, const struct schema_node *pools,
		       const struct schema_node *rules);

/* Sets `node` for the nodes of `config` that the list names, for all if it is NULL. */
void config_nodes_of(struct schema *schema, const struct config *config,
		     const struct schema_node *list, bool node[CONFIG_NODES]);

/* "path /api/, header X-Api"; as much of it as `room` bytes hold. Returns text. */
char *config_rule_describe(const struct config_rule *rule, char *text, size_t room);

#endif

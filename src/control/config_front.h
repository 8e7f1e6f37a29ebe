/* The fronts of a configuration: `front`, or `fronts` where there are several. */
#ifndef BATON_CONTROL_CONFIG_FRONT_H
#define BATON_CONTROL_CONFIG_FRONT_H

#include "control/config.h"
#include "control/schema.h"

/* Read one front, or a list of them, into the struct config `at`; errors go to the schema's. */
void config_front_read(struct schema *schema, const struct schema_node *node, void *at);
void config_fronts_read(struct schema *schema, const struct schema_node *list, void *at);

/* When the file has been read: there is a front, and what fronts must have in common or must not.
 * Makes the first one config->front. */
void config_fronts_check(struct schema *schema, struct config *config);

/* A service with `place: dns`: it has an address of each front. */
void config_dns_check(struct schema *schema, const struct config *config,
		      const struct config_service *service);

#endif

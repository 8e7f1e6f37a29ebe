/* Who may use a service: `allow` and `deny` of the configuration. */
#ifndef BATON_CONTROL_CONFIG_SOURCE_H
#define BATON_CONTROL_CONFIG_SOURCE_H

#include "control/config.h"
#include "control/schema.h"

/* Adds a list of addresses and networks to the service's sources; errors go to the schema's. */
void config_sources_read(struct schema *schema, const struct schema_node *list,
			 struct config_service *service, bool deny);

#endif

/* The part of a configuration that names dispatchers on hosts of their own: `dispatchers`. */
#ifndef BATON_CONTROL_CONFIG_DISPATCHERS_H
#define BATON_CONTROL_CONFIG_DISPATCHERS_H

#include "control/config.h"
#include "control/schema.h"

/* Reads the list. The nodes and the front of `config` must be known: nobody else may have a
 * dispatcher's name or address. */
void config_dispatchers_read(struct schema *schema, const struct schema_node *list,
			     struct config *config);

#endif

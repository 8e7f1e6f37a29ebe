/* Makes of a service's rules what the programs go by (wire/rules.h). */
#ifndef BATON_CONTROL_RULES_H
#define BATON_CONTROL_RULES_H

#include "bpf/rules.h"
#include "control/config.h"

/* Fills the table with the rules of the service of that id. A rule whose pool is gone names the
 * service's own. */
void rules_make(struct rule_table *table, const struct config_service *settings, uint32_t service);

/* The id of the pool that a rule of that service names. */
uint32_t rules_pool(const struct config_service *settings, uint32_t service, const char *pool);

#endif

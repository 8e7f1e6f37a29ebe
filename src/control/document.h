/* The running cluster written as its configuration: what `service list` and `node list` show, and
 * what a command changes. A change is made in this document, which then goes the same way as the
 * file: so a command can do nothing that the file can't, and errors read alike. (JSON is YAML.) */
#ifndef BATON_CONTROL_DOCUMENT_H
#define BATON_CONTROL_DOCUMENT_H

#include "control/registry.h"

/* The whole as JSON with the file's keys; a new reference. The section of the cluster and that of
 * the front come from `config`. */
json_t *document_make(const struct registry *registry, const struct config *config);

/* The entry called `name` of the document's list "nodes" or "services", borrowed, and where it is;
 * or NULL. */
json_t *document_find(json_t *document, const char *list, const char *name, size_t *index);

#endif

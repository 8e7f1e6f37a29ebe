/* Reads the beginning of a connection of any length by the very lines that read a first segment in
 * the kernel (bpf/first_request.h), so that a request goes to one node however long it is and
 * however it was cut. */
#ifndef BATON_FRONT_HEAD_H
#define BATON_FRONT_HEAD_H

#include "bpf/first_request.h"
#include "control/config.h"

enum { HEAD_MOST = 32768 }; /* bytes that are looked at */

/* Fills pool, target, carp and md5 of `query` from bytes[0, length), by the protocol and the rules
 * of the service whose id is `service`, and says whether they were enough. `rule`, if not NULL, is
 * the number, from 1, of the rule that matched; 0 none. Not reentrant. */
enum first_request head_read(const uint8_t *bytes, uint32_t length,
			     const struct config_service *settings, uint32_t service,
			     struct place_query *query, unsigned int *rule);

/* The same for a TLS server name by itself. */
void head_read_name(const char *name, const struct config_service *settings, uint32_t service,
		    struct place_query *query, unsigned int *rule);

#endif

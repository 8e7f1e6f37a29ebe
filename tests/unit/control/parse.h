/* Configurations from texts, for the tests of its parts. */
#ifndef BATON_TESTS_PARSE_H
#define BATON_TESTS_PARSE_H

#include "../unit.h"

#include "control/config.h"

#include <errno.h>
#include <string.h>

static inline int parse(struct config *config, const char *text, struct buffer *errors)
{
	buffer_clear(errors);
	return config_parse(config, "f.yaml", text, strlen(text), errors);
}

/* The text is refused with exactly `message`, and nothing is kept. */
static inline void parse_refused(const char *text, const char *message)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;

	assert_int_equal(parse(&config, text, &errors), -EINVAL);
	assert_string_equal(errors.data, message);
	assert_null(config.nodes);
	buffer_release(&errors);
}

#endif

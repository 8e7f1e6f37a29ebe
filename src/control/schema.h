/* Reads a YAML document by tables: every mapping has a table of its keys, every key a type and its
 * bounds. Whatever the tables don't know is an error that names file, line, key, what is wrong and
 * what would be right. Reading goes on behind an error, so one run shows all of them.
 *
 * libyaml does the reading; this checks and converts. Nesting is as deep as the tables are, so
 * aliases that contain themselves do no harm. */
#ifndef BATON_CONTROL_SCHEMA_H
#define BATON_CONTROL_SCHEMA_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schema;	    /* a document being read */
struct schema_node; /* a value in it */

enum field_type {
	FIELD_TEXT,	/* char[room] */
	FIELD_NAME,	/* char[room]: letters, digits, '.', '-', '_' */
	FIELD_COUNT,	/* uint64_t, as `parse_count` reads it */
	FIELD_SMALL,	/* uint32_t, the same */
	FIELD_DURATION, /* uint64_t nanoseconds, as `parse_duration` reads it; bounds in s */
	FIELD_CHOICE,	/* int: the index in `choices` */
	FIELD_BOOL,	/* bool: true, false, yes, no, on, off */
	FIELD_ADDRESS,	/* struct address */
	FIELD_ENDPOINT, /* struct endpoint: ADDRESS:PORT or [ADDRESS6]:PORT */
	FIELD_OTHER,	/* `read` does it */
};

struct field {
	const char *key;
	enum field_type type;
	size_t offset; /* of the value in the object */
	size_t room;   /* of a text, its ending included */
	bool required;
	double least, most;  /* where most > least */
	const char *choices; /* "a|b|c" */
	void (*read)(struct schema *schema, const struct schema_node *node, void *at);
};

/* Parses `text` (not NUL-ended). Returns NULL after a syntax error, which is in `errors` then.
 * `name` is the file's name in messages; both must outlive the schema. */
struct schema *schema_open(const char *name, const char *text, size_t length,
			   struct buffer *errors);
void schema_close(struct schema *schema);

/* The document's value; NULL if it is empty. */
const struct schema_node *schema_root(struct schema *schema);

/* Fills `object` from a mapping. A key that is no field's, given twice, or missing though required
 * is an error; fields not given keep what the object held. */
void schema_mapping(struct schema *schema, const struct schema_node *node,
		    const struct field *fields, void *object);

/* How many items a sequence has; a plain value counts as one; an error (and 0) for a mapping, or if
 * there are more than `most`. */
unsigned int schema_count(struct schema *schema, const struct schema_node *node, unsigned int most);
const struct schema_node *schema_item(struct schema *schema, const struct schema_node *node,
				      unsigned int index);

/* Converts one plain value as `field` says; the value is written to `at`. Returns whether it was
 * right. */
bool schema_value(struct schema *schema, const struct schema_node *node, const struct field *field,
		  void *at);

int schema_line(const struct schema_node *node);

/* Records an error at a line. */
void schema_error(struct schema *schema, int line, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif

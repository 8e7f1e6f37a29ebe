#include "control/schema.h"

#include "base/command.h"
#include "base/fail.h"
#include "control/endpoint.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct schema {
	yaml_document_t document;
	const char *name;
	struct buffer *errors;
	unsigned int error_count;
};

/* Behind so many errors the rest are only consequences. */
enum { ERRORS_MAX = 20 };

/* libyaml's node is what our callers hold, under a name of ours. */
static const yaml_node_t *yaml(const struct schema_node *node)
{
	return (const yaml_node_t *)node;
}

static const struct schema_node *ours(const yaml_node_t *node)
{
	return (const struct schema_node *)node;
}

int schema_line(const struct schema_node *node)
{
	return (int)yaml(node)->start_mark.line + 1;
}

void schema_error(struct schema *schema, int line, const char *key, const char *format, ...)
{
	size_t begin = schema->errors->length;
	va_list arguments;

	if (schema->error_count++ >= ERRORS_MAX)
		return;
	buffer_format(schema->errors, "%s:%d: ", schema->name, line);
	if (key)
		buffer_format(schema->errors, "%s: ", key);
	va_start(arguments, format);
	buffer_vformat(schema->errors, format, arguments);
	va_end(arguments);
	/* What is quoted of the file may hold line ends and what a terminal obeys. */
	for (size_t i = begin; i < schema->errors->length; i++)
		if (iscntrl((unsigned char)schema->errors->data[i]))
			schema->errors->data[i] = ' ';
	buffer_text(schema->errors, "\n");
}

struct schema *schema_open(const char *name, const char *text, size_t length, struct buffer *errors)
{
	struct schema *schema = calloc(1, sizeof(*schema));
	yaml_document_t second;
	yaml_parser_t parser;
	bool empty;

	if (!schema)
		out_of_memory();
	schema->name = name;
	schema->errors = errors;
	if (!yaml_parser_initialize(&parser))
		out_of_memory();
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (!yaml_parser_load(&parser, &schema->document))
		goto syntax;
	if (!yaml_document_get_root_node(&schema->document))
		goto parsed;
	if (!yaml_parser_load(&parser, &second)) {
		yaml_document_delete(&schema->document);
		goto syntax;
	}
	empty = !yaml_document_get_root_node(&second);
	yaml_document_delete(&second);
	if (!empty)
		schema_error(schema, (int)parser.mark.line + 1, NULL,
			     "a second document; a configuration is one, remove the '---'");
parsed:
	yaml_parser_delete(&parser);
	return schema;

syntax:
	/* Every other failure is told in words. */
	if (!parser.problem)
		out_of_memory();
	schema_error(schema, (int)(parser.problem_mark.line + 1), NULL, "%s%s%s; mend the YAML",
		     parser.problem, parser.context ? " " : "",
		     parser.context ? parser.context : "");
	yaml_parser_delete(&parser);
	free(schema);
	return NULL;
}

void schema_close(struct schema *schema)
{
	yaml_document_delete(&schema->document);
	free(schema);
}

const struct schema_node *schema_root(struct schema *schema)
{
	return ours(yaml_document_get_root_node(&schema->document));
}

/* The scalar's bytes as text, or NULL (a message is made) if it is none or has a NUL inside. */
static const char *scalar(struct schema *schema, const yaml_node_t *node, const char *key)
{
	const char *text;

	if (node->type != YAML_SCALAR_NODE) {
		schema_error(schema, schema_line(ours(node)), key,
			     "a plain value belongs here, not a list or mapping");
		return NULL;
	}
	text = (const char *)node->data.scalar.value;
	if (strlen(text) != node->data.scalar.length) {
		schema_error(schema, schema_line(ours(node)), key, "has a NUL byte in it");
		return NULL;
	}
	return text;
}

static bool out_of_bounds(struct schema *schema, int line, const struct field *field, double value)
{
	if (!(field->most > field->least) || (value >= field->least && value <= field->most))
		return false;
	schema_error(schema, line, field->key, "must lie between %.10g%s and %.10g%s", field->least,
		     field->type == FIELD_DURATION ? "s" : "", field->most,
		     field->type == FIELD_DURATION ? "s" : "");
	return true;
}

static bool text_value(struct schema *schema, int line, const struct field *field, const char *text,
		       char *at)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";
	size_t length = strlen(text);

	if (!length) {
		schema_error(schema, line, field->key, "is empty; give it a value");
		return false;
	}
	if (length >= field->room) {
		schema_error(schema, line, field->key, "is longer than %zu characters; shorten it",
			     field->room - 1);
		return false;
	}
	if (field->type == FIELD_NAME && (strspn(text, letters) != length || text[0] == '.')) {
		schema_error(schema, line, field->key,
			     "'%s' may only have letters, digits, '-', '_' and (not first) '.'",
			     text);
		return false;
	}
	memcpy(at, text, length + 1);
	return true;
}

static bool choice_value(struct schema *schema, int line, const struct field *field,
			 const char *text, int *at)
{
	size_t length = strlen(text);
	int index = 0;

	for (const char *choice = field->choices;; index++) {
		size_t this = strcspn(choice, "|");

		if (this == length && !strncmp(choice, text, length)) {
			*at = index;
			return true;
		}
		if (!choice[this])
			break;
		choice += this + 1;
	}
	schema_error(schema, line, field->key, "'%s' is none of %s", text, field->choices);
	return false;
}

static bool bool_value(struct schema *schema, int line, const struct field *field, const char *text,
		       bool *at)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(text, words[i])) {
			*at = i & 1;
			return true;
		}
	schema_error(schema, line, field->key, "'%s' is neither true nor false", text);
	return false;
}

bool schema_value(struct schema *schema, const struct schema_node *node, const struct field *field,
		  void *at)
{
	const char *text = scalar(schema, yaml(node), field->key);
	int line = schema_line(node);
	uint64_t number;

	if (!text)
		return false;
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_NAME:
		return text_value(schema, line, field, text, at);
	case FIELD_COUNT:
	case FIELD_SMALL:
		if (parse_count(text, &number)) {
			schema_error(schema, line, field->key, "'%s' is no whole number", text);
			return false;
		}
		if (out_of_bounds(schema, line, field, (double)number))
			return false;
		if (field->type == FIELD_COUNT)
			*(uint64_t *)at = number;
		else
			*(uint32_t *)at = (uint32_t)number;
		return true;
	case FIELD_DURATION:
		if (parse_duration(text, &number)) {
			schema_error(schema, line, field->key,
				     "'%s' is no duration; write for example 500ms, 2s or 1h",
				     text);
			return false;
		}
		if (out_of_bounds(schema, line, field, (double)number / 1e9))
			return false;
		*(uint64_t *)at = number;
		return true;
	case FIELD_CHOICE:
		return choice_value(schema, line, field, text, at);
	case FIELD_BOOL:
		return bool_value(schema, line, field, text, at);
	case FIELD_ADDRESS:
		if (!address_parse(text, at))
			return true;
		schema_error(schema, line, field->key,
			     "'%s' is no IPv4 or IPv6 address; names are not looked up", text);
		return false;
	case FIELD_ENDPOINT:
		if (!endpoint_parse(text, at))
			return true;
		schema_error(
			schema, line, field->key,
			"'%s' is no ADDRESS:PORT; write for example 10.0.0.1:80 or [fd00::1]:80",
			text);
		return false;
	case FIELD_OTHER:
		break;
	}
	return false;
}

void schema_mapping(struct schema *schema, const struct schema_node *node,
		    const struct field *fields, void *object)
{
	unsigned char seen[64] = {0};
	const yaml_node_t *mapping = yaml(node);

	if (mapping->type != YAML_MAPPING_NODE) {
		schema_error(schema, schema_line(node), NULL,
			     "a mapping (key: value) with '%s' belongs here", fields[0].key);
		return;
	}
	for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(&schema->document, pair->key);
		const yaml_node_t *value = yaml_document_get_node(&schema->document, pair->value);
		const char *name = scalar(schema, key, NULL);
		int line = schema_line(ours(key)), at = 0;

		if (!name)
			continue;
		while (fields[at].key && strcmp(fields[at].key, name))
			at++;
		if (!fields[at].key) {
			struct buffer known = BUFFER_EMPTY;

			for (int i = 0; fields[i].key; i++)
				buffer_format(&known, "%s%s", i ? ", " : "", fields[i].key);
			schema_error(schema, line, name, "unknown key; known here: %s", known.data);
			buffer_release(&known);
			continue;
		}
		if (seen[at]++) {
			schema_error(schema, line, name, "is given twice; remove one");
			continue;
		}
		if (fields[at].type == FIELD_OTHER)
			fields[at].read(schema, ours(value), (char *)object + fields[at].offset);
		else
			schema_value(schema, ours(value), &fields[at],
				     (char *)object + fields[at].offset);
	}
	for (int i = 0; fields[i].key; i++)
		if (fields[i].required && !seen[i])
			schema_error(schema, schema_line(node), fields[i].key,
				     "is missing; add it");
}

unsigned int schema_count(struct schema *schema, const struct schema_node *node, unsigned int most)
{
	const yaml_node_t *list = yaml(node);
	size_t count;

	if (list->type == YAML_SCALAR_NODE)
		return 1;
	if (list->type == YAML_MAPPING_NODE) {
		schema_error(schema, schema_line(node), NULL,
			     "a list belongs here ('- ...' or [...])");
		return 0;
	}
	count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
	if (count > most) {
		schema_error(schema, schema_line(node), NULL,
			     "a list of %zu; at most %u are possible", count, most);
		return 0;
	}
	return (unsigned int)count;
}

const struct schema_node *schema_item(struct schema *schema, const struct schema_node *node,
				      unsigned int index)
{
	const yaml_node_t *list = yaml(node);

	if (list->type == YAML_SCALAR_NODE)
		return node;
	return ours(
		yaml_document_get_node(&schema->document, list->data.sequence.items.start[index]));
}

#include "load/answer.h"

#include "load/content.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Keeps the first few errors in words: what was asked, and what came of it. */
static void keep_example(const struct slot *slot, const struct target *target,
			 enum load_error error)
{
	struct tally *tally = slot->engine->tally;
	int length;

	if (tally->example_count == EXAMPLES_MOST)
		return;
	length = snprintf(tally->examples[tally->example_count], sizeof(tally->examples[0]),
			  "%s: %.100s", load_error_names[error], target->path);
	if (slot->begun)
		snprintf(tally->examples[tally->example_count] + length,
			 sizeof(tally->examples[0]) - (size_t)length, ": status %u, %llu bytes",
			 slot->parser.status_code, (unsigned long long)slot->body);
	tally->example_count++;
}

void answer_failed(struct slot *slot, const struct pending *pending, enum load_error error)
{
	struct engine *engine = slot->engine;
	struct tally *tally = engine->tally;

	keep_example(slot, pending->request.target, error);

	tally->errors++;
	tally->by_error[error]++;
	if (!engine->options->size_classes)
		tally->classes[pending->request.target->class_index].errors++;
	engine->outstanding--;
	if (engine->source->finished)
		engine->source->finished(engine->source, &pending->request, engine->now, false);
}

/* Counts the answer that is wholly in and takes it off the pending. */
static void answered(struct slot *slot, unsigned int status)
{
	struct engine *engine = slot->engine;
	struct tally *tally = engine->tally;
	struct pending pending = slot->pending[0];
	const struct target *target = pending.request.target;
	uint64_t from = pending.request.due ? pending.request.due : pending.sent;
	uint64_t latency = engine->now - from;
	struct class_tally *class;
	bool wrong_status;
	int node = -1;

	slot->pending_count--;
	memmove(slot->pending, slot->pending + 1, slot->pending_count * sizeof(*slot->pending));
	slot->answered++;
	if (status < STATUS_MOST)
		tally->by_status[status]++;
	while (slot->node_length && strchr(" \t", slot->node_text[slot->node_length - 1]))
		slot->node_length--;
	if (slot->node_length)
		node = (int)tally_node(tally, slot->node_text, slot->node_length);
	wrong_status = !target->status	       ? status >= 400
		       : target->status == 400 ? status < 300
					       : status != target->status;
	if (wrong_status) {
		answer_failed(slot, &pending, LOAD_ERROR_STATUS);
	} else if (target->length != LENGTH_ANY && !target->head &&
		   slot->body != (uint64_t)target->length) {
		answer_failed(slot, &pending, LOAD_ERROR_LENGTH);
	} else if (slot->wrong) {
		answer_failed(slot, &pending, LOAD_ERROR_CHECKSUM);
	} else {
		tally->requests++;
		tally->bytes += slot->body;
		tally->verified += target->verified && !target->head && status == 200;
		histogram_add(tally->latency, latency);
		histogram_add(engine->interval_latency, latency);
		histogram_add(tally->first_byte, slot->first_byte - from);
		class = &tally->classes[engine->options->size_classes ? tally_size_class(slot->body)
								      : target->class_index];
		class->requests++;
		class->bytes += slot->body;
		histogram_add(class->latency, latency);
		if (node >= 0) {
			tally->nodes[node].requests++;
			if (slot->node >= 0)
				histogram_add(node == slot->node ? tally->stayed : tally->switched,
					      latency);
		}
		engine->outstanding--;
		if (engine->source->finished)
			engine->source->finished(engine->source, &pending.request, engine->now,
						 true);
	}
	slot->node = node;
	slot->begun = false;
}

static int on_begin(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	/* Nobody asked. */
	if (!slot->pending_count)
		return -1;
	slot->begun = true;
	slot->wrong = slot->in_node = false;
	slot->body = 0;
	slot->match = slot->node_length = 0;
	slot->first_byte = slot->engine->now;
	return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t length)
{
	struct slot *slot = parser->data;
	const struct engine *engine = slot->engine;

	/* Pieces of a name are compared as they come; UINT32_MAX / 2 never grows back to a match.
	 */
	if (slot->match + length <= engine->node_header_length &&
	    !strncasecmp(at, engine->options->node_header + slot->match, length))
		slot->match += (uint32_t)length;
	else
		slot->match = UINT32_MAX / 2;
	return 0;
}

static int on_field_complete(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	slot->in_node = slot->match == slot->engine->node_header_length;
	slot->match = 0;
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
	struct slot *slot = parser->data;

	if (!slot->in_node)
		return 0;
	if (length > sizeof(slot->node_text) - 1 - slot->node_length)
		length = sizeof(slot->node_text) - 1 - slot->node_length;
	memcpy(slot->node_text + slot->node_length, at, length);
	slot->node_length += (uint32_t)length;
	return 0;
}

static int on_headers(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	return slot->pending[0].request.target->head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
	struct slot *slot = parser->data;
	const struct target *target = slot->pending[0].request.target;

	if (target->verified && parser->status_code == 200 && !slot->wrong)
		slot->wrong = !content_matches(target->seed, slot->body, at, length);
	slot->body += length;
	return 0;
}

static int on_message(llhttp_t *parser)
{
	struct slot *slot = parser->data;

	if (parser->status_code < 200 && parser->status_code != 101) {
		slot->begun = false;
		return 0;
	}
	if (!llhttp_should_keep_alive(parser))
		slot->parting = true;
	answered(slot, parser->status_code);
	return 0;
}

void answer_prepare(struct engine *engine)
{
	llhttp_settings_init(&engine->parsing);
	engine->parsing.on_message_begin = on_begin;
	engine->parsing.on_header_field = on_field;
	engine->parsing.on_header_field_complete = on_field_complete;
	engine->parsing.on_header_value = on_value;
	engine->parsing.on_headers_complete = on_headers;
	engine->parsing.on_body = on_body;
	engine->parsing.on_message_complete = on_message;
	engine->node_header_length = strlen(engine->options->node_header);
}

/* Who may use a service: `allow` and `deny` of the configuration. */
#include "control/config_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int config_source_parse(const char *text, struct config_source *source)
{
	const char *slash = strchr(text, '/');
	char address[CONFIG_SOURCE_TEXT], *end = NULL;
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits, most;

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = 0;
	if (address_parse(address, &source->address))
		return -EINVAL;
	most = address_is_ipv4(&source->address) ? 32 : 128;
	bits = slash ? strtoul(slash + 1, &end, 10) : most;
	if ((slash && (slash[1] < '0' || slash[1] > '9' || *end)) || bits > most)
		return -EINVAL;
	source->bits = (uint32_t)(bits + 128 - most);
	for (uint32_t bit = source->bits; bit < 128; bit++)
		if (((const unsigned char *)&source->address)[bit / 8] & 0x80 >> bit % 8)
			return -EINVAL;
	return 0;
}

char *config_source_text(const struct config_source *source, char *text)
{
	bool four = address_is_ipv4(&source->address);
	char address[ADDRESS_TEXT];

	snprintf(text, CONFIG_SOURCE_TEXT, "%s/%u", address_text(&source->address, address),
		 source->bits - (four ? 96 : 0));
	return text;
}

void config_sources_read(struct schema *schema, const struct schema_node *list,
			 struct config_service *service, bool deny)
{
	const struct field field = {deny ? "deny" : "allow", FIELD_TEXT,
				    .room = CONFIG_SOURCE_TEXT};
	unsigned int count = schema_count(schema, list, CONFIG_SOURCES);

	for (unsigned int i = 0; i < count; i++) {
		const struct schema_node *item = schema_item(schema, list, i);
		struct config_source *source;
		char text[CONFIG_SOURCE_TEXT];

		if (!schema_value(schema, item, &field, text))
			continue;
		if (service->source_count == CONFIG_SOURCES) {
			schema_error(schema, schema_line(item), field.key,
				     "more than %d addresses and networks in allow and deny",
				     CONFIG_SOURCES);
			return;
		}
		source = &service->sources[service->source_count];
		if (config_source_parse(text, source)) {
			schema_error(schema, schema_line(item), field.key,
				     "'%s' is no address and no network; write for example "
				     "10.0.0.0/8, without bits behind the prefix",
				     text);
			continue;
		}
		source->deny = deny;
		service->source_count++;
	}
}

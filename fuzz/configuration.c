/* The configuration's reader: whatever the text, either a whole configuration and no error, or
 * errors, each a line that begins with the file's name. */
#include "disagree.h"

#include "control/config.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct buffer errors = BUFFER_EMPTY;
	struct config config;
	int result = config_parse(&config, "file", (const char *)bytes, length, &errors);

	if (result && result != -EINVAL)
		disagree("an error of another kind");
	if (!result != !errors.length)
		disagree("errors are told when there are some");
	if (result && (config.node_count || config.service_count))
		disagree("a refused configuration is empty");
	for (const char *line = errors.data; errors.length && *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, "file", 4) || !strchr(line, '\n'))
			disagree("an error is one line that names the file");
	for (unsigned int i = 0; !result && i < config.service_count; i++)
		if (!*config.services[i].name || !config.services[i].address_count)
			disagree("a service has a name and an address");
	config_release(&config);
	buffer_release(&errors);
	return 0;
}

#include "control/state.h"

#include "base/buffer.h"
#include "base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { STATE_MOST = 64 << 20 };

int state_save(const char *path, const json_t *state)
{
	char *text = json_dumps(state, JSON_INDENT(1) | JSON_SORT_KEYS);
	int error;

	if (!text)
		out_of_memory();
	error = file_write_whole(path, text, strlen(text), 0600);
	free(text);
	return error;
}

json_t *state_load(const char *path)
{
	struct buffer text = BUFFER_EMPTY;
	json_t *state = NULL;

	if (!buffer_read_file(&text, path, STATE_MOST))
		state = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, NULL);
	buffer_release(&text);
	return state;
}

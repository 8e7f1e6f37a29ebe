/* A node is down. Its clients would notice at their next segment, or, in the middle of a download,
 * never: so they are told at once, by an RST from the service's address at the sequence number that
 * each has acknowledged last. A client that has received more than that answers with a challenge
 * (RFC 5961, 3.2), which gets the exact RST from the program. Connections that have a checkpoint of
 * a quiet moment, and have been still since, are left alone: they go on elsewhere at their next
 * request. */
#include "front/front.h"

#include "base/fail.h"
#include "wire/front.h"
#include "wire/node.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MOST = 4096 }; /* each but the last empties a full ring buffer */

struct burial {
	struct front *front;
	struct ring_buffer *ring;
	int program, checkpoints;
	uint64_t unsent, told;
};

static int on_lost(void *owner, void *data, size_t size)
{
	struct burial *burial = owner;

	/* If it can't be sent the client learns at its next segment. */
	if (size >= sizeof(struct front_lost) && !resets_send(&burial->front->resets, data))
		burial->unsent++;
	return 0;
}

void bury(struct burial *burial, uint32_t node)
{
	struct front_bury context = {.node = node, .left = 1};
	uint64_t lost = 0, kept = 0;

	burial->unsent = 0;
	for (int runs = 0; context.left && runs < RUNS_MOST; runs++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &context,
			    .ctx_size_in = sizeof(context));

		context = (struct front_bury){.node = node};
		if (bpf_prog_test_run_opts(burial->program, &options)) {
			log_line(LOG_LEVEL_ERROR, "looking for the flows of a dead node: %s",
				 strerror(errno));
			return;
		}
		ring_buffer__consume(burial->ring);
		lost += context.lost;
		kept = context.left ? kept : context.kept;
	}
	log_line(LOG_LEVEL_WARNING,
		 "node %s: %llu connections reset, %llu were quiet and go on elsewhere%s",
		 burial->front->registry->nodes[node].name, (unsigned long long)lost,
		 (unsigned long long)kept, burial->unsent ? "; some resets could not be sent" : "");
}

/* ---- checkpoints ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void burial_checkpoints(struct burial *burial, uint32_t node, const char *hex)
{
	size_t length = hex ? strlen(hex) : 0;
	struct checkpoint point;

	if (!node || length % (2 * sizeof(point)))
		return;
	for (size_t at = 0; at < length; at += 2 * sizeof(point)) {
		struct front_checkpoint value = {.node = (__u16)node};

		if (!read_hex(hex + at, (unsigned char *)&point, sizeof(point)))
			return;
		value.generation = point.generation;
		value.seq = point.seq;
		value.ack = point.ack;
		if (!bpf_map_update_elem(burial->checkpoints, &point.key, &value, BPF_ANY))
			burial->told++;
	}
}

uint64_t burial_told(const struct burial *burial)
{
	return burial->told;
}

struct burial *burial_start(struct front *front)
{
	struct burial *burial = calloc(1, sizeof(*burial));
	int error;

	if (!burial)
		out_of_memory();
	burial->front = front;
	burial->program =
		bpf_program__fd(bpf_object__find_program_by_name(front->object, "front_bury"));
	burial->checkpoints = bpf_object__find_map_fd_by_name(front->object, "checkpoints");
	burial->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(front->object, "lost"),
					on_lost, burial, NULL);
	if (!burial->ring) {
		error = errno;
		free(burial);
		errno = error;
		return NULL;
	}
	return burial;
}

void burial_end(struct burial *burial)
{
	ring_buffer__free(burial->ring);
	free(burial);
}

#include "base/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	OPTION_END = 0,
	OPTION_NAME = 2,
	OPTION_RESOLUTION = 9,
	LINKTYPE_RAW = 101, /* in files; the one of ours whose DLT_ number differs */
};

struct record {
	FILE *file;   /* pcapng */
	pcap_t *dead; /* pcap: what libpcap's writer wants to know */
	pcap_dumper_t *dumper;
	int link, sources;
	int error;
};

int record_open(struct record **made, const char *path, int link, int snaplen)
{
	size_t length = strlen(path);
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return -ENOMEM;
	record->link = link;
	record->file = strcmp(path, "-") ? fopen(path, "we") : stdout;
	if (!record->file) {
		int error = -errno;

		free(record);
		return error;
	}
	if (length > 7 && !strcmp(path + length - 7, ".pcapng")) {
		uint32_t section[7] = {BLOCK_SECTION, 28, 0x1a2b3c4d, 1, ~0u, ~0u, 28};

		fwrite(section, sizeof(section), 1, record->file);
	} else {
		record->dead = pcap_open_dead_with_tstamp_precision(link, snaplen,
								    PCAP_TSTAMP_PRECISION_NANO);
		record->dumper = record->dead ? pcap_dump_fopen(record->dead, record->file) : NULL;
		if (!record->dumper) {
			fclose(record->file);
			if (record->dead)
				pcap_close(record->dead);
			free(record);
			return -EPROTONOSUPPORT;
		}
	}
	*made = record;
	return 0;
}

int record_source(struct record *record, const char *name, int link, int snaplen)
{
	char option[260] = {0};
	size_t length = strlen(name), padded;
	uint32_t head[4], tail[3];

	if (record->dumper)
		return link == record->link ? record->sources++ : -EPROTOTYPE;
	if (length > 255)
		length = 255;
	padded = (length + 3) & ~3ul;
	memcpy(option, name, length);
	/* head, name option, resolution option, end of options, length again */
	head[0] = BLOCK_INTERFACE;
	head[1] = (uint32_t)(16 + 4 + padded + 8 + 4 + 4);
	head[2] = link == DLT_RAW ? LINKTYPE_RAW : (uint32_t)link & 0xffff;
	head[3] = (uint32_t)snaplen;
	fwrite(head, sizeof(head), 1, record->file);
	head[0] = OPTION_NAME | (uint32_t)length << 16;
	fwrite(head, 4, 1, record->file);
	fwrite(option, padded, 1, record->file);
	tail[0] = OPTION_RESOLUTION | 1u << 16;
	tail[1] = 9; /* 10^-9 s */
	tail[2] = OPTION_END;
	fwrite(tail, sizeof(tail), 1, record->file);
	fwrite(&(uint32_t){(uint32_t)(16 + 4 + padded + 8 + 4 + 4)}, 4, 1, record->file);
	return record->sources++;
}

void record_packet(struct record *record, int source, const struct pcap_pkthdr *header,
		   const uint8_t *bytes)
{
	static const uint8_t zeros[4];
	uint64_t ns = (uint64_t)header->ts.tv_sec * 1000000000 + (uint64_t)header->ts.tv_usec;
	uint32_t padding = -header->caplen & 3, length = 32 + header->caplen + padding;
	uint32_t head[7] = {BLOCK_PACKET, length,	  (uint32_t)source, (uint32_t)(ns >> 32),
			    (uint32_t)ns, header->caplen, header->len};

	if (record->dumper) {
		pcap_dump((u_char *)record->dumper, header, bytes);
	} else {
		fwrite(head, sizeof(head), 1, record->file);
		fwrite(bytes, header->caplen, 1, record->file);
		fwrite(zeros, padding, 1, record->file);
		fwrite(&length, 4, 1, record->file);
	}
	if (ferror(record->file) && !record->error)
		record->error = errno ? -errno : -EIO;
}

int record_close(struct record *record)
{
	int error = record->error;

	if (fflush(record->file) && !error)
		error = -errno;
	if (record->dumper) {
		pcap_dump_close(record->dumper);
		pcap_close(record->dead);
	} else if (fclose(record->file) && !error) {
		error = -errno;
	}
	free(record);
	return error;
}

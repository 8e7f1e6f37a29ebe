/* The distiller as a server between cache and origin. */
#ifndef BATON_DISTILL_SERVE_H
#define BATON_DISTILL_SERVE_H

#include "distill/profile.h"

#include <stdint.h>

struct serve_options {
	const char *listen;  /* "ADDRESS:PORT" or "[ADDRESS]:PORT" */
	const char *parent;  /* "http://origin:80", put before an origin-form target; NULL: proxy */
	const char *connect; /* "ADDRESS:PORT" that every host is reached at; NULL: by its name */
	const struct profile *profile;
	uint64_t bytes; /* a larger object is passed on as it comes */
	uint64_t jobs;	/* distillations at once */
	bool quiet;	/* no line for each distilled object */
};

/* Serves until SIGINT or SIGTERM. Returns an exit code. */
int serve(const struct serve_options *options);

#endif

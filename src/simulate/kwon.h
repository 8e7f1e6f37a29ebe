/* The proxy cluster of Kwon, Kwak and Chung 2008 as a model.
 *
 * One front: it reads the request, a server serves it, the response crosses the front's link.
 * Proposed structure (AS-): layer 4 gives connections to the servers in turn; the server that gets
 * one reads the request, the server that the policy names serves it, and if that is another one the
 * first fetches the response from it and passes it on, which costs by the byte. Everything is in
 * the caches.
 */
#ifndef BATON_SIMULATE_KWON_H
#define BATON_SIMULATE_KWON_H

#include "base/parameters.h"

#include <stdbool.h>
#include <stdint.h>

enum { KWON_ROWS = 5, KWON_COLUMNS = 12, KWON_POLICIES = 6 };

/* Columns 0-5 are one front with rr, md5, mit-ch, carp, mod-ch, ht-rr; 6-11 the same as AS-. Rows
 * are 1, 2, 4, 8 and 16 servers. */
typedef double kwon_table[KWON_ROWS][KWON_COLUMNS];

struct kwon_machine {
	double read_ns;	      /* a server reads a request and finds its server */
	double serve_ns;      /* a server serves it */
	double relay_byte_ns; /* a server fetches and passes on a byte */
	double front_mbit;    /* what gets through the front */
};

/* The paper's numbers in `csv`. Returns 0 or -EINVAL. */
int kwon_read(const char *csv, kwon_table table);

/* What the machines need, from one workload's requests a second and Mbit/s: serving from one server
 * behind the front, reading from one AS- server, relaying from AS-RR by least squares, the front's
 * link from its cells with four servers and more. */
void kwon_fit(const kwon_table requests, const kwon_table mbit, double bytes,
	      struct kwon_machine *machine);

/* Requests a second that the model gives. Returns 0 or -ENOMEM. */
int kwon_predict(const struct kwon_machine *machine, const struct parameters *parameters,
		 double bytes, kwon_table requests);

/* The predictor to beat: one front as its mean with four servers and more, as far as the servers
 * can; AS- as its one-server figure by the root of the servers. It is told the workload's own
 * figures. */
void kwon_trivial(const kwon_table paper, kwon_table requests);

/* Mean and median of |model / paper - 1| over the columns [from, to). */
double kwon_error(const kwon_table model, const kwon_table paper, int from, int to, double *median);

#endif

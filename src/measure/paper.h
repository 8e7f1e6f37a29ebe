/* What U, On, Choi, Choi and Lee state of their measurements (on one Pentium 4, 2.4 GHz, 1 GB,
 * Windows XP hosts, Debian guests): their table 3 and the figures that their text names. Their
 * curves are pictures whose numbers are not printed. */
#ifndef BATON_MEASURE_PAPER_H
#define BATON_MEASURE_PAPER_H

enum { PAPER_RANKS = 3 };

/* Table 3, best first: what was chosen for a use ("file", "web") from a vantage (0 inside, 1
 * outside). NULL for what it doesn't have. The ranking by external alone is the one from outside.
 */
const char *const *paper_ranks(const char *use, int vantage);

/* Statements of the text, NULL-ended. */
extern const char *const paper_statements[];

#endif

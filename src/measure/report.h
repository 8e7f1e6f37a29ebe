/* The report on a measurement: report.txt's words on stdout, OUTPUT/report.html with charts,
 * OUTPUT/report.json, OUTPUT/report.csv. */
#ifndef BATON_MEASURE_REPORT_H
#define BATON_MEASURE_REPORT_H

#include "measure/plan.h"

/* Reads the folder's results, writes the report's files and prints the text (or with `json` the
 * object). Returns 0 or EXIT_FAILED with a line on stderr. */
int report_make(const struct plan *plan, const char *folder, bool json);

#endif

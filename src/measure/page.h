/* OUTPUT/report.html: the report as a page with the paper's figures. */
#ifndef BATON_MEASURE_PAGE_H
#define BATON_MEASURE_PAGE_H

#include "measure/analysis.h"

/* Writes it. Returns 0 or -errno. */
int page_write(const struct plan *plan, const struct rows *rows, const struct cells *cells,
	       const char *folder);

#endif

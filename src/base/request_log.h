/* The lines of a web server's log.
 *
 * Forms: Apache's common and combined log, as nginx writes too; tab-separated "time method target
 * status bytes"; tab-separated "host logname time method target status bytes ..." (the NASA
 * traces). Times are seconds since 1970. */
#ifndef BATON_BASE_REQUEST_LOG_H
#define BATON_BASE_REQUEST_LOG_H

#include <stdint.h>

struct logged_request {
	double time;
	const char *method, *target; /* in the line */
	unsigned int status;	     /* 0..999 */
	uint64_t bytes;		     /* of the body; 0 where the log has "-" */
};

/* Takes a line (without its end) apart, in place. Returns 0, or -EINVAL for what is no request; of
 * such a line only the first word is sure to be left. The target is what the log has, checked for
 * nothing. */
int logged_request_parse(char *line, struct logged_request *request);

#endif

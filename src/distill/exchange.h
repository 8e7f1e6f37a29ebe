/* One request to the origin: head first, then the body, either whole up to a bound or as it comes.
 * By libcurl; never more than `bound` bytes of body in memory. */
#ifndef BATON_DISTILL_EXCHANGE_H
#define BATON_DISTILL_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct exchange;

/* Begins `method` on `url`, at its host or, if `connect` isn't NULL, at that "ADDRESS:PORT".
 * `headers` are lines "Name: value", NULL-ended; copied. The body may
 * hold `bound` bytes before the origin is made to wait. NULL when memory is out. */
struct exchange *exchange_new(const char *method, const char *url, const char *connect,
			      const char *const *headers, size_t bound);
void exchange_free(struct exchange *exchange);

/* Waits for the response's head. Returns 0, or -EHOSTUNREACH, -ETIMEDOUT, -EPROTO. */
int exchange_head(struct exchange *exchange);

/* Of the response; only after exchange_head. The value is the exchange's, NULL where there is none.
 */
long exchange_status(const struct exchange *exchange);
const char *exchange_header(const struct exchange *exchange, const char *name);

/* Calls `each` for every header line of the response, in order. */
void exchange_each(const struct exchange *exchange,
		   void (*each)(void *context, const char *name, const char *value), void *context);

/* Waits until the body is whole or the bound is reached. Returns 1 whole, 0 the bound came first,
 * or -errno when the origin broke off. */
int exchange_collect(struct exchange *exchange);

/* What exchange_collect gathered. */
const void *exchange_body(const struct exchange *exchange, size_t *length);

/* Takes up to `most` bytes of the body, waiting for some. Returns how many, 0 at the end, -errno.
 */
ssize_t exchange_read(struct exchange *exchange, void *bytes, size_t most);

#endif

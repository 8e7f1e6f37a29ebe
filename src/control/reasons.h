/* The words for why the programs did what they did, as status, flows, where, trace and the access
 * log show them. */
#ifndef BATON_CONTROL_REASONS_H
#define BATON_CONTROL_REASONS_H

/* An enum place_reason; one that isn't known is "none". */
const char *reason_text(unsigned int reason);

/* An enum pin_reason; the same. */
const char *pin_text(unsigned int pin);

#endif

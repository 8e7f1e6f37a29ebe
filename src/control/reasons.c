#include "control/reasons.h"

#include "wire/cluster.h"
#include "wire/node.h"

const char *reason_text(unsigned int reason)
{
	static const char *const texts[] = {
#define X(name, text) [PLACE_REASON_##name] = text,
		PLACE_REASONS(X)
#undef X
	};

	return texts[reason < PLACE_REASON_COUNT ? reason : PLACE_REASON_NONE];
}

const char *pin_text(unsigned int pin)
{
	static const char *const texts[] = {
#define X(name, text) [PIN_##name] = text,
		PIN_REASONS(X)
#undef X
	};

	return texts[pin < PIN_REASON_COUNT ? pin : PIN_NONE];
}

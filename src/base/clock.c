#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

char *clock_text(uint64_t wall, char *text)
{
	time_t seconds = (time_t)(wall / NS_PER_S);
	struct tm parts;
	size_t used;

	gmtime_r(&seconds, &parts);
	used = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + used, 32 - used, ".%03uZ",
		 (unsigned int)(wall % NS_PER_S / NS_PER_MS) % 1000);
	return text;
}

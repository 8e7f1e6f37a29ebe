/* `baton web`: the page, the API and the metrics of a running cluster. */
#ifndef BATON_WEB_WEB_H
#define BATON_WEB_WEB_H

#include "base/command.h"

extern const struct command command_web;

#endif

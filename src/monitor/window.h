/* The monitor's window is a program of its own, so that the command doesn't need GTK and the window
 * doesn't need root: it draws what it reads from its standard input, the lines of `baton monitor
 * --json`. */
#ifndef BATON_MONITOR_WINDOW_H
#define BATON_MONITOR_WINDOW_H

#include <sys/types.h>

/* Starts baton-window, found beside this program, in its build's place or where it is installed,
 * and makes standard output its standard input. Returns its process or -errno. */
pid_t window_start(void);

/* Closes standard output and waits until the window was closed. */
void window_wait(pid_t window);

#endif

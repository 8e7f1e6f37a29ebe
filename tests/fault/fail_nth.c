/* Preloaded into a program (LD_PRELOAD), makes one of its calls fail: the FAIL_AT-th (from 1) of
 * the kind that FAIL_KIND names: "bpf" (the system call: ENOMEM), "socket" (EMFILE), "memory"
 * (malloc and its kin). FAIL_COUNT names a file into which the number of such calls is written at
 * the end. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static unsigned long calls, fail_at;
static const char *kind = "";

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("FAIL_AT"), *named = getenv("FAIL_KIND");

	fail_at = at ? strtoul(at, NULL, 10) : 0;
	kind = named ? named : "";
	calls = 0;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAIL_COUNT");
	FILE *file = path ? fopen(path, "w") : NULL;

	if (!file)
		return;
	fprintf(file, "%lu\n", calls);
	fclose(file);
}

static int fails(const char *of)
{
	return !strcmp(kind, of) && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) == fail_at;
}

void *malloc(size_t size)
{
	return fails("memory") ? (errno = ENOMEM, NULL) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails("memory") ? (errno = ENOMEM, NULL) : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails("memory") ? (errno = ENOMEM, NULL) : __libc_realloc(old, size);
}

int socket(int domain, int type, int protocol)
{
	int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");

	if (fails("socket")) {
		errno = EMFILE;
		return -1;
	}
	return next(domain, type, protocol);
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long of[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		of[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_bpf && fails("bpf")) {
		errno = ENOMEM;
		return -1;
	}
	return next(number, of[0], of[1], of[2], of[3], of[4], of[5]);
}

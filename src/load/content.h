/* Bodies that can be checked without reading a file: byte `offset` of the file `path` is a function
 * of path and offset alone.
 *
 * A file's bytes are a row of 64-bit little-endian words; word i is the i-th output of splitmix64
 * (Steele, Lea and Flood 2014) started at a seed that is made from the path by FNV-1a. A byte of
 * another file, or of this file at another offset, therefore differs in all but 1 of 256 cases, and
 * a whole word practically always. */
#ifndef BATON_LOAD_CONTENT_H
#define BATON_LOAD_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of the file that a static web server answers the request target `target` with, below its
 * root: the query cut off, %XX decoded, slashes merged, "index.html" behind a final slash. It
 * begins with '/'. Returns 0; -EINVAL for a target without '/' in front, with a NUL or a bad
 * escape, or with "." or ".." as a part; -ENAMETOOLONG where a part or the whole does not fit. */
int content_name(const char *target, char *name, size_t room);

/* The seed of a file by its name as content_name gives it. */
uint64_t content_seed(const char *name);

/* Fills `bytes` with what is at `offset`. */
void content_fill(uint64_t seed, uint64_t offset, void *bytes, size_t length);

/* Says whether `bytes` are what is at `offset`. */
bool content_matches(uint64_t seed, uint64_t offset, const void *bytes, size_t length);

/* Writes the file `name` of `length` bytes below the directory `root`, and the directories it
 * needs. A file that has this length already is left alone when `keep`. Returns 0 or -errno;
 * -ENOTDIR or -EISDIR where a file and a directory want the same name. */
int content_write(const char *root, const char *name, uint64_t length, bool keep);

#endif

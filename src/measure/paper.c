#include "measure/paper.h"

#include <stddef.h>
#include <string.h>

static const char *const file[2][PAPER_RANKS] = {
	{"VirtualBox (NAT, 512)", "Qemu (NAT, 512)", "coLinux (TAP, 512)"},
	{"VirtualBox (NAT, 512)", "coLinux (TAP, 512)", "Qemu (TAP, 512)"},
};

static const char *const web[2][PAPER_RANKS] = {
	{"coLinux (NAT, 256)", "VirtualBox (NAT, 256)", "Qemu (TAP, 256)"},
	{"VirtualBox (NAT, 256)", "coLinux (NAT, 256)", "Qemu (TAP, 256)"},
};

const char *const *paper_ranks(const char *use, int vantage)
{
	if (!strcmp(use, "file"))
		return file[vantage];
	if (!strcmp(use, "web"))
		return web[vantage];
	return NULL;
}

const char *const paper_statements[] = {
	"coLinux, 256 MB, internal, 100 MB x 2: 172 s with NAT, 39.8 s with TAP (figures 10 and "
	"11)",
	"1 KB x 1000: the three are alike, inside and outside; in the distributions coLinux leads "
	"(figures 10, 17)",
	"100 MB x 2 with NAT: inside VirtualBox, Qemu, coLinux; outside VirtualBox, coLinux, Qemu "
	"(figure 10)",
	"100 MB x 2 is faster inside than outside (figure 10); TAP is faster than NAT (figures 19, "
	"20)",
	"512 MB is faster than 256 MB for files (figure 14), and slower inside for the web, where "
	"it "
	"is half of the host's memory (figure 16)",
	"web: mostly faster outside than inside, because the client takes the host's CPU (figure "
	"15): "
	"VirtualBox and Qemu; coLinux the other way round (figure 24)",
	NULL,
};

/* Files over Samba: so many of such a size, to the guest's share or from it, by one smbclient,
 * whose connecting is in the time. */
#include "measure/workload.h"

#include "base/clock.h"
#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int share_start(struct session *session, struct buffer *why)
{
	bool refuse = session->guest->subject->fail == FAIL_SHARE;

	return session_guest(
		session, why, NULL,
		"mkdir -p /srv/share /run/samba /var/log/samba /var/lib/samba/private\n"
		"rm -rf /srv/share/*\n"
		"cat > /run/smb.conf <<E\n"
		"[global]\nserver role = standalone server\nmap to guest = bad user\n"
		"guest account = root\nload printers = no\ndisable spoolss = yes\nlog level = 0\n"
		"disable netbios = yes\nsmb ports = 445\n"
		"[share]\npath = /srv/share\nguest ok = yes\nguest only = yes\nread only = no\n"
		"available = %s\nE\n"
		"pgrep -x smbd >/dev/null || smbd -D -s /run/smb.conf >/dev/null 2>&1 || exit 1\n"
		"for i in $(seq 600); do ss -ltn | grep -q ':445 ' && exit 0; sleep 0.1; done\n"
		"echo smbd does not listen; exit 1\n",
		refuse ? "no" : "yes");
}

int share_client(const char *address, const char *commands)
{
	char service[128];
	const char *argv[] = {"smbclient", service, "-N", "-s", "/dev/null", "-c", commands, NULL};
	struct buffer said = BUFFER_EMPTY;
	int code;

	snprintf(service, sizeof(service), "//%s/share", address);
	code = process_run(argv, NULL, &said);
	/* smbclient's exit code says nothing of single files. */
	if (!code && said.length && strstr(said.data, "NT_STATUS_"))
		code = 1;
	if (code)
		dprintf(2, "smbclient: %.*s", said.length ? (int)strcspn(said.data, "\n") : 0,
			said.length ? said.data : "");
	buffer_release(&said);
	return code;
}

static int prepare(struct session *session, const struct plan_workload *workload,
		   struct buffer *why)
{
	const char *argv[] = {"sh", "-c", NULL, NULL};
	char command[2 * PATH_MAX + 256], length[32], name[96];

	if (share_start(session, why))
		return -1;
	snprintf(name, sizeof(name), "%s", workload->name);
	if (workload->direction == GET) {
		snprintf(command, sizeof(command), "rm -rf '%s/got'; mkdir -p '%s/got'",
			 session->scratch, session->scratch);
		argv[2] = command;
		process_run(argv, NULL, NULL);
		if (session_guest(session, why, NULL,
				  "head -c %lu /dev/urandom | split -b %lu -a 5 - /srv/share/f",
				  workload->files * workload->size, workload->size))
			return -1;
		return session_cold(session, why);
	}
	snprintf(length, sizeof(length), "%lu", workload->files * workload->size);
	snprintf(command, sizeof(command),
		 "d='%s/files-%s'; [ -d \"$d\" ] || { mkdir -p \"$d.new\" && head -c %s "
		 "/dev/urandom "
		 "| split -b %lu -a 5 - \"$d.new/f\" && mv \"$d.new\" \"$d\"; }",
		 session->scratch, name, length, workload->size);
	argv[2] = command;
	if (process_run(argv, NULL, why))
		return -1;
	return session_cold(session, why);
}

struct transfer {
	char address[64], commands[PATH_MAX + 64];
	double seconds;
};

static int move(void *context)
{
	struct transfer *this = context;
	uint64_t begin = clock_now();
	int code = share_client(this->address, this->commands);

	this->seconds = (double)(clock_now() - begin) / 1e9;
	return code;
}

/* Whether everything has arrived. */
static int check(struct session *session, const struct plan_workload *workload, struct buffer *why)
{
	uint64_t files = 0, bytes = 0;
	struct buffer said = BUFFER_EMPTY;
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat what;
	DIR *folder;

	if (workload->direction == PUT) {
		if (session_guest(session, why, &said,
				  "ls /srv/share | wc -l; cat /srv/share/* | wc -c"))
			return -1;
		if (sscanf(said.data, "%lu %lu", &files, &bytes) != 2)
			files = 0;
		buffer_release(&said);
	} else {
		snprintf(path, sizeof(path), "%s/got", session->scratch);
		folder = opendir(path);
		while (folder && (entry = readdir(folder)))
			if (!fstatat(dirfd(folder), entry->d_name, &what, 0) &&
			    S_ISREG(what.st_mode)) {
				files++;
				bytes += (uint64_t)what.st_size;
			}
		if (folder)
			closedir(folder);
	}
	if (files == workload->files && bytes == files * workload->size)
		return 0;
	buffer_format(why, "%lu files of %lu bytes arrived instead of %lu of %lu", files, bytes,
		      workload->files, workload->files * workload->size);
	return -1;
}

static int measure(struct session *session, const struct plan_workload *workload,
		   struct outcome *outcome, struct buffer *why)
{
	struct transfer this = {.seconds = 0};

	snprintf(this.address, sizeof(this.address), "%s", session->guest->address);
	if (workload->direction == GET)
		snprintf(this.commands, sizeof(this.commands),
			 "prompt off; lcd \"%s/got\"; mget f*", session->scratch);
	else
		snprintf(this.commands, sizeof(this.commands),
			 "prompt off; lcd \"%s/files-%s\"; mput f*", session->scratch,
			 workload->name);
	if (session_client(session, move, &this, sizeof(this), why) ||
	    check(session, workload, why))
		return -1;
	outcome_add(outcome, "time", this.seconds, "s");
	outcome->work = (double)(workload->files * workload->size);
	strcpy(outcome->work_unit, "byte");
	return 0;
}

const struct workload_kind workload_samba = {
	.name = "samba",
	.use = "file",
	.prepare = prepare,
	.measure = measure,
};

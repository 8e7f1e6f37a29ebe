/* A program on demand, as the platform of U et al. has it: the guest fetches a package from a
 * Center (outside), unpacks it where its share and its web server are, and the host gets the
 * program from there and runs it. The time of each stage; the package is a program with ballast of
 * the plan's size. */
#include "measure/workload.h"

#include "base/clock.h"
#include "base/process.h"
#include "measure/center.h"
#include "measure/network.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int prepare(struct session *session, const struct plan_workload *workload,
		   struct buffer *why)
{
	char command[4 * PATH_MAX], path[PATH_MAX];
	const char *argv[] = {"sh", "-c", command, NULL};

	if (share_start(session, why) || page_start(session, why) ||
	    session_guest(session, why, NULL,
			  "rm -rf /srv/package* /var/www/html/program; mkdir -p /srv/share"))
		return -1;
	snprintf(path, sizeof(path), "%s/package", session->scratch);
	snprintf(command, sizeof(command),
		 "set -e; cd '%s'; rm -rf got; mkdir got; [ -e package-%s.tar ] || { mkdir -p "
		 "package; "
		 "cp baton-guest package/program; head -c %lu /dev/urandom > package/ballast; "
		 "tar -cf package-%s.new package; mv package-%s.new package-%s.tar; rm -r package; "
		 "}",
		 session->scratch, workload->name, workload->size, workload->name, workload->name,
		 workload->name);
	if (process_run(argv, NULL, why))
		return -1;
	return session_cold(session, why);
}

struct copy {
	char address[64], scratch[PATH_MAX];
	double share, web, run;
};

static double since(uint64_t begin)
{
	return (double)(clock_now() - begin) / 1e9;
}

/* The host gets the program both ways and runs it. */
static int copy(void *context)
{
	struct copy *this = context;
	char commands[PATH_MAX + 64], url[128], path[PATH_MAX + 32];
	const char *fetch[] = {"curl", "-sf", "-o", path, url, NULL}, *run[] = {path, NULL};
	struct buffer said = BUFFER_EMPTY;
	uint64_t begin = clock_now();
	int code;

	snprintf(commands, sizeof(commands), "lcd \"%s/got\"; get program; get ballast",
		 this->scratch);
	code = share_client(this->address, commands);
	this->share = since(begin);
	if (code)
		return code;
	snprintf(path, sizeof(path), "%s/got/ballast-web", this->scratch);
	snprintf(url, sizeof(url), "http://%s/program/ballast", this->address);
	begin = clock_now();
	code = process_run(fetch, NULL, NULL);
	snprintf(path, sizeof(path), "%s/got/program-web", this->scratch);
	snprintf(url, sizeof(url), "http://%s/program/program", this->address);
	if (!code)
		code = process_run(fetch, NULL, NULL);
	this->web = since(begin);
	if (code) {
		dprintf(2, "curl can't get %s: exit code %d\n", url, code);
		return code;
	}
	snprintf(commands, sizeof(commands), "%s/got/program", this->scratch);
	run[0] = commands;
	begin = clock_now();
	code = chmod(commands, 0755) || process_run(run, NULL, &said) ||
	       strncmp(said.data ? said.data : "", "done", 4);
	this->run = since(begin);
	buffer_release(&said);
	if (code)
		dprintf(2, "the program that was fetched does not run\n");
	return code;
}

static int measure(struct session *session, const struct plan_workload *workload,
		   struct outcome *outcome, struct buffer *why)
{
	struct copy this = {.share = 0};
	struct buffer said = BUFFER_EMPTY;
	char package[PATH_MAX + 32];
	double start, fetched, unpacked;
	pid_t center;
	int error;

	snprintf(package, sizeof(package), "%s/package-%s.tar", session->scratch, workload->name);
	center = center_start(session->run, package, why);
	if (center < 0)
		return -1;
	error = session_guest(session, why, &said,
			      "set -e; date +%%s.%%N; curl -sf -m 600 -o /srv/package.tar "
			      "http://" EXTERNAL_ADDRESS ":%d/package; date +%%s.%%N; "
			      "tar -xf /srv/package.tar -C /srv; mv /srv/package/* /srv/share; "
			      "ln -sfn /srv/share /var/www/html/program; date +%%s.%%N",
			      CENTER_PORT);
	center_stop(center);
	if (!error &&
	    sscanf(said.data ? said.data : "", "%lf %lf %lf", &start, &fetched, &unpacked) != 3) {
		buffer_text(why, "the guest does not say its times");
		error = -1;
	}
	buffer_release(&said);
	snprintf(this.address, sizeof(this.address), "%s", session->guest->address);
	snprintf(this.scratch, sizeof(this.scratch), "%s", session->scratch);
	if (!error)
		error = session_client(session, copy, &this, sizeof(this), why);
	if (error)
		return -1;
	outcome_add(outcome, "time", unpacked - start + this.share + this.run, "s");
	outcome_add(outcome, "fetch", fetched - start, "s");
	outcome_add(outcome, "unpack", unpacked - fetched, "s");
	outcome_add(outcome, "share", this.share, "s");
	outcome_add(outcome, "web", this.web, "s");
	outcome_add(outcome, "run", this.run, "s");
	outcome->work = (double)workload->size;
	strcpy(outcome->work_unit, "byte");
	return 0;
}

const struct workload_kind workload_demand = {
	.name = "demand",
	.use = "file",
	.prepare = prepare,
	.measure = measure,
};

/* Web and database: a page of PHP under Apache puts one integer into MariaDB and gets it out again.
 * Every request has a connection of its own; its time is taken by the client (start, end) and by
 * the page (before, after the database). */
#include "measure/workload.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int page_start(struct session *session, struct buffer *why)
{
	return session_guest(
		session, why, NULL,
		"pgrep -x apache2 >/dev/null || {\n"
		"mkdir -p /run/apache2 /run/lock /var/log/apache2\n"
		"[ -e /etc/apache2/conf-enabled/name.conf ] ||\n"
		" echo 'ServerName guest' > /etc/apache2/conf-enabled/name.conf\n"
		". /etc/apache2/envvars; apache2 -k start >/run/apache2.log 2>&1 ||\n"
		" { tail -n 1 /run/apache2.log; exit 1; }\n"
		"}\n"
		"for i in $(seq 600); do ss -ltn | grep -q ':80 ' && exit 0; sleep 0.1; done\n"
		"echo apache does not listen; exit 1\n");
}

static int prepare(struct session *session, const struct plan_workload *workload,
		   struct buffer *why)
{
	/* A drill: the database dies while the requests are under way. */
	bool drill = session->guest->subject->fail == FAIL_DATABASE;

	(void)workload;
	if (page_start(session, why) ||
	    session_guest(
		    session, why, NULL,
		    "pgrep -x mariadbd >/dev/null || {\n"
		    "mkdir -p /run/mysqld; chown mysql:mysql /run/mysqld\n"
		    "setsid mariadbd --user=mysql --skip-networking "
		    "--loose-innodb-buffer-pool-size-max=128M >/run/mariadb.log 2>&1 &\n"
		    "}\n"
		    "until mariadb -e 'select 1' >/dev/null 2>&1; do\n"
		    " pgrep -x mariadbd >/dev/null || { sleep 1; pgrep -x mariadbd >/dev/null; } "
		    "||\n"
		    " { echo mariadb: $(grep -i error /run/mariadb.log | head -n 3); exit 1; }\n"
		    " sleep 0.1; done\n"
		    "mariadb -e \"create database if not exists one; create table if not exists "
		    "one.number (value int not null); truncate one.number; create user if not "
		    "exists "
		    "one@localhost identified by 'one'; grant all on one.* to one@localhost\" ||\n"
		    " exit 1\n"
		    "cat > /var/www/html/one.php <<'E'\n"
		    "<?php\n"
		    "$before = microtime(true);\n"
		    "mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);\n"
		    "$db = new mysqli('localhost', 'one', 'one', 'one');\n"
		    "$n = (int)$_GET['n'];\n"
		    "$db->query(\"insert into number values ($n)\");\n"
		    "%s"
		    "$row = $db->query(\"select value from number where value = $n limit 1\")"
		    "->fetch_row();\n"
		    "$after = microtime(true);\n"
		    "printf('%%.6f %%.6f %%d', $before, $after, $row[0]);\n"
		    "E\n",
		    drill ? "if ($n == 1) { touch('/tmp/die'); for ($i = 0; $i < 30000 && "
			    "file_exists('/tmp/die'); $i++) { usleep(1000); clearstatcache(); } }\n"
			  : ""))
		return -1;
	/* The page of the second request asks for it, and goes on when it has happened. */
	if (drill)
		return session_guest(session, why, NULL,
				     "rm -f /tmp/die\n"
				     "(setsid sh -c 'until [ -e /tmp/die ]; do sleep 0.02; done\n"
				     "pkill -9 -x mariadbd\n"
				     "while pgrep -x mariadbd; do sleep 0.02; done\n"
				     "rm /tmp/die' >/dev/null 2>&1 </dev/null &)");
	return 0;
}

struct request {
	uint64_t start, end;  /* the client's CLOCK_REALTIME, ns */
	double before, after; /* the page's, s */
};

struct client {
	char address[64];
	uint64_t count;
	struct request requests[];
};

struct answer {
	char text[128];
	size_t length;
};

static size_t take(char *bytes, size_t one, size_t count, void *context)
{
	struct answer *answer = context;
	size_t length = one * count, room = sizeof(answer->text) - 1 - answer->length;

	memcpy(answer->text + answer->length, bytes, length < room ? length : room);
	answer->length += length < room ? length : room;
	return length;
}

static int ask(void *context)
{
	struct client *client = context;
	CURL *curl = curl_easy_init();
	int error = 0;

	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	for (uint64_t i = 0; i < client->count && !error; i++) {
		struct request *request = &client->requests[i];
		struct answer answer = {.length = 0};
		char url[160];
		CURLcode code;
		long status = 0;
		int number = -1;

		/* The first table scan finds what was put last nowhere near its begin: the number
		 * asked for is always among the first. */
		snprintf(url, sizeof(url), "http://%s/one.php?n=%lu", client->address, i % 10);
		curl_easy_setopt(curl, CURLOPT_URL, url);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
		request->start = clock_wall();
		code = curl_easy_perform(curl);
		request->end = clock_wall();
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		if (code || status != 200 ||
		    sscanf(answer.text, "%lf %lf %d", &request->before, &request->after, &number) !=
			    3 ||
		    number != (int)(i % 10)) {
			dprintf(2, "request %lu: %s, status %ld\n", i + 1,
				code ? curl_easy_strerror(code) : "a wrong answer", status);
			error = 1;
		}
	}
	curl_easy_cleanup(curl);
	return error;
}

static int measure(struct session *session, const struct plan_workload *workload,
		   struct outcome *outcome, struct buffer *why)
{
	size_t size = sizeof(struct client) + workload->count * sizeof(struct request);
	struct client *client = calloc(1, size);
	int error;

	if (!client) {
		buffer_text(why, "out of memory");
		return -1;
	}
	snprintf(client->address, sizeof(client->address), "%s", session->guest->address);
	client->count = workload->count;
	error = session_client(session, ask, client, size, why);
	for (uint64_t i = 0; !error && i < client->count; i++) {
		const struct request *request = &client->requests[i];

		buffer_format(&outcome->raw, "%lu,%.6f,%.6f,%.6f,%.6f\n", i + 1,
			      (double)request->start / 1e9, (double)request->end / 1e9,
			      request->before, request->after);
	}
	if (!error) {
		double whole = (double)(client->requests[client->count - 1].end -
					client->requests[0].start) /
			       1e9,
		       server = 0;

		for (uint64_t i = 0; i < client->count; i++)
			server += client->requests[i].after - client->requests[i].before;
		outcome_add(outcome, "time", whole, "s");
		outcome_add(outcome, "request", whole / (double)client->count * 1e3, "ms");
		outcome_add(outcome, "database", server / (double)client->count * 1e3, "ms");
		outcome->work = (double)client->count;
		strcpy(outcome->work_unit, "request");
	}
	free(client);
	return error;
}

const struct workload_kind workload_web = {
	.name = "web",
	.use = "web",
	.prepare = prepare,
	.measure = measure,
};

#include "../unit.h"

#include "base/buffer.h"
#include "load/common.h"
#include "load/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int collect(void *context, const char *text)
{
	buffer_format(context, "%s ", text);
	return 0;
}

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *texts;
	} good[] = {
		{"/a", "/a "},
		{"/{1..3}", "/1 /2 /3 "},
		{"/{08..10}.html", "/08.html /09.html /10.html "},
		{"/{1..2}/{0..1}x", "/1/0x /1/1x /2/0x /2/1x "},
		{"/{7..7}", "/7 "},
	};
	static const char *const bad[] = {"/{1..",
					  "/{2..1}",
					  "/{a..b}",
					  "/{1-2}",
					  "/{}",
					  "/{1..2}/{1..99999999}",
					  "/{1..99999999999999999999}"};
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		buffer_clear(&out);
		assert_int_equal(pattern_each(good[i].pattern, collect, &out), 0);
		assert_string_equal(out.data, good[i].texts);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pattern_each(bad[i], collect, &out), -EINVAL);
	buffer_release(&out);
}

static void urls(void **state)
{
	static const struct {
		const char *text, *host, *authority, *path;
		unsigned int port;
		bool tls;
	} good[] = {
		{"http://a", "a", "a", "/", 80, false},
		{"HTTPS://a:8443/b?c#d", "a", "a:8443", "/b?c", 8443, true},
		{"http://[fd77::100]/x", "fd77::100", "[fd77::100]", "/x", 80, false},
		{"http://[::1]:81?q", "::1", "[::1]:81", "/?q", 81, false},
	};
	static const char *const bad[] = {"a",
					  "ftp://a/",
					  "http://",
					  "http:///x",
					  "http://a:0/",
					  "http://a:65536/",
					  "http://a:x/",
					  "http://a:/",
					  "http://[::1/",
					  "http://[::1]x/",
					  "http://a/b c"};
	struct url url;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(url_parse(&url, good[i].text, false), 0);
		assert_string_equal(url.host, good[i].host);
		assert_string_equal(url.authority, good[i].authority);
		assert_string_equal(url.path, good[i].path);
		assert_int_equal(url.port, good[i].port);
		assert_int_equal(url.tls, good[i].tls);
		url_release(&url);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(url_parse(&url, bad[i], false), -EINVAL);
		url_release(&url);
	}
}

static void requests(void **state)
{
	struct option_list headers = {{"X-A: b"}, 1};
	struct targets targets = {0};
	struct url url;

	(void)state;
	assert_int_equal(url_parse(&url, "http://h:81/", false), 0);
	assert_int_equal(target_add(&targets, &url, "GET", "/a?b", &headers, true), 0);
	assert_string_equal(targets.items[0].keep,
			    "GET /a?b HTTP/1.1\r\nHost: h:81\r\nX-A: b\r\n\r\n");
	assert_string_equal(
		targets.items[0].close,
		"GET /a?b HTTP/1.1\r\nHost: h:81\r\nX-A: b\r\nConnection: close\r\n\r\n");
	assert_int_equal(targets.items[0].keep_length, strlen(targets.items[0].keep));
	assert_int_equal(target_add(&targets, &url, "GET", "/a b", NULL, false), -EINVAL);
	assert_int_equal(target_add(&targets, &url, "GET", "/../a", NULL, true), -EINVAL);
	assert_int_equal(target_add(&targets, &url, "GET", "/../a", NULL, false), 1);
	targets_release(&targets);
	url_release(&url);
}

static void sources(void **state)
{
	static const char *const bad[] = {"",
					  ",",
					  "a",
					  "10.0.0.1-::1",
					  "10.0.0.1-",
					  "10.0.0.1,,",
					  "10.0.0.2-10.0.0.1",
					  "10.0.0.0-10.9.0.0"};
	struct sockaddr_storage *row = NULL;

	(void)state;
	assert_int_equal(load_sources("10.0.0.254-10.0.1.2,10.0.2.1", &row), 6);
	assert_int_equal(ntohl(((struct sockaddr_in *)&row[4])->sin_addr.s_addr), 0x0a000102);
	assert_int_equal(ntohl(((struct sockaddr_in *)&row[5])->sin_addr.s_addr), 0x0a000201);
	free(row);
	assert_int_equal(load_sources("fd77::1-fd77::3", &row), 3);
	free(row);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(load_sources(bad[i], &row), -EINVAL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(patterns),
	cmocka_unit_test(urls),
	cmocka_unit_test(requests),
	cmocka_unit_test(sources),
};

UNIT_MAIN(tests)

#include "../unit.h"

#include "base/plot.h"
#include "base/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned int occurrences(const char *text, const char *what)
{
	unsigned int count = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		count++;
	return count;
}

static void ticks_are_round(void **state)
{
	static const double ranges[][2] = {{0, 1},     {0, 7},	     {3, 977}, {0, 0.0031},
					   {-50, 120}, {1e6, 1.1e6}, {0, 999}, {0, 1e9}};
	double ticks[10];

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		double low = ranges[i][0], high = ranges[i][1], step, mantissa;
		unsigned int count = plot_ticks(low, high, false, ticks, 10);

		assert_in_range(count, 2, 10);
		step = ticks[1] - ticks[0];
		mantissa = step / pow(10, floor(log10(step) + 1e-9));
		assert_true(fabs(mantissa - 1) < 1e-6 || fabs(mantissa - 2) < 1e-6 ||
			    fabs(mantissa - 5) < 1e-6);
		for (unsigned int t = 0; t < count; t++)
			assert_true(ticks[t] >= low - step * 1e-6 &&
				    ticks[t] <= high + step * 1e-6);
	}
}

static void log_ticks_are_decades(void **state)
{
	double ticks[10];
	unsigned int count = plot_ticks(10, 1e6, true, ticks, 10);

	(void)state;
	assert_int_equal(count, 6);
	assert_true(ticks[0] == 10 && fabs(ticks[5] - 1e6) < 1);
	assert_int_equal(plot_ticks(5, 5, false, ticks, 10), 0);
}

static void short_numbers(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(text_short(0, text), "0");
	assert_string_equal(text_short(1500, text), "1.5k");
	assert_string_equal(text_short(20e6, text), "20M");
	assert_string_equal(text_short(0.003, text), "0.003");
	assert_string_equal(text_short(999.9999, text), "1k");
	assert_string_equal(text_short(-2500, text), "-2.5k");
}

static void lines_break_and_marks_carry_values(void **state)
{
	struct plot *plot = plot_new(PLOT_LINES, "a < b & \"c\"", "s", "req/s");
	unsigned int one = plot_series(plot, "one"), two = plot_series(plot, "two");
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		plot_point(plot, one, i, i == 5 ? NAN : i * 100);
		plot_interval(plot, two, i, 500, 400, 600);
	}
	plot_svg(plot, &out);
	assert_non_null(strstr(out.data, "a &lt; b &amp; &quot;c&quot;"));
	assert_null(strstr(out.data, "nan"));
	assert_int_equal(occurrences(out.data, "<circle"), 19);
	assert_non_null(strstr(out.data, "one: 300 at 3"));
	assert_non_null(strstr(out.data, "two: 500 at 3 (400 to 600)"));
	/* The gap begins a second part of the line. */
	assert_int_equal(occurrences(strstr(out.data, "class=\"s0\" d=\"M") + 14, "M") >= 2, 1);
	buffer_release(&out);
	plot_free(plot);
}

static void bars_name_their_places(void **state)
{
	struct plot *plot = plot_new(PLOT_BARS, "bars", "", "us");
	unsigned int fork = plot_series(plot, "fork"), pool = plot_series(plot, "pool");
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	assert_int_equal(plot_category(plot, "30"), 0);
	assert_int_equal(plot_category(plot, "100"), 1);
	plot_log_y(plot);
	plot_point(plot, fork, 0, 10);
	plot_point(plot, fork, 1, 1000);
	plot_point(plot, pool, 0, 0); /* has no place on a logarithmic axis */
	plot_svg(plot, &out);
	assert_non_null(strstr(out.data, "fork, 100: 1000"));
	assert_null(strstr(out.data, "pool, 30"));
	buffer_release(&out);
	plot_free(plot);
}

static void an_empty_plot_is_drawn(void **state)
{
	struct plot *plot = plot_new(PLOT_LINES, "nothing", "x", "y");
	struct buffer out = BUFFER_EMPTY;

	(void)state;
	plot_svg(plot, &out);
	assert_null(strstr(out.data, "nan"));
	assert_null(strstr(out.data, "inf"));
	buffer_release(&out);
	plot_free(plot);
}

static void a_report_is_one_file(void **state)
{
	struct buffer out = BUFFER_EMPTY, back = BUFFER_EMPTY;
	struct plot *plot = plot_new(PLOT_DOTS, "dots", "x", "y");
	static const char columns[] = "name|>value";
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/baton-report-%d.html", getpid());
	plot_point(plot, plot_series(plot, "only"), 1, 2);
	report_begin(&out, "T & t");
	report_heading(&out, "part");
	report_words(&out, "%d <words>", 3);
	report_table_begin(&out, columns);
	report_table_row(&out, columns, "%s|%d", "a>b", 7);
	report_table_end(&out);
	report_plot(&out, plot);
	assert_int_equal(report_write(&out, path), 0);
	assert_null(out.data);
	assert_int_equal(buffer_read_file(&back, path, 1 << 20), 0);
	assert_non_null(strstr(back.data, "<p>3 &lt;words&gt;</p>"));
	assert_non_null(strstr(back.data, "<th>name</th><th class=\"r\">value</th>"));
	assert_non_null(strstr(back.data, "<td>a&gt;b</td><td class=\"r\">7</td>"));
	assert_non_null(strstr(back.data, "</body></html>"));
	buffer_release(&back);
	plot_free(plot);
	unlink(path);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ticks_are_round),
	cmocka_unit_test(log_ticks_are_decades),
	cmocka_unit_test(short_numbers),
	cmocka_unit_test(lines_break_and_marks_carry_values),
	cmocka_unit_test(bars_name_their_places),
	cmocka_unit_test(an_empty_plot_is_drawn),
	cmocka_unit_test(a_report_is_one_file),
};

UNIT_MAIN(tests)

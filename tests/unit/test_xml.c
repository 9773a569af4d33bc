/*
 * test_xml.c - the guard around expat: each limit on both sides, text as it was meant.
 */
#include "proto/xml.h"

#include <errno.h>

#include "tests/unit/document.h"

struct heard {
	char log[4096]; /* "+name -name=text ..." */
	size_t len;
	unsigned starts, ends, depth_max;
	char text[XML_TEXT_MAX + 1]; /* of the last leaf */
	size_t text_len;
	bool cut;
};

static void
note(struct heard *h, const char *mark, const char *name, const char *text, size_t len)
{
	int n = snprintf(h->log + h->len, sizeof(h->log) - h->len, "%s%s%s%.*s ", mark,
	    name, len ? "=" : "", (int)len, text);

	if (n > 0 && (size_t)n < sizeof(h->log) - h->len)
		h->len += (size_t)n;
}

static void
on_start(void *user, const char *name, unsigned depth)
{
	struct heard *h = user;

	h->starts++;
	h->depth_max = MAX(h->depth_max, depth);
	note(h, "+", name, "", 0);
}

static void
on_end(void *user, const struct xml_element *e)
{
	struct heard *h = user;

	h->ends++;
	note(h, "-", e->name, e->text, MIN(e->len, 40));
	if (!e->leaf)
		return;
	memcpy(h->text, e->text, e->len);
	h->text[e->len] = '\0';
	h->text_len = e->len;
	h->cut = e->cut;
}

static size_t
read_peak(const char *xml, size_t len, size_t max, struct heard *ret, int *ret_r)
{
	struct xml_reader reader = { on_start, on_end, ret, 0 };

	memset(ret, 0, sizeof(*ret));
	*ret_r = xml_read(xml, len, max, &reader);
	assert_true(reader.memory_peak <= XML_MEMORY_MAX);
	return reader.memory_peak;
}

static int
read_text(const char *xml, struct heard *ret)
{
	int r;

	read_peak(xml, strlen(xml), SIZE_MAX, ret, &r);
	return r;
}

static void
elements_come_in_order(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(
	    read_text("<?xml version='1.0'?><a x='1'> t <b>one</b> u <ns:c/>"
		      "<y:d><!-- no --><?no no?>t<![CDATA[wo]]></y:d> v </a>",
		&h),
	    0);
	assert_string_equal(h.log, "+a +b -b=one +c -c +d -d=two -a ");
	assert_int_equal(h.depth_max, 2);
}

static const struct {
	const char *xml, *text;
} texts[] = {
	{ "<a>x</a>", "x" },
	{ "<a> \t\r\n x \n</a>", "x" },
	{ "<a> x <![CDATA[ y]]> z </a>", "x  y z" },
	{ "<a>1&amp;2&lt;3&gt;4&quot;5&apos;6&#55;&#x38;</a>", "1&2<3>4\"5'678" },
	{ "<a><![CDATA[<b>&amp;</b>]]></a>", "<b>&amp;</b>" },
	{ "<a></a>", "" },
	{ "<a/>", "" },
	{ "<a>caf\xc3\xa9</a>", "caf\xc3\xa9" },
	/* Not UTF-8, so ISO 8859-1 whatever is declared. */
	{ "<a>caf\xe9</a>", "caf\xc3\xa9" },
	{ "<?xml version='1.0' encoding='utf-8'?><a>caf\xe9</a>", "caf\xc3\xa9" },
	{ "<?xml version='1.0' encoding='ISO-8859-1'?><a>caf\xe9</a>", "caf\xc3\xa9" },
	{ "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xc3\xa9</a>",
	    "\xc3\x83\xc2\xa9" },
	{ "\xef\xbb\xbf<a>x</a>", "x" },
	{ "\r\n \t<?xml version='1.0'?><a>x</a>", "x" },
	{ "\n\xef\xbb\xbf\n<?xml version='1.0'?><a>x</a>", "x" },
	{ "<a>x</a>garbage <&", "x" },
	{ "<a>x</a><b>y</b>", "x" },
	{ "<a>x</a>\xff\xff", "x" },
	/* Undeclared prefixes; xmlns itself is only an attribute. */
	{ "<s:a><u:b xmlns='q'>x</u:b></s:a>", "x" },
};

static void
text_is_what_was_meant(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct heard h;

		assert_int_equal(read_text(texts[i].xml, &h), 0);
		assert_string_equal(h.text, texts[i].text);
		assert_false(h.cut);
	}
}

/* The NUL of a C string, sent by a router, makes no ISO 8859-1 of UTF-8. */
static void
trailing_nul_is_no_encoding(void **state)
{
	static const char xml[] = "<a>caf\xc3\xa9</a>";
	struct heard h;
	int r;

	(void)state;
	read_peak(xml, sizeof(xml), SIZE_MAX, &h, &r);
	assert_int_equal(r, 0);
	assert_string_equal(h.text, "caf\xc3\xa9");
}

static const char *const refused[] = {
	"",
	" ",
	"\xef\xbb\xbf",
	"x",
	"<",
	"<a>",
	"<a><b></a>",
	"<a></b>",
	"<a>\x01</a>",
	"<a>&#0;</a>",
	"<a>&unknown;</a>",
	"<a b=1/>",
	"<a b='1' b='2'/>",
	"<?xml version='1.0' encoding='x-klingon'?><a/>",
	"<!DOCTYPE a><a/>",
	"<!DOCTYPE a SYSTEM 'http://127.0.0.1/x'><a/>",
	"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
	"<!DOCTYPE a [<!ENTITY % b SYSTEM 'file:///etc/passwd'>%b;]><a/>",
	"<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE a [",
};

static void
bad_documents_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct heard h;

		if (read_text(refused[i], &h) != -EBADMSG)
			fail_msg("not refused: %s", refused[i]);
	}
}

/* F37, attack 2: entity bombs.  A DOCTYPE is refused where it begins: its subset is not
 * even looked at. */
static void
doctype_stops_at_once(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(read_text("<!DOCTYPE a><a>x</a>", &h), -EBADMSG);
	assert_int_equal(h.starts, 0);
}

static char *
repeat(const char *head, const char *unit, size_t n, const char *tail)
{
	size_t len = strlen(unit), at = strlen(head);
	char *xml = malloc(at + n * len + strlen(tail) + 1);

	assert_non_null(xml);
	memcpy(xml, head, at);
	for (; n > 0; n--, at += len)
		memcpy(xml + at, unit, len);
	strcpy(xml + at, tail);
	return xml;
}

/* Reads and frees. */
static int
read_made(char *xml, struct heard *ret)
{
	double before = document_cpu_ms();
	int r = read_text(xml, ret);

	assert_true(document_cpu_ms() - before < DOCUMENT_CPU_MS);
	free(xml);
	return r;
}

static char *
nested(size_t depth)
{
	char *opened = repeat("", "<a>", depth, ""), *xml;

	xml = repeat(opened, "</a>", depth, "");
	free(opened);
	return xml;
}

/* F37, attack 3: deep nesting. */
static void
depth_is_bounded(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(read_made(nested(XML_DEPTH_MAX), &h), 0);
	assert_int_equal(h.ends, XML_DEPTH_MAX);
	assert_int_equal(read_made(nested(XML_DEPTH_MAX + 1), &h), -EMSGSIZE);
	assert_int_equal(h.starts, XML_DEPTH_MAX);
	assert_int_equal(read_made(repeat("", "<a>", 1000000, ""), &h), -EMSGSIZE);
	assert_int_equal(h.starts, XML_DEPTH_MAX);
}

/* Attack 3. */
static void
elements_are_bounded(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(
	    read_made(repeat("<r>", "<a/>", XML_ELEMENTS_MAX - 1, "</r>"), &h), 0);
	assert_int_equal(
	    read_made(repeat("<r>", "<a/>", XML_ELEMENTS_MAX, "</r>"), &h), -EMSGSIZE);
	assert_int_equal(h.starts, XML_ELEMENTS_MAX);
}

static char *
with_attributes(unsigned n)
{
	char *xml = malloc(32 * (size_t)n + 16), *at = xml;

	assert_non_null(xml);
	at += sprintf(at, "<a");
	while (n-- > 0)
		at += sprintf(at, " a%u='%u'", n, n);
	strcpy(at, "/>");
	return xml;
}

/* Attack 3. */
static void
attributes_are_bounded(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(read_made(with_attributes(XML_ATTRIBUTES_MAX), &h), 0);
	assert_int_equal(
	    read_made(with_attributes(XML_ATTRIBUTES_MAX + 1), &h), -EMSGSIZE);
	assert_int_equal(read_made(with_attributes(20000), &h), -EMSGSIZE);
}

/* Attack 3. */
static void
tokens_are_bounded(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(read_made(repeat("<a><!--", "x", 7000, "--></a>"), &h), 0);
	assert_int_equal(
	    read_made(repeat("<a><!--", "x", 30000, "--></a>"), &h), -EMSGSIZE);
	assert_int_equal(read_made(repeat("<a x='", "x", 30000, "'/>"), &h), -EMSGSIZE);
	assert_int_equal(read_made(repeat("<", "x", 30000, "/>"), &h), -EMSGSIZE);
	assert_int_equal(read_made(repeat("", ".", 65300, ""), &h), -EMSGSIZE);
}

static void
long_text_is_cut(void **state)
{
	struct heard h;

	(void)state;
	assert_int_equal(read_made(repeat("<a>", "x", XML_TEXT_MAX, "</a>"), &h), 0);
	assert_int_equal(h.text_len, XML_TEXT_MAX);
	assert_false(h.cut);
	assert_int_equal(read_made(repeat("<a>", "x", 200000, "</a>"), &h), 0);
	assert_int_equal(h.text_len, XML_TEXT_MAX);
	assert_true(h.cut);
	/* Indentation costs nothing. */
	assert_int_equal(read_made(repeat("<a>", " ", 100000, "x</a>"), &h), 0);
	assert_string_equal(h.text, "x");
	assert_false(h.cut);
}

static void
size_is_bounded(void **state)
{
	struct heard h;
	int r;

	(void)state;
	read_peak("<a></a>", 7, 7, &h, &r);
	assert_int_equal(r, 0);
	/* expat is not even started. */
	assert_int_equal(read_peak("<a></a>", 7, 6, &h, &r), 0);
	assert_int_equal(r, -EMSGSIZE);
	assert_int_equal(h.starts, 0);
}

/* 4000 elements within all other limits, each name new and kept by expat. */
static void
memory_is_bounded(void **state)
{
	char *xml = malloc(4000 * 512), *at = xml;
	struct heard h;
	size_t peak;
	int r;

	(void)state;
	assert_non_null(xml);
	at += sprintf(at, "<r>");
	for (unsigned i = 0; i < 4000; i++)
		at += sprintf(at, "<a%u%0400u/>", i, 0u);
	at += sprintf(at, "</r>");
	peak = read_peak(xml, (size_t)(at - xml), SIZE_MAX, &h, &r);
	free(xml);
	assert_int_equal(r, -EMSGSIZE);
	assert_in_range(h.starts, 100, 3999);
	assert_in_range(peak, XML_MEMORY_MAX / 2, XML_MEMORY_MAX);
}

/* However a document is hostile, the budget holds; a normal one needs little. */
static void
recorded_documents_stay_in_budget(void **state)
{
	static const char *const folders[] = { "tests/data/igd-desc", "tests/data/soap",
		"tests/data/scpd" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		DIR *dir = opendir(folders[i]);

		assert_non_null(dir);
		for (struct dirent *e; (e = readdir(dir));) {
			struct heard h;
			size_t len, peak;
			char *xml;
			int r;

			if (e->d_name[0] == '.')
				continue;
			xml = recorded_read(folders[i], e->d_name, &len);
			peak = read_peak(xml, len, HTTP_BODY_MAX, &h, &r);
			if (r == 0 && peak > 64 * 1024)
				fail_msg("%s needs %zu bytes", e->d_name, peak);
			free(xml);
		}
		closedir(dir);
	}
}

/* Any byte in a text is refused, or comes back as it was. */
static void
escaped_text_comes_back(void **state)
{
	(void)state;
	/* Byte 0 ends a C string: here it is "a". */
	for (int c = 0; c < 256; c++) {
		char text[] = { 'a', (char)c, 'z', '\0' }, xml[64];
		struct text_out out = text_out(xml, sizeof(xml));
		struct heard h;
		int r;

		text_put(&out, "<r><v>");
		r = xml_put_escaped(&out, text);
		text_put(&out, "</v></r>");
		assert_int_equal(r, (c > 0 && c < 0x20) || c >= 0x7f ? -EINVAL : 0);
		if (r < 0)
			continue;
		assert_int_equal(read_text(xml, &h), 0);
		assert_string_equal(h.text, text);
	}
}

static const struct {
	const char *text;
	const char *escaped; /* NULL: refused */
} escapes[] = {
	{ "", "" },
	{ "<&>\"'", "&lt;&amp;&gt;&quot;&apos;" },
	{ "]]>", "]]&gt;" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	{ "caf\xe9", NULL },
	{ "\xed\xa0\x80", NULL },
	{ "\xef\xbf\xbe", NULL },
	{ "x\xef\xbf\xbf", NULL },
	{ "a\nb", NULL },
	{ "a\x7f", NULL },
};

static void
text_is_escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
		char buf[64];
		struct text_out out = text_out(buf, sizeof(buf));
		int r = xml_put_escaped(&out, escapes[i].text);

		assert_int_equal(r, escapes[i].escaped ? 0 : -EINVAL);
		if (r == 0)
			assert_string_equal(buf, escapes[i].escaped);
	}
}

static void
no_room_is_sticky(void **state)
{
	char buf[8];
	struct text_out out = text_out(buf, sizeof(buf));

	(void)state;
	assert_int_equal(xml_put_escaped(&out, "a<b>"), 0);
	assert_int_equal(text_finish(&out), -ENOBUFS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_come_in_order),
		cmocka_unit_test(text_is_what_was_meant),
		cmocka_unit_test(trailing_nul_is_no_encoding),
		cmocka_unit_test(bad_documents_are_refused),
		cmocka_unit_test(doctype_stops_at_once),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(elements_are_bounded),
		cmocka_unit_test(attributes_are_bounded),
		cmocka_unit_test(tokens_are_bounded),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(recorded_documents_stay_in_budget),
		cmocka_unit_test(escaped_text_comes_back),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(no_room_is_sticky),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

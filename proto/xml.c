/*
 * xml.c - expat behind a guard.
 *
 * expat parses in pieces of 4 KiB, so that a limit stops it soon after it is passed.
 * Handlers only set state and may stop the parser; it is freed outside of them, and
 * nobody calls it in them (attack 4).
 */
#include "proto/xml.h"

#include <errno.h>
#include <expat.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 4096

/* expat's allocation functions have no argument for the owner, so the account of the
 * parser that is running lives here; xml_read() is its only user. */
static _Thread_local struct {
	size_t used, peak;
	bool refused;
} account;

/* Precedes every block, because free() must know what to give back. */
union block {
	size_t size;
	max_align_t align;
};

static void *
budget_realloc(void *old, size_t size)
{
	union block *block = old ? (union block *)old - 1 : NULL;
	size_t held = block ? block->size : 0;

	if (size > XML_MEMORY_MAX ||
	    account.used - held + size + sizeof(*block) > XML_MEMORY_MAX) {
		account.refused = true;
		return NULL;
	}
	size += sizeof(*block);
	block = realloc(block, size);
	if (!block)
		return NULL;
	block->size = size;
	account.used += size - held;
	account.peak = MAX(account.peak, account.used);
	return block + 1;
}

static void *
budget_malloc(size_t size)
{
	return budget_realloc(NULL, size);
}

static void
budget_free(void *pointer)
{
	union block *block = pointer;

	if (!pointer)
		return;
	block--;
	account.used -= block->size;
	free(block);
}

struct state {
	XML_Parser parser;
	struct xml_reader *reader;
	unsigned depth, elements;
	bool leaf;    /* no element ended since the last one started */
	bool heard;   /* expat called back during this chunk */
	bool stopped; /* expat may still call back after XML_StopParser */
	int error;    /* why; 0: the root element is complete */
	char text[XML_TEXT_MAX];
	size_t len;
	bool cut;
};

static void
stop(struct state *s, int error)
{
	s->stopped = true;
	s->error = error;
	XML_StopParser(s->parser, XML_FALSE);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *
local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void
text_reset(struct state *s)
{
	s->len = 0;
	s->cut = false;
}

static void
on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct state *s = user;
	unsigned n = 0;

	s->heard = true;
	if (s->stopped)
		return;
	while (attributes[n])
		n += 2;
	if (n / 2 > XML_ATTRIBUTES_MAX || ++s->elements > XML_ELEMENTS_MAX ||
	    ++s->depth > XML_DEPTH_MAX) {
		stop(s, -EMSGSIZE);
		return;
	}
	s->leaf = true;
	text_reset(s);
	s->reader->start(s->reader->user, local_name(name), s->depth);
}

static void
on_text(void *user, const XML_Char *text, int len)
{
	struct state *s = user;
	size_t n = (size_t)len;

	s->heard = true;
	if (s->stopped)
		return;
	/* Indentation must not use up the room of what follows it. */
	for (; s->len == 0 && n > 0 && is_space(*text); n--)
		text++;
	if (n > sizeof(s->text) - s->len) {
		n = sizeof(s->text) - s->len;
		s->cut = true;
	}
	memcpy(s->text + s->len, text, n);
	s->len += n;
}

static void
on_end(void *user, const XML_Char *name)
{
	struct state *s = user;
	struct xml_element e = { .leaf = s->leaf, .text = "", .depth = s->depth };

	s->heard = true;
	if (s->stopped)
		return;
	e.name = local_name(name);
	if (s->leaf) {
		e.text = s->text;
		e.len = s->len;
		e.cut = s->cut;
		text_trim(&e.text, &e.len);
	}
	s->reader->end(s->reader->user, &e);
	s->leaf = false;
	text_reset(s);
	/* What follows the root is garbage that some routers send (a NUL, old bytes of
	 * their buffer): it must not undo a complete document. */
	if (--s->depth == 0)
		stop(s, 0);
}

/* A document type is never read, so expat's whole entity machinery is out of reach. */
static void
on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
    const XML_Char *public_id, int has_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_subset;
	stop(user, -EBADMSG);
}

static void
on_entity(void *user, const XML_Char *name, int is_parameter, const XML_Char *value,
    int value_length, const XML_Char *base, const XML_Char *system_id,
    const XML_Char *public_id, const XML_Char *notation)
{
	(void)name;
	(void)is_parameter;
	(void)value;
	(void)value_length;
	(void)base;
	(void)system_id;
	(void)public_id;
	(void)notation;
	stop(user, -EBADMSG);
}

static int
parse_error(const struct state *s)
{
	if (s->stopped)
		return s->error;
	if (account.refused)
		return -EMSGSIZE;
	return XML_GetErrorCode(s->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
}

static int
feed(struct state *s, const char *xml, size_t len)
{
	size_t silence = 0;

	for (;;) {
		size_t n = MIN(len, CHUNK);

		s->heard = false;
		if (XML_Parse(s->parser, xml, (int)n, n == len) != XML_STATUS_OK)
			return parse_error(s);
		silence = s->heard ? 0 : silence + n;
		if (silence > XML_SILENCE_MAX)
			return -EMSGSIZE;
		xml += n;
		len -= n;
		if (len == 0)
			return -EBADMSG;
	}
}

static void
skip_prologue(const char **xml, size_t *len)
{
	for (size_t n = 1; n > 0; *xml += n, *len -= n) {
		if (*len >= 3 && memcmp(*xml, "\xef\xbb\xbf", 3) == 0)
			n = 3;
		else
			n = *len > 0 && is_space(**xml);
	}
}

/* The encoding that overrides the declared one, or NULL.  Routers print names of hosts
 * and owners in whatever bytes they got; that must not cost the whole answer. */
static const char *
encoding_override(const char *xml, size_t len)
{
	bool utf16 = len >= 2 && (memcmp(xml, "\xff\xfe", 2) == 0 ||
				     memcmp(xml, "\xfe\xff", 2) == 0);

	/* A router that sends the NUL of its C string wrote UTF-8 all the same. */
	while (len > 0 && xml[len - 1] == '\0')
		len--;
	return utf16 || text_is_utf8(xml, len) ? NULL : "ISO-8859-1";
}

int
xml_read(const char *xml, size_t len, size_t max, struct xml_reader *reader)
{
	const XML_Memory_Handling_Suite suite = { budget_malloc, budget_realloc,
		budget_free };
	struct state s = { .reader = reader };
	int r;

	reader->memory_peak = 0;
	if (len > max)
		return -EMSGSIZE;
	skip_prologue(&xml, &len);
	account.used = account.peak = 0;
	account.refused = false;
	s.parser = XML_ParserCreate_MM(encoding_override(xml, len), &suite, NULL);
	if (!s.parser)
		return -ENOMEM;
	XML_SetUserData(s.parser, &s);
	XML_SetElementHandler(s.parser, on_start, on_end);
	XML_SetCharacterDataHandler(s.parser, on_text);
	XML_SetStartDoctypeDeclHandler(s.parser, on_doctype);
	XML_SetEntityDeclHandler(s.parser, on_entity);
	r = feed(&s, xml, len);
	XML_ParserFree(s.parser);
	reader->memory_peak = account.peak;
	return r;
}

static const char *
escape(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	}
	return NULL;
}

int
xml_put_escaped(struct text_out *out, const char *text)
{
	size_t len = strlen(text);

	/* U+FFFE and U+FFFF are UTF-8 but no characters of XML (XML 1.0 section 2.2).
	 */
	if (!text_is_utf8(text, len) || strstr(text, "\xef\xbf\xbe") ||
	    strstr(text, "\xef\xbf\xbf"))
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		const char *entity = escape(*c);

		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return -EINVAL;
		if (entity)
			text_put(out, entity);
		else
			text_put_n(out, c, 1);
	}
	return 0;
}

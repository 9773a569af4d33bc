/*
 * xml.h - expat behind a guard: the only way XML of strangers comes into the house.
 *
 * No DOCTYPE and no entity declaration; bounded bytes, depth, elements, attributes,
 * tokens and memory, so that the cost of a document does not depend on the version of
 * expat or on who wrote the document.  Names come without their namespace prefix: what
 * routers bind prefixes to is of no use.  Shared by igd_desc and igd_soap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/text.h"

#define XML_DEPTH_MAX 32
#define XML_ELEMENTS_MAX 4096
#define XML_ATTRIBUTES_MAX 64        /* of one element */
#define XML_SILENCE_MAX (16 * 1024)  /* bytes fed since the last callback */
#define XML_MEMORY_MAX (1024 * 1024) /* all that expat may hold at one time */
#define XML_TEXT_MAX 2048            /* of one leaf; more is cut */

struct xml_element {
	const char *name; /* local name; compare without case: routers vary */
	unsigned depth;   /* 1: the root */
	bool leaf;        /* has no child elements */
	const char *text; /* of a leaf: trimmed UTF-8 without NUL, else "" */
	size_t len;
	bool cut; /* the text was longer than XML_TEXT_MAX */
};

/* Both are called in document order and only set the user's state; what they are given
 * is borrowed for the call. */
struct xml_reader {
	void (*start)(void *user, const char *name, unsigned depth);
	void (*end)(void *user, const struct xml_element *element);
	void *user;
	size_t
	    memory_peak; /* result: the most bytes expat held, whatever xml_read says */
};

/*
 * Read one document of len bytes, at most max.  White space and a byte order mark
 * before it and anything behind the root element are ignored; a document that is not
 * UTF-8 and not marked UTF-16 is taken for ISO 8859-1.
 *
 * Returns 0 when the root element is complete; -EBADMSG: not well-formed, or with a
 * DOCTYPE; -EMSGSIZE: over one of the limits; -ENOMEM.  What the reader was told before
 * an error must not be used.
 */
int xml_read(const char *xml, size_t len, size_t max, struct xml_reader *reader);

/* Writes text as content or attribute value.  0, or -EINVAL if it cannot be said in XML
 * or has a control character; room is out's business. */
int xml_put_escaped(struct text_out *out, const char *text);

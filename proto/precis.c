/*
 * precis.c - the OpaqueString profile of PRECIS (RFC 8265 section 4.2).
 *
 * Which characters there may be is derived as RFC 8264 section 8 does: a few
 * exceptions, then Unicode properties in a fixed order.  Some need a neighbour to make
 * sense; their rules are those of RFC 5892 appendix A.
 */
#include "proto/precis.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unigbrk.h>
#include <uninorm.h>
#include <unistr.h>

#include "proto/util.h"

#define ZERO_WIDTH_NON_JOINER 0x200c
#define ZERO_WIDTH_JOINER 0x200d

/* One character, among those around it. */
struct place {
	const uint32_t *text;
	size_t len, at;
};

typedef bool context_rule(const struct place *p);

/* ---- RFC 5892 appendix A ---- */

static uint32_t
before(const struct place *p)
{
	return p->at > 0 ? p->text[p->at - 1] : 0;
}

static uint32_t
after(const struct place *p)
{
	return p->at + 1 < p->len ? p->text[p->at + 1] : 0;
}

static bool
is_script(uint32_t c, const char *name)
{
	const uc_script_t *script = c ? uc_script((ucs4_t)c) : NULL;

	return script && strcmp(script->name, name) == 0;
}

static bool
any_between(const struct place *p, uint32_t first, uint32_t last)
{
	for (size_t i = 0; i < p->len; i++)
		if (p->text[i] >= first && p->text[i] <= last)
			return true;
	return false;
}

static bool
behind_virama(const struct place *p)
{
	return before(p) && uc_combining_class(before(p)) == UC_CCC_VR;
}

/* Between two letters that join, marks aside (A.1). */
static bool
may_not_join(const struct place *p)
{
	size_t i = p->at, k = p->at + 1;
	int left, right;

	if (behind_virama(p))
		return true;
	while (i > 0 && uc_joining_type(p->text[i - 1]) == UC_JOINING_TYPE_T)
		i--;
	while (k < p->len && uc_joining_type(p->text[k]) == UC_JOINING_TYPE_T)
		k++;
	if (i == 0 || k == p->len)
		return false;
	left = uc_joining_type(p->text[i - 1]);
	right = uc_joining_type(p->text[k]);
	return (left == UC_JOINING_TYPE_L || left == UC_JOINING_TYPE_D) &&
	       (right == UC_JOINING_TYPE_R || right == UC_JOINING_TYPE_D);
}

static bool
between_two_l(const struct place *p)
{
	return before(p) == 'l' && after(p) == 'l';
}

static bool
before_greek(const struct place *p)
{
	return is_script(after(p), "Greek");
}

static bool
behind_hebrew(const struct place *p)
{
	return is_script(before(p), "Hebrew");
}

static bool
among_kana_or_han(const struct place *p)
{
	for (size_t i = 0; i < p->len; i++)
		if (is_script(p->text[i], "Hiragana") ||
		    is_script(p->text[i], "Katakana") || is_script(p->text[i], "Han"))
			return true;
	return false;
}

static bool
without_extended_digits(const struct place *p)
{
	return !any_between(p, 0x06f0, 0x06f9);
}

static bool
without_arabic_indic_digits(const struct place *p)
{
	return !any_between(p, 0x0660, 0x0669);
}

static bool
always(const struct place *p)
{
	(void)p;
	return true;
}

static bool
never(const struct place *p)
{
	(void)p;
	return false;
}

/* RFC 5892 section 2.6, and its rules for contexts. */
static const struct {
	uint32_t first, last;
	context_rule *allowed;
} exceptions[] = {
	{ 0x00b7, 0x00b7, between_two_l },
	{ 0x00df, 0x00df, always },
	{ 0x0375, 0x0375, before_greek },
	{ 0x03c2, 0x03c2, always },
	{ 0x05f3, 0x05f4, behind_hebrew },
	{ 0x0640, 0x0640, never },
	{ 0x0660, 0x0669, without_extended_digits },
	{ 0x06f0, 0x06f9, without_arabic_indic_digits },
	{ 0x06fd, 0x06fe, always },
	{ 0x07fa, 0x07fa, never },
	{ 0x0f0b, 0x0f0b, always },
	{ ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_NON_JOINER, may_not_join },
	{ ZERO_WIDTH_JOINER, ZERO_WIDTH_JOINER, behind_virama },
	{ 0x3007, 0x3007, always },
	{ 0x302e, 0x302f, never },
	{ 0x3031, 0x3035, never },
	{ 0x303b, 0x303b, never },
	{ 0x30fb, 0x30fb, among_kana_or_han },
};

/* ---- RFC 8264 section 9 ---- */

static bool
is_old_hangul_jamo(uint32_t c)
{
	int kind = uc_graphemeclusterbreak_property(c);

	return kind == GBP_L || kind == GBP_V || kind == GBP_T;
}

static bool
has_compatibility_form(uint32_t c)
{
	uint32_t buf[32], *form;
	size_t len = ARRAY_SIZE(buf);
	bool differs;

	form = u32_normalize(UNINORM_NFKC, &c, 1, buf, &len);
	differs = form && (len != 1 || form[0] != c);
	if (form != buf)
		free(form);
	return differs;
}

/* FREE_PVAL or PVALID of section 8, exceptions apart. */
static bool
is_in_freeform_class(uint32_t c)
{
	static const uint32_t kinds = UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M |
				      UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_Zs |
				      UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_P;

	if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cn))
		return false;
	if (c >= 0x21 && c <= 0x7e)
		return true;
	if (is_old_hangul_jamo(c) || uc_is_property_default_ignorable_code_point(c) ||
	    uc_is_property_not_a_character(c) ||
	    uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc))
		return false;
	return has_compatibility_form(c) || uc_is_general_category_withtable(c, kinds);
}

static bool
is_allowed(const struct place *p)
{
	uint32_t c = p->text[p->at];

	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
		if (c >= exceptions[i].first && c <= exceptions[i].last)
			return exceptions[i].allowed(p);
	return is_in_freeform_class(c);
}

static bool
are_allowed(const uint32_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_allowed(&(struct place) { text, len, i }))
			return false;
	return len > 0;
}

/* Section 4.2.2 of RFC 8265, without the look at the characters before it. */
static ssize_t
enforce(uint32_t *text, size_t len, char *ret, size_t size)
{
	_cleanup_(freep) uint32_t *normal = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (uc_is_general_category_withtable(text[i], UC_CATEGORY_MASK_Zs))
			text[i] = ' ';
	normal = u32_normalize(UNINORM_NFC, text, len, NULL, &n);
	if (!normal)
		return -ENOMEM;
	/* What is in form C can need a context: U+0387 becomes U+00B7. */
	if (!are_allowed(normal, n))
		return -EINVAL;
	bytes = u32_to_u8(normal, n, NULL, &n);
	if (!bytes)
		return -ENOMEM;
	if (n >= size)
		return -ENOBUFS;
	memcpy(ret, bytes, n);
	ret[n] = '\0';
	return (ssize_t)n;
}

ssize_t
precis_opaque_string(const char *text, size_t len, char *ret, size_t size)
{
	_cleanup_(freep) uint32_t *characters = NULL;
	size_t n = 0;

	if (len == 0)
		return -EINVAL;
	if (len > PRECIS_INPUT_MAX)
		return -ENOBUFS;
	if (u8_check((const uint8_t *)text, len))
		return -EILSEQ;
	characters = u8_to_u32((const uint8_t *)text, len, NULL, &n);
	if (!characters)
		return -ENOMEM;
	if (!are_allowed(characters, n))
		return -EINVAL;
	return enforce(characters, n, ret, size);
}

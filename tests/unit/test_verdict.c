/*
 * test_verdict.c - every refusal has its name and its remedy; nothing else is known.
 */
#include "proto/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/natpmp.h"
#include "proto/pcp.h"
#include "proto/util.h"

struct row {
	int code;
	const char *name;
	enum remedy remedy;
	bool hint;
};

static const struct row pcp_rows[] = {
	{ PCP_SUCCESS, "SUCCESS", REMEDY_NONE, false },
	{ PCP_UNSUPP_VERSION, "UNSUPP_VERSION", REMEDY_NEXT_METHOD, false },
	{ PCP_NOT_AUTHORIZED, "NOT_AUTHORIZED", REMEDY_RETRY_HOURLY, true },
	{ PCP_MALFORMED_REQUEST, "MALFORMED_REQUEST", REMEDY_GIVE_UP, true },
	{ PCP_UNSUPP_OPCODE, "UNSUPP_OPCODE", REMEDY_NEXT_METHOD, false },
	{ PCP_UNSUPP_OPTION, "UNSUPP_OPTION", REMEDY_NEXT_METHOD, false },
	{ PCP_MALFORMED_OPTION, "MALFORMED_OPTION", REMEDY_GIVE_UP, true },
	{ PCP_NETWORK_FAILURE, "NETWORK_FAILURE", REMEDY_WAIT_WAN, true },
	{ PCP_NO_RESOURCES, "NO_RESOURCES", REMEDY_RETRY_SLOW, true },
	{ PCP_UNSUPP_PROTOCOL, "UNSUPP_PROTOCOL", REMEDY_NEXT_METHOD, false },
	{ PCP_USER_EX_QUOTA, "USER_EX_QUOTA", REMEDY_RETRY_SLOW, true },
	{ PCP_CANNOT_PROVIDE_EXTERNAL, "CANNOT_PROVIDE_EXTERNAL", REMEDY_OTHER_PORT,
	    true },
	{ PCP_ADDRESS_MISMATCH, "ADDRESS_MISMATCH", REMEDY_NEXT_METHOD, true },
	{ PCP_EXCESSIVE_REMOTE_PEERS, "EXCESSIVE_REMOTE_PEERS", REMEDY_GIVE_UP, true },
};

static const struct row natpmp_rows[] = {
	{ NATPMP_SUCCESS, "SUCCESS", REMEDY_NONE, false },
	{ NATPMP_UNSUPP_VERSION, "UNSUPP_VERSION", REMEDY_NEXT_METHOD, false },
	{ NATPMP_NOT_AUTHORIZED, "NOT_AUTHORIZED", REMEDY_RETRY_HOURLY, true },
	{ NATPMP_NETWORK_FAILURE, "NETWORK_FAILURE", REMEDY_WAIT_WAN, true },
	{ NATPMP_OUT_OF_RESOURCES, "OUT_OF_RESOURCES", REMEDY_RETRY_SLOW, true },
	{ NATPMP_UNSUPP_OPCODE, "UNSUPP_OPCODE", REMEDY_NEXT_METHOD, false },
};

static const struct row upnp_rows[] = {
	{ -911, "VendorError911", REMEDY_NEXT_LEASE, false },
	{ 0, "Success", REMEDY_NONE, false },
	{ 401, "InvalidAction", REMEDY_NEXT_METHOD, false },
	{ 402, "InvalidArgs", REMEDY_NEXT_LEASE, false },
	{ 404, "InvalidVar", REMEDY_NEXT_METHOD, false },
	{ 501, "ActionFailed", REMEDY_WAIT_WAN, true },
	{ 600, "ArgumentValueInvalid", REMEDY_NEXT_LEASE, false },
	{ 601, "ArgumentValueOutOfRange", REMEDY_NEXT_LEASE, false },
	{ 602, "OptionalActionNotImplemented", REMEDY_NEXT_METHOD, false },
	{ 603, "OutOfMemory", REMEDY_RETRY_SLOW, true },
	{ 604, "HumanInterventionRequired", REMEDY_RETRY_HOURLY, true },
	{ 605, "StringArgumentTooLong", REMEDY_GIVE_UP, true },
	{ 606, "ActionNotAuthorized", REMEDY_RETRY_HOURLY, true },
	{ 607, "SignatureFailure", REMEDY_NEXT_METHOD, true },
	{ 608, "SignatureMissing", REMEDY_NEXT_METHOD, true },
	{ 609, "NotEncrypted", REMEDY_NEXT_METHOD, true },
	{ 610, "InvalidSequence", REMEDY_NEXT_METHOD, true },
	{ 611, "InvalidControlURL", REMEDY_REDISCOVER, false },
	{ 612, "NoSuchSession", REMEDY_NEXT_METHOD, true },
	{ 710, "InvalidConnectionType", REMEDY_NEXT_METHOD, false },
	{ 711, "ConnectionAlreadyTerminated", REMEDY_WAIT_WAN, true },
	{ 713, "SpecifiedArrayIndexInvalid", REMEDY_GONE, false },
	{ 714, "NoSuchEntryInArray", REMEDY_GONE, false },
	{ 715, "WildCardNotPermittedInSrcIP", REMEDY_NEXT_METHOD, false },
	{ 716, "WildCardNotPermittedInExtPort", REMEDY_GIVE_UP, true },
	{ 718, "ConflictInMappingEntry", REMEDY_OTHER_PORT, true },
	{ 724, "SamePortValuesRequired", REMEDY_SAME_PORT, true },
	{ 725, "OnlyPermanentLeasesSupported", REMEDY_NEXT_LEASE, false },
	{ 726, "RemoteHostOnlySupportsWildcard", REMEDY_NEXT_METHOD, false },
	{ 727, "ExternalPortOnlySupportsWildcard", REMEDY_NEXT_METHOD, false },
	{ 728, "NoPortMapsAvailable", REMEDY_RETRY_SLOW, true },
	{ 729, "ConflictWithOtherMechanisms", REMEDY_OTHER_PORT, true },
	{ 730, "PortMappingNotFound", REMEDY_GONE, false },
	{ 731, "ReadOnly", REMEDY_OTHER_PORT, true },
	{ 732, "WildCardNotPermittedInIntPort", REMEDY_GIVE_UP, true },
	{ 733, "InconsistentParameters", REMEDY_GIVE_UP, true },
};

/* The same numbers, and what each service means by them. */
static const struct row wan_rows[] = {
	{ 703, "InactiveConnectionStateRequired", REMEDY_NEXT_METHOD, false },
	{ 704, "ConnectionSetupFailed", REMEDY_WAIT_WAN, true },
	{ 705, "ConnectionSetupInProgress", REMEDY_WAIT_WAN, true },
	{ 706, "ConnectionNotConfigured", REMEDY_WAIT_WAN, true },
	{ 707, "DisconnectInProgress", REMEDY_WAIT_WAN, true },
	{ 708, "InvalidLayer2Address", REMEDY_NEXT_METHOD, false },
	{ 709, "InternetAccessDisabled", REMEDY_WAIT_WAN, true },
};

static const struct row firewall_rows[] = {
	{ 701, "PinholeSpaceExhausted", REMEDY_RETRY_SLOW, true },
	{ 702, "FirewallDisabled", REMEDY_NEXT_METHOD, true },
	{ 703, "InboundPinholeNotAllowed", REMEDY_RETRY_HOURLY, true },
	{ 704, "NoSuchEntry", REMEDY_GONE, false },
	{ 705, "ProtocolNotSupported", REMEDY_NEXT_METHOD, false },
	{ 706, "InternalPortWildcardingNotAllowed", REMEDY_GIVE_UP, true },
	{ 707, "ProtocolWildcardingNotAllowed", REMEDY_GIVE_UP, true },
	{ 708, "WildCardNotPermittedInSrcIP", REMEDY_NEXT_METHOD, false },
	{ 709, "NoTrafficReceived", REMEDY_RETRY, false },
};

static const struct family {
	enum verdict_family family;
	const struct row *rows;
	size_t count;
	bool upnp; /* upnp_rows, too */
	enum remedy unknown;
} families[] = {
	{ VERDICT_PCP, pcp_rows, ARRAY_SIZE(pcp_rows), false, REMEDY_NEXT_METHOD },
	{ VERDICT_NAT_PMP, natpmp_rows, ARRAY_SIZE(natpmp_rows), false,
	    REMEDY_NEXT_METHOD },
	{ VERDICT_UPNP_WAN, wan_rows, ARRAY_SIZE(wan_rows), true, REMEDY_NEXT_LEASE },
	{ VERDICT_UPNP_FIREWALL, firewall_rows, ARRAY_SIZE(firewall_rows), true,
	    REMEDY_NEXT_LEASE },
};

static const struct row *
row_of(const struct family *f, int code)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->rows[i].code == code)
			return &f->rows[i];
	for (size_t i = 0; f->upnp && i < ARRAY_SIZE(upnp_rows); i++)
		if (upnp_rows[i].code == code)
			return &upnp_rows[i];
	return NULL;
}

static void
check(const struct family *f, int code)
{
	const struct verdict *v = verdict_find(f->family, code);
	const struct row *want = row_of(f, code);

	if (!want) {
		assert_int_equal(v->code, -1);
		assert_int_equal(v->remedy, f->unknown);
		assert_non_null(v->name);
		return;
	}
	assert_int_equal(v->code, code);
	assert_string_equal(v->name, want->name);
	if (v->remedy != want->remedy || !v->hint != !want->hint)
		fail_msg("%d %s: remedy %d", code, v->name, v->remedy);
	/* A hint is half a sentence after the reason: no capital, no full stop. */
	if (v->hint) {
		assert_in_range(v->hint[0], 'a', 'z');
		assert_int_not_equal(v->hint[strlen(v->hint) - 1], '.');
	}
}

static void
test_every_code(void **state)
{
	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		for (int code = -70000; code <= 70000; code++)
			check(&families[f], code);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}

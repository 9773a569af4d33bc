/*
 * error.c - what natd refused, as a name, a number and its fields.
 */
#include <errno.h>
#include <string.h>

#include "lib/natd.h"
#include "lib/private.h"
#include "proto/json.h"
#include "proto/util.h"

#define OWN INTERFACE "."
#define VARLINK "org.varlink.service."

static const struct {
	const char *name;
	int number;
} numbers[] = {
	{ OWN "NotOnline", ENETDOWN },
	{ OWN "NoGateway", ENETUNREACH },
	{ OWN "NoSuchInterface", ENODEV },
	{ OWN "NoSuchMapping", ENOENT },
	{ OWN "NoMethodAvailable", EOPNOTSUPP },
	{ OWN "GatewayTimeout", EHOSTUNREACH },
	{ OWN "GatewayRefused", EPERM },
	{ OWN "ExternalPortUnavailable", EADDRINUSE },
	{ OWN "MappingConflict", EEXIST },
	{ OWN "QuotaExceeded", EDQUOT },
	{ OWN "InvalidSocket", ENOTSOCK },
	{ OWN "StunFailed", EHOSTDOWN },
	{ OWN "ConfigurationInvalid", EDOM },
	{ OWN "ShuttingDown", ESHUTDOWN },
	{ VARLINK "InterfaceNotFound", EPFNOSUPPORT },
	{ VARLINK "MethodNotFound", ENOSYS },
	{ VARLINK "InvalidParameter", EINVAL },
	{ VARLINK "PermissionDenied", EACCES },
	{ VARLINK "ExpectedMore", EPROTO },
};

int
error_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strcmp(numbers[i].name, name) == 0)
			return numbers[i].number;
	return EREMOTEIO;
}

_public_ const char *
natd_error(const struct natd *natd)
{
	return natd->error;
}

_public_ int
natd_error_number(const struct natd *natd)
{
	return natd->error ? error_number(natd->error) : 0;
}

_public_ const char *
natd_error_string(const struct natd *natd, const char *field)
{
	return natd->error ? json_get_string(reply_parameters(natd), field) : NULL;
}

_public_ int
natd_error_int(const struct natd *natd, const char *field, int64_t *ret)
{
	if (!natd->error || json_get_int(reply_parameters(natd), field, ret) < 0)
		return -ENOENT;
	return 0;
}

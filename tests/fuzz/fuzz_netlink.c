/*
 * fuzz_netlink.c - any bytes as a datagram of rtnetlink: parser, tables, uplinks.
 */
#include <netlink/msg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netmon/parse.h"
#include "netmon/table.h"
#include "netmon/uplink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
apply(struct netmon_tables *t, const struct nlmsghdr *msg)
{
	struct netmon_report report;
	bool interrupted = false;
	int error = 0;

	if (netmon_parse_dump(msg, 7, &interrupted, &error) == NETMON_DUMP_DONE)
		check(error <= 0);
	if (netmon_parse(msg, &report) < 0)
		return;
	check(report.count <= NETMON_HOPS_MAX);
	if (report.subject == NETMON_ROUTE) {
		for (size_t i = 0; i < report.count; i++)
			netmon_table_append(t, NETMON_ROUTE, &report.routes[i]);
	} else if (report.gone) {
		netmon_table_drop(t, report.subject, &report.link);
	} else {
		netmon_table_put(t, report.subject, &report.link);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netmon_named named = { .name = "tn" };
	struct netmon_tables t = { 0 };
	struct netmon_uplink uplinks[8];
	struct nlmsghdr *msg, *buf;

	if (size > INT32_MAX || !(buf = malloc(size ? size : 1)))
		return 0;
	memcpy(buf, data, size);
	msg = buf;
	for (int left = (int)size; nlmsg_ok(msg, left); msg = nlmsg_next(msg, &left))
		apply(&t, msg);
	check(netmon_uplinks_from(&t, &named, 1, uplinks, 8) <= 8);
	netmon_tables_clear(&t);
	free(buf);
	return 0;
}

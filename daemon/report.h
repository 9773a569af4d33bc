/*
 * report.h - the lines of the log that tell how this host is reachable, one per change.
 *
 * Each has the fields of its mapping or router and a MESSAGE_ID of daemon/message.h.
 * What goes as planned (renewals, probes, a retry that fails as the one before) says
 * nothing.
 */
#pragma once

#include "daemon/gateway.h"
#include "daemon/mapping.h"

/* Says what became of the mapping if that is another thing than what was said last. */
void report_mapping(struct mapping *m, const struct lease_status *st);

void report_external(const struct gateway *g, const struct addr *external);
void report_restarted(const struct gateway *g);
void report_no_uplink(void);

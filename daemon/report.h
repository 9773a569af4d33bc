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

/* Says that a mapping that was said to be open is gone, and why.  Of one that never
 * was, only that its lifetime ended: who released it knows. */
void report_gone(const struct mapping *m);
/* At the end of natd, for all of the list in one line. */
void report_leaving(const struct mapping *mappings);

void report_external(const struct gateway *g, const struct addr *external);
void report_restarted(const struct gateway *g);
void report_no_uplink(void);

/*
 * diagnose.c - Diagnose: looks at the way from this host to the Internet, step by step.
 *
 * Everything that may take time is started at once (the router is asked what it speaks,
 * STUN servers what they see), and the steps are told in their order as soon as what
 * they need is there.  Only questions are asked: no mapping is made, changed or removed
 * by this.  What it all means is in daemon/judge.c.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api_private.h"
#include "daemon/facts.h"
#include "daemon/findings.h"
#include "daemon/sock.h"
#include "proto/json.h"

/* What a router or a server says later than this is not waited for. */
#define PATIENCE_MS (3 * MSEC_PER_SEC)
/* The second server, when the first has answered; and the address of a router that has
 * just been found. */
#define SECOND_MS 400
/* How the NAT behaves takes three seconds to find out, once names are known. */
#define NAT_MS INT64_C(5000)
#define MAPPING_FINDINGS_MAX 16
/* Each has sockets. */
#define AT_ONCE_MAX 16

struct diagnosis {
	struct engine_observer observer;
	struct behavior_query nat;
	struct api *api;
	struct varlink_call *call;
	struct timer timer;
	struct facts facts;
	struct stun_watch *watch;
	cJSON *all;                           /* findings, for a call without "more" */
	size_t step;                          /* the next one to be told */
	msec_t began_at, seen_at, settled_at; /* 0: not yet */
	bool done;
};

const struct varlink_param diagnose_params[] = {
	{ .name = "family", .type = VARLINK_ENUM, .values = api_family_values },
	{ .name = "interface", .type = VARLINK_STRING, .max = IF_NAMESIZE - 1 },
	{ .name = NULL },
};

/* ---- asking outside ---- */

static void run(struct diagnosis *d);

static void
wake(struct diagnosis *d)
{
	timer_set(&d->timer, loop_now());
}

static void
stop_asking(struct diagnosis *d)
{
	d->watch = stun_watch_stop(d->watch);
}

static void
found(const struct stun_report *r, void *ctx)
{
	struct diagnosis *d = ctx;

	d->facts.stun = FACTS_STUN_ANSWERED;
	d->facts.reflexive = r->reflexive.addr;
	d->facts.server = r->server.addr;
	d->seen_at = loop_now();
	stop_asking(d);
	wake(d);
}

static void
lost(const char *reason, bool offline, void *ctx)
{
	struct diagnosis *d = ctx;

	const struct stun *s = d->api->stun;

	(void)reason;
	if (!stun_speaks(s, ADDR_IPV4) && !stun_speaks(s, ADDR_IPV6))
		d->facts.stun = FACTS_STUN_NO_NAMES;
	else if (!stun_speaks(s, d->facts.family))
		d->facts.stun = FACTS_STUN_NO_FAMILY;
	else
		d->facts.stun = offline ? FACTS_STUN_NO_ROUTE : FACTS_STUN_SILENT;
	stop_asking(d);
	wake(d);
}

/* The time is over: why there is no answer. */
static void
give_up_asking(struct diagnosis *d)
{
	if (d->facts.stun == FACTS_STUN_PENDING)
		lost("", false, d);
}

/* A socket that leaves by the uplink in question, watched as an application's. */
static void
ask_outside(struct diagnosis *d, const struct gateway *g)
{
	const struct netmon_uplink *u = gateway_uplink(g);
	const struct sock_from from = { gateway_addr(&u->source, u->ifindex), u->name,
		(unsigned)u->ifindex };
	const struct stun_watch_hooks hooks = {
		.found = found, .lost = lost, .ctx = d
	};
	struct stun_server_status first;
	enum twin_problem problem;
	struct twin_app app;
	int fd;

	if (stun_servers(d->api->stun) == 0) {
		d->facts.stun = FACTS_STUN_NO_SERVER;
		return;
	}
	stun_server_status(d->api->stun, 0, &first);
	snprintf(d->facts.first_name, sizeof(d->facts.first_name), "%s",
	    strncmp(first.name, "stun:", 5) == 0 ? first.name + 5 : first.name);
	d->facts.first_name[strcspn(d->facts.first_name, ":")] = '\0';
	fd = sock_open(SOCK_DGRAM, &from);
	if (fd < 0 || twin_look(fd, &app, &problem) != 0) {
		if (fd >= 0)
			close(fd);
		d->facts.stun = FACTS_STUN_NO_ROUTE;
		return;
	}
	if (stun_watch_start(d->api->stun, &app, NULL, 0, &hooks, &d->watch) < 0)
		d->facts.stun = FACTS_STUN_NO_ROUTE;
}

/* ---- steps ---- */

static void
gather(struct diagnosis *d)
{
	d->facts.asked_ms = loop_now() - d->began_at;
	facts_gather(&d->facts, d->api->engine, d->api->stun, d->api->behaviors);
}

static bool
is_late(const struct diagnosis *d, msec_t after)
{
	return loop_now() - d->began_at >= after;
}

static bool
router_ready(struct diagnosis *d)
{
	const struct gateway *g = facts_gateway(&d->facts, d->api->engine);

	if (!g || is_late(d, PATIENCE_MS))
		return true;
	if (facts_is_asking(g))
		return false;
	if (d->settled_at == 0)
		d->settled_at = loop_now();
	return g &&
	       (router_external(gateway_router(g))->family != ADDR_NONE ||
		   gateway_uplink(g)->family == AF_INET6 || !facts_opens_ports(g) ||
		   loop_now() - d->settled_at >= SECOND_MS);
}

static bool
outside_ready(struct diagnosis *d)
{
	struct addr address;

	if (is_late(d, PATIENCE_MS))
		give_up_asking(d);
	if (d->facts.stun != FACTS_STUN_ANSWERED)
		return d->facts.stun != FACTS_STUN_PENDING;
	return stun_servers(d->api->stun) < 2 ||
	       stun_external(d->api->stun, d->facts.family, &address) == STUN_AGREED ||
	       stun_disagree(d->api->stun, d->facts.family) ||
	       loop_now() - d->seen_at >= SECOND_MS;
}

static bool
other_ready(struct diagnosis *d)
{
	return is_late(d, PATIENCE_MS) ||
	       !facts_is_asking(facts_other_gateway(&d->facts, d->api->engine));
}

static bool
nat_ready(struct diagnosis *d)
{
	/* Nobody who does not answer tells how the NAT behaves. */
	return !d->nat.waiting || d->facts.stun != FACTS_STUN_ANSWERED ||
	       is_late(d, NAT_MS);
}

static bool
address_ready(struct diagnosis *d)
{
	/* Else the measurement of the NAT tells whose the address outside is. */
	return d->facts.external.family != ADDR_NONE || nat_ready(d);
}

static void
nat_known(struct behavior_query *q)
{
	struct diagnosis *d =
	    (struct diagnosis *)((char *)q - offsetof(struct diagnosis, nat));

	wake(d);
}

static bool
at_once(struct diagnosis *d)
{
	(void)d;
	return true;
}

static void
tell_network(struct diagnosis *d, cJSON *findings)
{
	judge_network(&d->facts, findings);
}

static void
tell_router(struct diagnosis *d, cJSON *findings)
{
	judge_router(&d->facts, findings);
}

static void
tell_outside(struct diagnosis *d, cJSON *findings)
{
	judge_outside(&d->facts, findings);
}

static void
tell_addresses(struct diagnosis *d, cJSON *findings)
{
	judge_addresses(&d->facts, findings);
}

static void
tell_nat(struct diagnosis *d, cJSON *findings)
{
	judge_nat(&d->facts, findings);
}

static void
tell_other(struct diagnosis *d, cJSON *findings)
{
	if (d->facts.wanted_family == ADDR_NONE)
		judge_other_family(&d->facts, findings);
}

static void
tell_path(struct diagnosis *d, cJSON *findings)
{
	judge_path(&d->facts, findings);
}

struct tally {
	unsigned total, fine, useless, bad;
};

/* The problem of a mapping as ListMappings() has it, with the mapping's name. */
static void
add_problem(const struct mapping *m, cJSON *findings)
{
	const struct api_viewer nobody = { .privileged = false, .uid = (uid_t)-1 };
	cJSON *o = api_mapping(m, &nobody);
	const cJSON *problem = json_get(json_get(o, "runtime"), "problem");
	const char *hint = json_get_string(problem, "hint");
	char text[FINDING_TEXT_MAX];

	if (problem) {
		snprintf(text, sizeof(text), "%s: %s", m->id,
		    json_get_string(problem, "message"));
		json_append_item(
		    findings, api_finding(json_get_string(problem, "severity"),
				  json_get_string(problem, "code"), text, hint));
	}
	cJSON_Delete(o);
}

static void
tell_mapping(const struct mapping *m, struct tally *t, cJSON *findings)
{
	const struct addr *external;
	struct lease_status st;
	bool closed;

	mapping_status(m, &st);
	external = &st.held.external;
	closed = mapping_reachability(m, &st) == REACHABILITY_CLOSED;
	t->total++;
	if (st.is_held && !st.problem.present && !closed) {
		/* Why it is of no use the addresses have told already. */
		if (external->family == ADDR_IPV4 && !addr_is_global(external))
			t->useless++;
		else
			t->fine++;
		return;
	}
	/* What is on its way is no trouble yet. */
	if (!st.is_held && !st.verdict)
		return;
	if (t->bad++ >= MAPPING_FINDINGS_MAX)
		return;
	if (closed && !st.problem.present)
		finding_add(findings, FINDING_MAPPING_CLOSED, m->id, NULL, NULL);
	else
		add_problem(m, findings);
}

/* Of the family and interface that were asked for. */
static bool
is_wanted(const struct facts *f, const struct mapping *m)
{
	const struct netmon_uplink *u = m->gateway ? gateway_uplink(m->gateway) : NULL;
	const char *ifname = u ? u->name : m->context.ifname;
	enum addr_family family = !u                      ? m->context.family
				  : u->family == AF_INET6 ? ADDR_IPV6
							  : ADDR_IPV4;

	if (f->wanted_ifname[0] && strcmp(f->wanted_ifname, ifname) != 0)
		return false;
	return f->wanted_family == ADDR_NONE || family == ADDR_NONE ||
	       family == f->wanted_family;
}

static void
add_number(cJSON *findings, enum finding_code code, unsigned number)
{
	char text[16];

	if (number == 0)
		return;
	snprintf(text, sizeof(text), "%u", number);
	finding_add(findings, code, text, NULL, NULL);
}

static void
tell_mappings(struct diagnosis *d, cJSON *findings)
{
	struct tally t = { 0 };

	for (const struct mapping *m = engine_mappings(d->api->engine); m; m = m->next)
		if (is_wanted(&d->facts, m))
			tell_mapping(m, &t, findings);
	if (t.total == 0)
		finding_add(findings, FINDING_NO_MAPPINGS, NULL, NULL, NULL);
	if (t.bad > MAPPING_FINDINGS_MAX)
		add_number(
		    findings, FINDING_MAPPINGS_MORE, t.bad - MAPPING_FINDINGS_MAX);
	add_number(findings, FINDING_MAPPINGS_USELESS, t.useless);
	add_number(findings, FINDING_MAPPINGS_FINE, t.fine);
}

/* In the order in which they are told. */
static const struct step {
	const char *name;
	bool always; /* also without a way out */
	bool (*ready)(struct diagnosis *d);
	void (*tell)(struct diagnosis *d, cJSON *findings);
} steps[] = {
	{ "network", true, at_once, tell_network },
	{ "router", false, router_ready, tell_router },
	{ "outside", false, outside_ready, tell_outside },
	{ "address", false, address_ready, tell_addresses },
	{ "nat", false, nat_ready, tell_nat },
	{ "ipv6", false, other_ready, tell_other },
	{ "mappings", true, at_once, tell_mappings },
	{ "path", false, at_once, tell_path },
};

/* ---- replies ---- */

/* False: the reader has no room now, it is told later. */
static bool
tell_step(struct diagnosis *d, const struct step *step)
{
	cJSON *o, *findings;
	bool any;

	if (!varlink_call_more(d->call)) {
		step->tell(d, d->all);
		return true;
	}
	o = cJSON_CreateObject();
	json_add_string(o, "step", step->name);
	findings = json_add_array(o, "findings");
	step->tell(d, findings);
	any = findings && findings->child;
	if (!any) {
		cJSON_Delete(o);
		return true;
	}
	return varlink_reply_continues(d->call, o) != -ENOBUFS;
}

static void
tell_verdict(struct diagnosis *d)
{
	char summary[JUDGE_SUMMARY_MAX];
	enum judgement j = judge_verdict(&d->facts, summary);
	cJSON *o = cJSON_CreateObject();

	if (!varlink_call_more(d->call)) {
		json_add_item(o, "findings", d->all);
		d->all = NULL;
	}
	json_add_string(o, "verdict", judgement_name(j));
	json_add_string(o, "summary", summary);
	varlink_reply(d->call, o);
}

static msec_t
next_look(const struct diagnosis *d)
{
	msec_t limit = d->began_at + (is_late(d, PATIENCE_MS) ? NAT_MS : PATIENCE_MS);

	return MIN(loop_now() + SECOND_MS, limit);
}

/* Tells what can be told; the call may be over after that. */
static void
run(struct diagnosis *d)
{
	const struct step *step = &steps[d->step];

	for (; d->step < ARRAY_SIZE(steps); step = &steps[++d->step]) {
		gather(d);
		if (!d->facts.has_uplink && !step->always)
			continue;
		if (!step->ready(d)) {
			timer_set(&d->timer, next_look(d));
			return;
		}
		gather(d);
		if (!tell_step(d, step))
			return;
	}
	tell_verdict(d);
}

static void
on_timer(void *ctx)
{
	run(ctx);
}

static void
on_event(struct engine_observer *o, enum engine_event event, const struct mapping *m,
    const struct gateway *g)
{
	struct diagnosis *d = (struct diagnosis *)o;

	(void)m;
	(void)g;
	/* Never from within the engine: what is told may end the call. */
	if (event == ENGINE_GATEWAY_CHANGED)
		wake(d);
}

static void
on_drain(struct varlink_call *call, void *ctx)
{
	(void)call;
	run(ctx);
}

static void
on_end(struct varlink_call *call, void *ctx)
{
	struct diagnosis *d = ctx;

	(void)call;
	d->api->diagnoses--;
	stop_asking(d);
	behaviors_forget(d->api->behaviors, &d->nat);
	timer_done(&d->timer);
	engine_unobserve(d->api->engine, &d->observer);
	cJSON_Delete(d->all);
	free(d);
}

/* ---- the call ---- */

static void
discover(struct gateway *g)
{
	if (!g)
		return;
	router_discover(gateway_router(g), loop_now());
	gateway_kick(g);
}

static void
refuse_busy(struct varlink_call *call)
{
	cJSON *o = cJSON_CreateObject(), *findings = json_add_array(o, "findings");

	finding_add(findings, FINDING_TOO_MANY, NULL, NULL, NULL);
	json_add_string(o, "verdict", judgement_name(JUDGED_UNKNOWN));
	json_add_string(o, "summary", "unknown: others are looking already");
	varlink_reply(call, o);
}

void
diagnose(struct varlink_call *call, const struct varlink_value *values, void *ctx)
{
	struct api *a = ctx;
	const char *ifname = values[1].present ? values[1].s : "";
	struct diagnosis *d;
	cJSON *o;

	if (ifname[0] && !engine_has_interface(a->engine, ifname)) {
		o = cJSON_CreateObject();
		json_add_string(o, "interface", ifname);
		varlink_error(call, NATD_ERROR("NoSuchInterface"), o);
		return;
	}
	if (a->diagnoses >= AT_ONCE_MAX) {
		refuse_busy(call);
		return;
	}
	d = calloc(1, sizeof(*d));
	if (!d || timer_init(&d->timer, a->loop, on_timer, d) < 0) {
		free(d);
		varlink_error(call, NATD_ERROR("ShuttingDown"), NULL);
		return;
	}
	d->observer.event = on_event;
	d->api = a;
	d->call = call;
	d->began_at = loop_now();
	d->all = cJSON_CreateArray();
	d->facts.wanted_family = api_family(&values[0]);
	snprintf(d->facts.wanted_ifname, sizeof(d->facts.wanted_ifname), "%s", ifname);
	a->diagnoses++;
	engine_observe(a->engine, &d->observer);
	varlink_call_on_end(call, on_end, d);
	varlink_call_on_drain(call, on_drain, d);
	gather(d);
	discover(facts_gateway(&d->facts, d->api->engine));
	discover(facts_other_gateway(&d->facts, d->api->engine));
	if (d->facts.has_uplink) {
		ask_outside(d, facts_gateway(&d->facts, d->api->engine));
		d->nat.family = d->facts.family;
		d->nat.done = nat_known;
		memcpy(d->nat.ifname, d->facts.ifname, sizeof(d->nat.ifname));
		behaviors_ask(a->behaviors, &d->nat, false);
	}
	run(d);
}

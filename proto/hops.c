/*
 * hops.c - packets of few hops: which are sent when, and what their ends mean.
 */
#include "proto/hops.h"

int
hops_ttl(enum hops_probe probe)
{
	return probe == HOPS_SECOND ? 2 : 1;
}

void
hops_init(struct hops *h, const struct addr *seen, msec_t now)
{
	*h = (struct hops) { .seen = *seen, .next_at = now };
}

/* Whether more packets would tell nothing new. */
static bool
is_clear(const struct hops *h)
{
	return h->arrived || (h->ended[HOPS_SEEN] > 0 && h->ended[HOPS_SECOND] > 0);
}

enum hops_act
hops_next(struct hops *h, msec_t now, enum hops_probe *ret)
{
	if (h->over)
		return HOPS_WAIT;
	if (is_clear(h) || (now >= h->next_at && h->round == HOPS_ROUNDS)) {
		h->over = true;
		h->next_at = MSEC_NEVER;
		return HOPS_DONE;
	}
	if (now < h->next_at)
		return HOPS_WAIT;
	*ret = (enum hops_probe)h->burst++;
	if (h->burst == HOPS_PROBES) {
		h->burst = 0;
		h->round++;
		h->next_at =
		    now + (h->round < HOPS_ROUNDS ? HOPS_ROUND_MS : HOPS_GRACE_MS);
	}
	return HOPS_SEND;
}

void
hops_heard(struct hops *h, enum hops_probe probe, enum hops_answer answer,
    const struct addr *from)
{
	switch (answer) {
	case HOPS_ENDED:
		h->ended[probe]++;
		h->at[probe] = *from;
		break;
	case HOPS_UNREACHABLE:
		/* A firewall on the way says the like, but not in this name. */
		if (probe == HOPS_SEEN && addr_equal(from, &h->seen))
			h->arrived = true;
		break;
	}
}

void
hops_verdict(const struct hops *h, const struct addr *host, struct behavior_path *path)
{
	bool ended = h->ended[HOPS_SEEN] > 0;
	/* Silence counts when the router hardly missed a word otherwise. */
	bool first = h->arrived || (!ended && h->ended[HOPS_FIRST] >= HOPS_ROUNDS - 1);
	bool carrier = ended && !h->arrived &&
		       addr_equal(&h->at[HOPS_SEEN], &h->at[HOPS_FIRST]) &&
		       addr_classify(&h->at[HOPS_SECOND]) == ADDR_CLASS_CGN;

	int translators = first ? 1 : 2;

	/* Who contradicts what is known has missed something. */
	if ((!first && !carrier) ||
	    (path->translators >= 0 && path->translators != translators))
		return;
	path->translators = translators;
	if (path->carrier < 0)
		path->carrier = carrier || addr_classify(host) == ADDR_CLASS_CGN;
}

/*
 * fuzz_scrape.c - a request of HTTP: the same answer however it is cut, once it is
 * whole.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/scrape.h"
#include "proto/util.h"

/* As text of metrics: nothing is lost but "_total". */
static void
check_open_metrics(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *open;

	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	open = scrape_open_metrics(text);
	MUST(open && strlen(open) <= strlen(text) + strlen("# EOF\n"));
	free(open);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *request = (const char *)data;
	enum scrape_format format = SCRAPE_TEXT, again = SCRAPE_TEXT;
	int status = scrape_decode(request, size, &format);

	MUST(status == 0 || status == 200 || status == 400 || status == 404 ||
	     status == 405 || status == 431);
	MUST(status != 0 || size < SCRAPE_REQUEST_MAX);
	/* What comes behind is not looked at, unless it is a body that makes no sense.
	 */
	if (status == 200)
		MUST(
		    scrape_decode(request, size - 1, &again) != 200 || again == format);
	check_open_metrics(data, size);
	return 0;
}

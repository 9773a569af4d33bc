/*
 * test_http_recorded.c - the HTTP messages of routers, whole, byte by byte, cut
 * anywhere.
 *
 * Rows are written from the recorded files and RFC 9112, not from the reader.
 */
#include "tests/unit/recorded.h"

#include <errno.h>
#include <time.h>

#include "tests/unit/http_cut.h"

#define IGD_DESC "tests/data/igd-desc"
#define SOAP "tests/data/soap"

struct row {
	const char *file;
	int fed,
	    closed; /* http_response_feed() of all of it, http_response_eof() then */
	int status; /* and the length of the body, if closed is 1 */
	size_t body_len;
};

static const struct row igd_desc[] = {
	/* no length: until the peer closes */
	{ "ai-65300-dots-no-length.http", 0, 1, 200, 65300 },
	{ "ai-actiontec-gt784wn.http", 0, 1, 200, 3000 },
	{ "ai-cga4131com-bad-root-ns.http", 1, 1, 200, 2972 },
	/* the length leaves out the last line feed */
	{ "ai-cga4131com-bad-xmlns.http", 1, 1, 200, 2972 },
	{ "ai-cga4131com.http", 1, 1, 200, 2972 },
	{ "ai-dd-wrt-x86.http", 0, 1, 200, 3577 },
	{ "ai-dlink-dir-890l.http", 1, 1, 200, 3921 },
	{ "ai-duplicate-content-type.http", 0, 1, 200, 2972 },
	{ "ai-netgear-r7500v2-ac2350.http", 1, 1, 200, 3720 },
	{ "lv-mu231-igd2-rootDesc.http", 1, 1, 200, 3093 },
	{ "syn-http-1.0.http", 0, 1, 200, 1258 },
	{ "syn-http-100-continue.http", 1, 1, 200, 1258 },
	{ "syn-http-100-forever.http", -EMSGSIZE, -EMSGSIZE, 0, 0 },
	/* an answer like any other; nobody follows it */
	{ "syn-http-302-other-host.http", 1, 1, 302, 0 },
	{ "syn-http-5000-headers.http", -EMSGSIZE, -EMSGSIZE, 0, 0 },
	{ "syn-http-503-retry-after.http", 1, 1, 503, 0 },
	{ "syn-http-chunked-0x.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-chunked-20digits.http", -EBADMSG, -EBADMSG, 0, 0 },
	/* "chunked wins" would be legal, but only an attack sends both */
	{ "syn-http-chunked-and-length.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-chunked-ext-trailers.http", 1, 1, 200, 1258 },
	{ "syn-http-chunked-missing-crlf.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-chunked-negative.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-chunked-nohex.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-chunked-ok.http", 1, 1, 200, 1258 },
	{ "syn-http-chunked-overflow32.http", -EMSGSIZE, -EMSGSIZE, 0, 0 },
	{ "syn-http-chunked-truncated.http", 0, -EBADMSG, 0, 0 },
	{ "syn-http-folded-header.http", 1, 1, 200, 1258 },
	/* never asked for */
	{ "syn-http-gzip.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-header-64k.http", -EMSGSIZE, -EMSGSIZE, 0, 0 },
	{ "syn-http-length-4g.http", -EMSGSIZE, -EMSGSIZE, 0, 0 },
	{ "syn-http-length-huge.http", -EMSGSIZE, -EMSGSIZE, 0, 0 },
	/* a short body may be cut XML: refused */
	{ "syn-http-length-long.http", 0, -EBADMSG, 0, 0 },
	{ "syn-http-length-negative.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-lf-only.http", 1, 1, 200, 1258 },
	{ "syn-http-no-ct.http", 1, 1, 200, 1258 },
	{ "syn-http-no-length-close.http", 0, 1, 200, 1258 },
	/* the NUL shows as "?" */
	{ "syn-http-nul-header.http", 1, 1, 200, 1258 },
	{ "syn-http-status-garbage.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "syn-http-text-html-ct.http", 1, 1, 200, 1258 },
	{ "syn-http-two-lengths.http", -EBADMSG, -EBADMSG, 0, 0 },
};

static const struct row soap[] = {
	{ "ai-actiontec-gt784wn-01-GetGenericPortMappingEntry.http", 1, 1, 200, 654 },
	{ "ai-actiontec-gt784wn-02-GetGenericPortMappingEntry.http", 1, 1, 500, 474 },
	{ "ai-actiontec-gt784wn-05-GetExternalIPAddress.http", 1, 1, 200, 360 },
	{ "ai-blank-response-body.http", 1, 1, 200, 280 },
	/* the length is 8 less than what follows */
	{ "ai-blank-response.http", 1, 1, 200, 148 },
	{ "ai-dd-wrt-x86-03-GetExternalIPAddress.http", 1, 1, 200, 359 },
	/* the length is 10 more than what follows */
	{ "ai-error-response-no-description.http", 0, -EBADMSG, 0, 0 },
	/* a request is no response */
	{ "ai-post-bytes.http", -EBADMSG, -EBADMSG, 0, 0 },
	{ "ai-post-response.http", 1, 1, 200, 340 },
	{ "ai-response.http", 1, 1, 200, 404 },
	{ "lv-mu231-igd1-AddPortMapping-bad-proto.http", 1, 1, 200, 263 },
	{ "lv-mu231-igd1-GetConnectionTypeInfo.http", 1, 1, 200, 417 },
	{ "lv-mu231-igd1-GetExternalIPAddress.http", 1, 1, 200, 357 },
	{ "lv-mu231-igd1-GetNATRSIPStatus.http", 1, 1, 200, 363 },
	{ "lv-mu231-igd1-GetStatusInfo.http", 1, 1, 200, 425 },
	{ "lv-mu231-igd2-AddPortMapping-bad-proto.http", 1, 1, 200, 263 },
	{ "lv-mu231-igd2-AddPortMapping-denied-port.http", 1, 1, 500, 405 },
	{ "lv-mu231-igd2-AddPortMapping-ok.http", 1, 1, 200, 263 },
	{ "lv-mu231-igd2-AddPortMapping-other-client.http", 1, 1, 200, 263 },
	{ "lv-mu231-igd2-DeletePortMappingRange.http", 1, 1, 200, 305 },
	{ "lv-mu231-igd2-GetConnectionTypeInfo.http", 1, 1, 200, 417 },
	{ "lv-mu231-igd2-GetExternalIPAddress.http", 1, 1, 200, 357 },
	{ "lv-mu231-igd2-GetGeneric-0.http", 1, 1, 200, 637 },
	{ "lv-mu231-igd2-GetGeneric-713.http", 1, 1, 500, 410 },
	{ "lv-mu231-igd2-GetListOfPortMappings.http", 1, 1, 200, 973 },
	{ "lv-mu231-igd2-GetSpecific-ok.http", 1, 1, 200, 538 },
	{ "lv-mu231-igd2-GetStatusInfo.http", 1, 1, 200, 425 },
	{ "lv-mu231-igd2-IP6-GetFirewallStatus.http", 1, 1, 200, 386 },
	{ "lv-mu231-igd2-WANCIC-GetCommonLinkProperties.http", 1, 1, 200, 549 },
	{ "lv-mu231-igd2-WANCIC-GetTotalBytesReceived.http", 1, 1, 200, 362 },
	{ "lv-mu231-igd2-unknown-action-401.http", 1, 1, 500, 398 },
	{ "lv-mu231-igd2-wrong-path.http", 1, 1, 200, 357 },
	{ "lv-mu231-igd2-wrong-service-version.http", 1, 1, 200, 357 },
	{ "syn-204.http", 1, 1, 204, 0 },
	{ "syn-duplicate-args.http", 1, 1, 200, 409 },
	{ "syn-empty-200.http", 1, 1, 200, 0 },
	{ "syn-extip-cdata.http", 1, 1, 200, 365 },
	{ "syn-extip-class-e.http", 1, 1, 200, 351 },
	{ "syn-extip-empty.http", 1, 1, 200, 342 },
	{ "syn-extip-html-inject.http", 1, 1, 200, 363 },
	{ "syn-extip-ll.http", 1, 1, 200, 353 },
	{ "syn-extip-long.http", 1, 1, 200, 5342 },
	{ "syn-extip-multicast.http", 1, 1, 200, 351 },
	{ "syn-extip-nested.http", 1, 1, 200, 360 },
	{ "syn-extip-null-text.http", 1, 1, 200, 348 },
	{ "syn-extip-octal.http", 1, 1, 200, 357 },
	{ "syn-extip-overflow.http", 1, 1, 200, 351 },
	{ "syn-extip-private.http", 1, 1, 200, 355 },
	{ "syn-extip-ws.http", 1, 1, 200, 357 },
	{ "syn-extip-zero.http", 1, 1, 200, 349 },
	{ "syn-fault-401.http", 1, 1, 500, 419 },
	{ "syn-fault-402.http", 1, 1, 500, 417 },
	{ "syn-fault-501.http", 1, 1, 500, 418 },
	{ "syn-fault-600.http", 1, 1, 500, 427 },
	{ "syn-fault-602.http", 1, 1, 500, 436 },
	{ "syn-fault-606.http", 1, 1, 500, 426 },
	{ "syn-fault-701.http", 1, 1, 500, 426 },
	{ "syn-fault-702.http", 1, 1, 500, 421 },
	{ "syn-fault-703.http", 1, 1, 500, 429 },
	{ "syn-fault-704.http", 1, 1, 500, 416 },
	{ "syn-fault-708.http", 1, 1, 500, 459 },
	{ "syn-fault-714.http", 1, 1, 500, 423 },
	{ "syn-fault-715.http", 1, 1, 500, 432 },
	{ "syn-fault-718.http", 1, 1, 500, 427 },
	{ "syn-fault-724.http", 1, 1, 500, 427 },
	{ "syn-fault-725.http", 1, 1, 500, 433 },
	{ "syn-fault-726.http", 1, 1, 500, 435 },
	{ "syn-fault-727.http", 1, 1, 500, 437 },
	{ "syn-fault-728.http", 1, 1, 500, 424 },
	{ "syn-fault-729.http", 1, 1, 500, 432 },
	{ "syn-fault-730.http", 1, 1, 500, 424 },
	{ "syn-fault-732.http", 1, 1, 500, 434 },
	{ "syn-fault-733.http", 1, 1, 500, 427 },
	{ "syn-fault-899.http", 1, 1, 500, 411 },
	{ "syn-fault-code-huge.http", 1, 1, 500, 423 },
	{ "syn-fault-in-200.http", 1, 1, 200, 406 },
	{ "syn-fault-no-code.http", 1, 1, 500, 261 },
	{ "syn-fault-soap12.http", 1, 1, 500, 155 },
	{ "syn-html-200.http", 1, 1, 200, 31 },
	{ "syn-no-prefix.http", 1, 1, 200, 256 },
	{ "syn-other-action.http", 1, 1, 200, 339 },
	{ "syn-pinhole-add-no-id.http", 1, 1, 200, 284 },
	{ "syn-pinhole-add-ok.http", 1, 1, 200, 307 },
	{ "syn-pinhole-id-65536.http", 1, 1, 200, 310 },
	{ "syn-specific-client-hostname.http", 1, 1, 200, 519 },
	{ "syn-specific-desc-4k.http", 1, 1, 200, 4619 },
	{ "syn-specific-desc-bad-utf8.http", 1, 1, 200, 527 },
	{ "syn-specific-disabled.http", 1, 1, 200, 527 },
	{ "syn-specific-enabled-true.http", 1, 1, 200, 530 },
	{ "syn-specific-foreign-client.http", 1, 1, 200, 527 },
	{ "syn-specific-lease-0.http", 1, 1, 200, 524 },
	{ "syn-specific-lease-2e32.http", 1, 1, 200, 533 },
	{ "syn-specific-lease-negative.http", 1, 1, 200, 525 },
	{ "syn-specific-ok.http", 1, 1, 200, 527 },
	{ "syn-specific-port-70000.http", 1, 1, 200, 528 },
	{ "syn-specific-port-float.http", 1, 1, 200, 529 },
	{ "syn-success-in-500.http", 1, 1, 500, 353 },
	{ "syn-unbound-prefix.http", 1, 1, 200, 163 },
	{ "syn-uppercase-args.http", 1, 1, 200, 353 },
};

static void
check_row(const char *folder, const struct row *row, cut *next)
{
	_cleanup_(response_freep) struct http_response *r =
	    http_response_new(HTTP_BODY_MAX);
	size_t len, body_len;
	_cleanup_(freep) char *bytes = recorded_read(folder, row->file, &len);
	int fed, closed;

	assert_non_null(r);
	fed = feed_cut(r, bytes, len, next);
	closed = http_response_eof(r);
	if (fed != row->fed || closed != row->closed)
		fail_msg("%s/%s: %d %d", folder, row->file, fed, closed);
	/* What is final stays. */
	assert_int_equal(http_response_eof(r), closed);
	assert_int_equal(http_response_feed(r, bytes, len), closed);
	if (closed != 1)
		return;

	if (http_response_status(r) != row->status)
		fail_msg("%s: status %d", row->file, http_response_status(r));
	http_response_body(r, &body_len);
	if (body_len != row->body_len)
		fail_msg("%s: body of %zu", row->file, body_len);
	assert_int_equal(http_response_body(r, &body_len)[body_len], '\0');
	if (!strstr(row->file, "chunked"))
		assert_non_null(
		    memmem(bytes, len, http_response_body(r, &body_len), body_len));
}

static void
check_all(cut *next)
{
	for (size_t i = 0; i < ARRAY_SIZE(igd_desc); i++)
		check_row(IGD_DESC, &igd_desc[i], next);
	for (size_t i = 0; i < ARRAY_SIZE(soap); i++)
		check_row(SOAP, &soap[i], next);
}

static void
every_file_has_a_row(void **state)
{
	(void)state;
	recorded_check(IGD_DESC, ".http", igd_desc);
	recorded_check(SOAP, ".http", soap);
}

static void
every_file_whole(void **state)
{
	(void)state;
	check_all(cut_nowhere);
}

static void
every_file_byte_by_byte(void **state)
{
	(void)state;
	check_all(cut_everywhere);
}

static void
every_file_cut_anywhere(void **state)
{
	const char *again = getenv("SEED");
	unsigned seed =
	    (unsigned)(again ? strtoul(again, NULL, 10) : (unsigned long)time(NULL));

	(void)state;
	print_message("seed %u\n", seed);
	srandom(seed);
	for (unsigned i = 0; i < 20; i++)
		check_all(cut_anywhere);
}

static void
chunks_make_the_body(void **state)
{
	static const char *const files[] = { "syn-http-chunked-ok.http",
		"syn-http-chunked-ext-trailers.http" };
	size_t plain_len, len, body_len;
	_cleanup_(freep) char *plain =
	    recorded_read(IGD_DESC, "syn-http-1.0.http", &plain_len);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(response_freep) struct http_response *r =
		    http_response_new(HTTP_BODY_MAX);
		_cleanup_(freep) char *bytes = recorded_read(IGD_DESC, files[i], &len);

		assert_int_equal(feed_cut(r, bytes, len, cut_anywhere), 1);
		http_response_body(r, &body_len);
		assert_int_equal(body_len, 1258);
		assert_memory_equal(http_response_body(r, &body_len),
		    plain + plain_len - body_len, body_len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_has_a_row),
		cmocka_unit_test(every_file_whole),
		cmocka_unit_test(every_file_byte_by_byte),
		cmocka_unit_test(every_file_cut_anywhere),
		cmocka_unit_test(chunks_make_the_body),
	};

	return cmocka_run_group_tests_name("http_recorded", tests, NULL, NULL);
}

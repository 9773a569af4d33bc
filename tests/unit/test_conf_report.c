/*
 * test_conf_report.c - what a reload changes, and that etc/natd.conf says what the
 * table says.
 *
 * "test_conf_report print" writes the text that etc/natd.conf should be.
 */
#include "tests/unit/conf_files.h"

static const char *
diff_text(const char *before, const char *after)
{
	static char text[2048];
	struct conf *a = load_text(before), *b = load_text(after);
	struct conf_changes changes;

	assert_int_equal(conf_diff(a, b, &changes), 0);
	text[0] = '\0';
	for (size_t i = 0; i < changes.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s\n",
		    changes.list[i].name, changes.list[i].restart ? " restart" : "");
	conf_changes_done(&changes);
	assert_null(changes.list);
	conf_free(a);
	conf_free(b);
	return text;
}

#define MAPPING_A "[Mapping a]\nProtocols=tcp\nInternalPort=1\n"

static const struct {
	const char *before, *after, *diff;
} diffs[] = {
	{ "", "", "" },
	{ "",
	    "[Daemon]\nLeaseSec=120min\nMethods=pcp igd2 nat_pmp igd1 igd_pinhole "
	    "direct\n",
	    "" },
	{ "", "[Daemon]\nLogLevel=debug\nEvents=yes\n",
	    "Daemon.LogLevel\nDaemon.Events\n" },
	{ "",
	    "[Daemon]\nConnectionsMax=100\nConnectionsPerUser=1\nAdminGroup="
	    "wheel\nMappingsMax=7\n",
	    "Daemon.MappingsMax\nDaemon.ConnectionsMax "
	    "restart\nDaemon.ConnectionsPerUser restart\n"
	    "Daemon.AdminGroup restart\n" },
	{ "[Daemon]\nMethods=pcp igd1\n", "[Daemon]\nMethods=igd1 pcp\n",
	    "Daemon.Methods\n" },
	{ "[Daemon]\nPcpServers=10.0.0.1\n", "[Daemon]\nPcpServers=\n",
	    "Daemon.PcpServers\n" },
	{ "[Daemon]\nAdminGroup=a\n", "[Daemon]\nAdminGroup=longer\nAdminGroup=a\n",
	    "" },
	{ "", "[Stun]\nServers=a,b\n", "Stun.Servers\n" },
	{ "[StunServer]\nListen=192.0.2.1\n", "[StunServer]\nListen=192.0.2.1:3478\n",
	    "" },
	{ "", "[StunServer]\nListen=192.0.2.1\n", "StunServer.Listen\n" },
	{ "[Stun]\nServers=a,b:1\n", "[Stun]\nServers=stun:a\nServers=b:1\n", "" },
	{ MAPPING_A, "", "Mapping a\n" },
	{ "", MAPPING_A "[Uplink wg0]\n", "Uplink wg0\nMapping a\n" },
	{ "[Uplink wg0]\n", "[Uplink wg1]\n", "Uplink wg0\nUplink wg1\n" },
	{ MAPPING_A, MAPPING_A "ExternalPort=7\nPreferFailure=yes\n",
	    "Mapping a.ExternalPort\nMapping a.PreferFailure\n" },
	{ MAPPING_A "[Mapping b]\nProtocols=udp\nInternalPort=2\n",
	    "[Mapping b]\nProtocols=udp\nInternalPort=2\n" MAPPING_A, "" },
	/* What an uplink takes over from [Daemon] changes with it. */
	{ "[Uplink wg0]\n", "[Daemon]\nLeaseSec=1h\n[Uplink wg0]\nGateway=10.0.0.1\n",
	    "Daemon.LeaseSec\nUplink wg0.Gateway\nUplink wg0.LeaseSec\n" },
	{ "[Uplink wg0]\nLeaseSec=60\n",
	    "[Daemon]\nLeaseSec=1h\n[Uplink wg0]\nLeaseSec=1min\n",
	    "Daemon.LeaseSec\n" },
};

static void
test_diff(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(diffs); i++)
		assert_string_equal(
		    diff_text(diffs[i].before, diffs[i].after), diffs[i].diff);
}

static void
test_long_names_fit_a_change(void **state)
{
	(void)state;
	assert_string_equal(
	    diff_text("[Mapping " X63 "]\nProtocols=tcp\nInternalPort=1\n",
		"[Mapping " X63 "]\nProtocols=tcp\nInternalPort=1\n"
		"InternalAddress=10.0.0.1\n"),
	    "Mapping " X63 ".InternalAddress\n");
}

/* What of the mistakes fits into a text of so many bytes. */
static const struct {
	size_t size;
	const char *text;
} cuts[] = {
	{ 200, "a first one\n/n:7: another\n/n: the file\n/n:9: the last" },
	/* What is not the last leaves room for saying how many are behind it. */
	{ 70, "a first one\n/n:7: another\n/n: the file\n/n:9: the last" },
	{ 69, "a first one\n/n:7: another\nand 2 more" },
	{ 57, "a first one\n/n:7: another\nand 2 more" },
	{ 56, "a first one\nand 3 more" },
	{ 43, "a first one\nand 3 more" },
	{ 42, "and 4 more" },
};

static void
test_errors_that_do_not_fit_are_counted(void **state)
{
	static struct conf_error list[] = { { "/n", 3, "a first one" },
		{ "/n", 7, "another" }, { "/n", 0, "the file" },
		{ "/n", 9, "the last" } };
	const struct conf_errors errors = { ARRAY_SIZE(list), list };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		char text[256];

		memset(text, 'x', sizeof(text));
		conf_errors_text(&errors, text, cuts[i].size);
		assert_string_equal(text, cuts[i].text);
		assert_int_equal(text[cuts[i].size], 'x');
	}
}

static void
assert_entry(const struct iovec *entry, const char *text)
{
	assert_int_equal(entry->iov_len, strlen(text));
	assert_memory_equal(entry->iov_base, text, strlen(text));
}

static void
count_line(void *ctx, const struct iovec *entries, size_t count)
{
	unsigned *lines = ctx;

	(void)count;
	if (++*lines == 1)
		assert_entry(&entries[0], "MESSAGE=/n:5: wrong");
	if (*lines == 1001)
		assert_entry(&entries[0], "MESSAGE=and 4000 more");
}

static void
test_errors_are_all_logged_up_to_the_limit_given(void **state)
{
	static struct conf_error list[5000];
	const struct conf_errors errors = { ARRAY_SIZE(list), list };
	unsigned lines = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = (struct conf_error) { "/n", 5, "wrong" };
	log_redirect(count_line, &lines, NULL);
	conf_errors_log(&errors, 1000, NULL);
	assert_int_equal(lines, 1001);
	lines = 2000;
	conf_errors_log(&errors, ARRAY_SIZE(list), NULL);
	assert_int_equal(lines, 7000);
	log_redirect(NULL, NULL, NULL);
}

static char *
printed_defaults(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	conf_print_defaults(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
test_shipped_file(void **state)
{
	char *want = printed_defaults(), got[32768];
	FILE *f = fopen("etc/natd.conf", "r");
	size_t len;

	(void)state;
	assert_non_null(f);
	len = fread(got, 1, sizeof(got) - 1, f);
	got[len] = '\0';
	fclose(f);
	if (strcmp(got, want) != 0)
		fail_msg("etc/natd.conf is old; run: "
			 "build/tests/unit/test_conf_report print >etc/natd.conf");
	free(want);
}

/* As shipped, and with every default of [Daemon] given: both are the defaults. */
static void
test_printed_defaults_are_the_defaults(void **state)
{
	char *text = printed_defaults(), *given = strdup(text), *end;
	struct conf *c = load_text(text);

	(void)state;
	assert_defaults(c);
	conf_free(c);
	end = strstr(given, "#[Uplink");
	assert_non_null(end);
	*end = '\0';
	for (char *line = given; line; line = strchr(line + 1, '\n')) {
		char *hash = line[0] == '\n' ? line + 1 : line;

		if (hash[0] == '#' && hash[1] != ' ')
			hash[0] = ' ';
	}
	assert_non_null(strstr(given, "\n LeaseSec=2h\n"));
	c = load_text(given);
	assert_defaults(c);
	conf_free(c);
	free(text);
	free(given);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_diff, setup),
		cmocka_unit_test_setup(test_long_names_fit_a_change, setup),
		cmocka_unit_test_setup(test_errors_that_do_not_fit_are_counted, setup),
		cmocka_unit_test_setup(
		    test_errors_are_all_logged_up_to_the_limit_given, setup),
		cmocka_unit_test_setup(test_shipped_file, setup),
		cmocka_unit_test_setup(test_printed_defaults_are_the_defaults, setup),
	};

	if (argc == 2 && strcmp(argv[1], "print") == 0) {
		conf_print_defaults(stdout);
		return 0;
	}
	return cmocka_run_group_tests_name(
	    "conf_report", tests, conf_group_setup, conf_group_teardown);
}

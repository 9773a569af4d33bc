/*
 * test_varlink_fds.c - descriptors that ride on messages: to whom they go, and that
 * none is left over, however a client misplaces or multiplies them.
 */
#include "tests/unit/varlink_toy.h"

#include <sys/resource.h>

#define ECHO_CALL "{\"method\":\"" TOY ".Echo\",\"parameters\":{\"text\":\"x\"}}"
#define ECHO_REPLY "{\"parameters\":{\"text\":\"x\"}}"
#define LATER "{\"method\":\"" TOY ".Later\"}"
#define INODE "{\"method\":\"" TOY ".Inode\"}"
#define KEEP "{\"method\":\"" TOY ".Inode\",\"parameters\":{\"keep\":true}}"

/* bytes in one sendmsg() with n copies of fd. */
static void
send_with_fds(struct client *c, const char *bytes, size_t len, int fd, unsigned n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(h) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(c->fd, &m, MSG_NOSIGNAL), len);
}

static int any_fd;
static unsigned descriptors_before;
static char inode_reply[128];

static int
setup_descriptors(void **state)
{
	struct stat st;

	(void)toy_setup(state);
	any_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(any_fd >= 0);
	assert_int_equal(fstat(any_fd, &st), 0);
	(void)snprintf(inode_reply, sizeof(inode_reply),
	    "{\"parameters\":{\"inode\":%" PRIu64 "}}", (uint64_t)st.st_ino);
	descriptors_before = toy_open_descriptors();
	return 0;
}

/* Nothing may be left over when the clients are gone. */
static int
teardown_descriptors(void **state)
{
	toy_turn_until_connections(0);
	assert_int_equal(toy_open_descriptors(), descriptors_before);
	(void)close(any_fd);
	return toy_teardown(state);
}

static void
fd_is_delivered_with_its_message(void **state)
{
	struct client *c = client_new();

	(void)state;
	send_with_fds(c, INODE, sizeof(INODE), any_fd, 1);
	client_expect(c, inode_reply);
	client_call(c, INODE);
	client_expect(c, "{\"parameters\":{\"inode\":0}}");
	client_free(c);
}

static void
fd_is_delivered_with_its_message_among_pipelined_ones(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_call(c, INODE);
	client_call(c, ECHO_CALL);
	send_with_fds(c, INODE, sizeof(INODE), any_fd, 1);
	send_with_fds(c, INODE, sizeof(INODE), any_fd, 1);
	client_call(c, INODE);
	client_expect(c, "{\"parameters\":{\"inode\":0}}");
	client_expect(c, ECHO_REPLY);
	client_expect(c, inode_reply);
	client_expect(c, inode_reply);
	client_expect(c, "{\"parameters\":{\"inode\":0}}");
	client_free(c);
}

/* Also when the buffer cuts a message with a descriptor, and the next one has one too.
 */
static void
fd_is_delivered_wherever_the_buffer_ends(void **state)
{
	(void)state;
	for (unsigned fill = 3950; fill < 4110; fill++) {
		struct client *c = client_new();
		char *spaces = malloc(fill);

		assert_non_null(spaces);
		memset(spaces, ' ', fill);
		client_send(c, spaces, fill);
		client_call(c, INODE);
		for (unsigned i = 0; i < 3; i++)
			send_with_fds(c, INODE, sizeof(INODE), any_fd, 1);
		client_call(c, INODE);
		client_expect(c, "{\"parameters\":{\"inode\":0}}");
		for (unsigned i = 0; i < 3; i++)
			client_expect(c, inode_reply);
		client_expect(c, "{\"parameters\":{\"inode\":0}}");
		client_free(c);
		free(spaces);
	}
}

static void
fd_comes_with_the_first_byte_of_a_message_sent_in_pieces(void **state)
{
	struct client *c = client_new();

	(void)state;
	send_with_fds(c, INODE, 1, any_fd, 1);
	toy_turns(3);
	client_send(c, &INODE[1], sizeof(INODE) - 1);
	client_expect(c, inode_reply);
	client_free(c);
}

static void
fd_in_the_middle_of_a_message_closes(void **state)
{
	struct client *c = client_new();

	(void)state;
	client_send(c, INODE, 1);
	toy_turns(3);
	send_with_fds(c, &INODE[1], sizeof(INODE) - 1, any_fd, 1);
	client_expect(c, NULL);
	client_free(c);
}

static void
fd_that_the_method_does_not_take_is_closed(void **state)
{
	static const char *const messages[] = { ECHO_CALL, KEEP, "{\"method\":\"x.y\"}",
		"{\"method\":\"" TOY ".Secret\"}",
		"{\"method\":\"" TOY ".Inode\",\"parameters\":{\"x\":1}}",
		"{\"method\":\"" TOY ".Inode\",\"upgrade\":true}" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(messages); i++) {
		struct client *c = client_new();
		unsigned before = toy_open_descriptors();

		send_with_fds(c, messages[i], strlen(messages[i]) + 1, any_fd, 1);
		assert_non_null(client_receive(c));
		assert_int_equal(toy_open_descriptors(), before);
		client_free(c);
		toy_turn_until_connections(0);
	}
}

/* A call that waits for its answer does not keep what it cannot use. */
static void
fd_of_a_waiting_call_is_closed_at_once(void **state)
{
	struct client *c = client_new();
	unsigned before = toy_open_descriptors();

	(void)state;
	send_with_fds(c, LATER, sizeof(LATER), any_fd, 1);
	toy_turn_until_held(1);
	assert_int_equal(toy_open_descriptors(), before);
	client_free(c);
}

static void
two_or_more_fds_are_refused(void **state)
{
	(void)state;
	for (unsigned n = 2; n <= 16; n++) {
		struct client *c = client_new();

		send_with_fds(c, INODE, sizeof(INODE), any_fd, n);
		client_expect(c, NULL);
		client_free(c);
	}
}

/* The kernel drops it, and the method must not take that for a call without one. */
static void
fd_that_could_not_be_received_closes(void **state)
{
	struct client *c = client_new();
	struct rlimit usual, tight;
	int next = dup(0);

	(void)state;
	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	send_with_fds(c, INODE, sizeof(INODE), any_fd, 1);
	tight = usual;
	tight.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	client_expect(c, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	client_free(c);
}

static void
fd_of_a_message_that_is_none_is_closed(void **state)
{
	struct client *c = client_new(), *d = client_new(), *e = client_new();

	(void)state;
	send_with_fds(c, "{}", 3, any_fd, 1);
	client_expect(c, NULL);
	client_free(c);
	send_with_fds(d, "{", 1, any_fd, 1); /* and never the rest */
	toy_turns(3);
	client_free(d);
	client_call(e, LATER); /* unread in the socket */
	send_with_fds(e, INODE, sizeof(INODE), any_fd, 1);
	toy_turn_until_held(1);
	client_free(e);
}

#define TEST(function)                   \
	cmocka_unit_test_setup_teardown( \
	    function, setup_descriptors, teardown_descriptors)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fd_is_delivered_with_its_message),
		TEST(fd_is_delivered_with_its_message_among_pipelined_ones),
		TEST(fd_is_delivered_wherever_the_buffer_ends),
		TEST(fd_comes_with_the_first_byte_of_a_message_sent_in_pieces),
		TEST(fd_in_the_middle_of_a_message_closes),
		TEST(fd_that_the_method_does_not_take_is_closed),
		TEST(fd_of_a_waiting_call_is_closed_at_once),
		TEST(two_or_more_fds_are_refused),
		TEST(fd_that_could_not_be_received_closes),
		TEST(fd_of_a_message_that_is_none_is_closed),
	};

	return cmocka_run_group_tests_name("varlink_fds", tests, NULL, NULL);
}

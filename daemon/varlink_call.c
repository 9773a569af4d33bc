/*
 * varlink_call.c - one call: its header, its parameters against the table, its answers.
 *
 * A message whose header is not one is no ground for an answer: the connection ends.
 * What is wrong further in has an error of org.varlink.service.  Answers carry nothing
 * at their top level but parameters, error and continues, and parameters is always an
 * object: anything else resets or confuses one client or another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/varlink_internal.h"

#define SERVICE "org.varlink.service."
/* More than this of several replies may not wait, so that the last one always fits. */
#define CONTINUES_MAX ((size_t)VARLINK_OUTPUT_MAX / 4 * 3)
/* Nor more than this while all connections together have so much waiting. */
#define CONTINUES_CROWDED_MAX ((size_t)VARLINK_OUTPUT_MAX / 16)
#define CROWDED ((size_t)32 * 1024 * 1024)

/* ---- parameters ---- */

static bool
check_int(const struct varlink_param *p, const cJSON *item, struct varlink_value *v)
{
	return json_to_int(item, &v->i) == 0 && v->i >= p->min && v->i <= p->max;
}

static bool
check_bool(const struct varlink_param *p, const cJSON *item, struct varlink_value *v)
{
	(void)p;
	v->i = cJSON_IsTrue(item);
	return cJSON_IsBool(item);
}

/* C0, DEL and C1 (U+0080 to U+009F); the text is valid UTF-8. */
static bool
has_control_characters(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return true;
	return false;
}

static bool
check_string(const struct varlink_param *p, const cJSON *item, struct varlink_value *v)
{
	int64_t len;

	v->s = cJSON_GetStringValue(item);
	if (v->s == NULL)
		return false;
	len = (int64_t)strlen(v->s);
	return len >= p->min && len <= p->max && !has_control_characters(v->s);
}

static int
enum_index(const struct varlink_param *p, const cJSON *item)
{
	const char *s = cJSON_GetStringValue(item);

	for (int i = 0; s != NULL && p->values[i] != NULL; i++)
		if (strcmp(p->values[i], s) == 0)
			return i;
	return -1;
}

static bool
check_enum(const struct varlink_param *p, const cJSON *item, struct varlink_value *v)
{
	v->i = enum_index(p, item);
	return v->i >= 0;
}

static bool
check_enums(const struct varlink_param *p, const cJSON *item, struct varlink_value *v)
{
	const cJSON *element;

	if (!cJSON_IsArray(item))
		return false;
	cJSON_ArrayForEach(element, item)
	{
		int index = enum_index(p, element);

		if (index < 0 || v->count == VARLINK_ENUMS_MAX)
			return false;
		for (unsigned i = 0; i < v->count; i++)
			if (v->list[i] == index)
				return false;
		v->list[v->count++] = (uint8_t)index;
	}
	return v->count >= p->min;
}

static bool (*const checks[])(
    const struct varlink_param *p, const cJSON *item, struct varlink_value *v) = {
	[VARLINK_INT] = check_int,
	[VARLINK_BOOL] = check_bool,
	[VARLINK_STRING] = check_string,
	[VARLINK_ENUM] = check_enum,
	[VARLINK_ENUMS] = check_enums,
};

/* The name of a parameter that is unknown, missing or wrong; NULL: all are good. */
static const char *
check_parameters(const struct varlink_param *params, struct varlink_call *call)
{
	const cJSON *given;

	for (unsigned i = 0; params[i].name != NULL; i++) {
		struct varlink_value *v = &call->values[i];
		const cJSON *item = json_get(call->parameters, params[i].name);

		v->present = item != NULL;
		if (item == NULL ? params[i].required
				 : !checks[params[i].type](&params[i], item, v))
			return params[i].name;
	}
	cJSON_ArrayForEach(given, call->parameters)
	{
		unsigned i = 0;

		while (params[i].name != NULL &&
		       strcmp(params[i].name, given->string) != 0)
			i++;
		if (params[i].name == NULL)
			return given->string;
	}
	return NULL;
}

/* ---- dispatch ---- */

struct header {
	const char *method; /* borrowed from the message */
	cJSON *parameters;  /* likewise, NULL: none */
	bool more, oneway, upgrade;
};

/* A flag that is missing or null is not set; false: it is no flag. */
static bool
header_flag(const cJSON *message, const char *name, bool *ret)
{
	return json_get_bool(message, name, ret) != -EINVAL;
}

static bool
header_read(const cJSON *message, struct header *ret)
{
	*ret = (struct header) {
		.method = json_get_string(message, "method"),
		.parameters = json_get(message, "parameters"),
	};
	return cJSON_IsObject(message) && ret->method != NULL &&
	       (ret->parameters == NULL || cJSON_IsObject(ret->parameters)) &&
	       header_flag(message, "more", &ret->more) &&
	       header_flag(message, "oneway", &ret->oneway) &&
	       header_flag(message, "upgrade", &ret->upgrade) &&
	       !(ret->more && ret->oneway);
}

static void
error_with(
    struct varlink_call *call, const char *error, const char *key, const char *value)
{
	cJSON *parameters = cJSON_CreateObject();

	json_add_string(parameters, key, value);
	varlink_error(call, error, parameters);
}

/* Finds the method, and counts the call; otherwise answers and gives NULL. */
static const struct varlink_method *
find_method(struct varlink_call *call, const char *name, void **ret_ctx)
{
	struct varlink_server *s = call->conn->server;
	const char *dot = strrchr(name, '.');
	size_t len = dot != NULL ? (size_t)(dot - name) : 0;
	_cleanup_(freep) char *interface_name = NULL;
	bool known = false;

	for (unsigned i = 0; dot != NULL && i < s->n_interfaces; i++) {
		const struct varlink_interface *in = s->interfaces[i].interface;

		if (strlen(in->name) != len || memcmp(in->name, name, len) != 0)
			continue;
		known = true;
		for (unsigned m = 0; in->methods[m].name != NULL; m++) {
			if (strcmp(in->methods[m].name, dot + 1) != 0)
				continue;
			s->interfaces[i].calls[m]++;
			*ret_ctx = in->ctx;
			return &in->methods[m];
		}
	}
	interface_name = strndup(name, len);
	if (known || dot == NULL || interface_name == NULL)
		error_with(call, SERVICE "MethodNotFound", "method", name);
	else
		error_with(
		    call, SERVICE "InterfaceNotFound", "interface", interface_name);
	return NULL;
}

static void
dispatch(struct varlink_call *call, const struct header *header)
{
	const struct varlink_method *method;
	const char *wrong;
	void *ctx;

	if (header->upgrade) {
		varlink_error_invalid_parameter(call, "upgrade");
		return;
	}
	method = find_method(call, header->method, &ctx);
	if (method == NULL)
		return;
	if (method->handle == NULL) {
		error_with(
		    call, SERVICE "MethodNotImplemented", "method", header->method);
		return;
	}
	if ((method->flags & VARLINK_MORE_REQUIRED) != 0 && !call->more) {
		varlink_error(call, SERVICE "ExpectedMore", NULL);
		return;
	}
	wrong = check_parameters(method->params, call);
	if (wrong != NULL) {
		varlink_error_invalid_parameter(call, wrong);
		return;
	}
	if ((method->flags & VARLINK_PRIVILEGED) != 0 &&
	    !varlink_call_privileged(call)) {
		varlink_error_permission_denied(call);
		return;
	}
	if ((method->flags & (VARLINK_MORE_REQUIRED | VARLINK_MORE_SUPPORTED)) == 0)
		call->more = false;
	if ((method->flags & VARLINK_TAKES_FD) == 0 && call->fd >= 0)
		(void)close(varlink_call_take_fd(call));
	method->handle(call, call->values, ctx);
}

void
call_receive(struct conn *c, const char *text, size_t len, int fd)
{
	_cleanup_(json_freep) cJSON *message = NULL;
	struct header header;
	struct varlink_call *call = NULL;

	if (json_parse(text, len, &message) == 0 && header_read(message, &header))
		call = calloc(1, sizeof(*call));
	if (call == NULL) {
		c->broken = true;
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	call->conn = c;
	call->fd = fd;
	call->more = header.more;
	call->oneway = header.oneway;
	/* The rest of the message need not wait for the answer. */
	if (header.parameters != NULL)
		call->parameters =
		    cJSON_DetachItemViaPointer(message, header.parameters);
	c->call = call;
	if (c->server->settings.observer != NULL)
		c->server->settings.observer->called(
		    call, header.method, c->server->settings.observer->ctx);
	dispatch(call, &header);
}

/* ---- the life of a call ---- */

static void
tell_answered(struct varlink_call *call, const char *error)
{
	const struct varlink_observer *o = call->conn->server->settings.observer;

	if (o == NULL || call->told)
		return;
	call->told = true;
	o->answered(call, error, o->ctx);
}

void
call_end(struct varlink_call *call)
{
	/* Nobody is there any more to hear the answer. */
	tell_answered(call, SERVICE "Disconnected");
	call->over = true;
	call->conn->call = NULL;
	if (call->on_end != NULL)
		call->on_end(call, call->on_end_ctx);
	if (call->fd >= 0)
		(void)close(call->fd);
	cJSON_Delete(call->parameters);
	free(call);
}

void
call_drained(struct varlink_call *call)
{
	call->starved = false;
	if (call->on_drain != NULL)
		call->on_drain(call, call->on_drain_ctx);
}

uid_t
varlink_call_uid(const struct varlink_call *c)
{
	return c->conn->peer.uid;
}

pid_t
varlink_call_pid(const struct varlink_call *c)
{
	return c->conn->peer.pid;
}

bool
varlink_call_privileged(const struct varlink_call *c)
{
	return c->conn->peer.privileged;
}

bool
varlink_call_more(const struct varlink_call *c)
{
	return c->more;
}

int
varlink_call_take_fd(struct varlink_call *c)
{
	int fd = c->fd;

	c->fd = -1;
	return fd;
}

void
varlink_call_on_end(struct varlink_call *c,
    void (*on_end)(struct varlink_call *c, void *ctx), void *ctx)
{
	c->on_end = on_end;
	c->on_end_ctx = ctx;
}

void
varlink_call_on_drain(struct varlink_call *c,
    void (*on_drain)(struct varlink_call *c, void *ctx), void *ctx)
{
	c->on_drain = on_drain;
	c->on_drain_ctx = ctx;
}

/* ---- answers ---- */

/* How much may wait for the peer with one more message. */
static size_t
output_limit(const struct conn *c)
{
	return conn_waiting(c) == 0 && c->server->waiting < CROWDED
		   ? VARLINK_MESSAGE_MAX
		   : VARLINK_OUTPUT_MAX;
}

/* Puts the last message of a call and ends it; takes parameters (NULL: spoiled). */
static void
finish(struct varlink_call *call, const char *head, cJSON *parameters)
{
	struct conn *c = call->conn;
	_cleanup_(json_freep) cJSON *owned = parameters;

	if (call->over)
		return;
	if (!call->oneway && conn_put_message(c, head, owned, output_limit(c)) < 0)
		c->broken = true;
	tell_answered(call, NULL);
	call_end(call);
	server_queue_work(c->server, c);
}

void
varlink_reply(struct varlink_call *c, cJSON *parameters)
{
	finish(c, "{\"parameters\":", parameters);
}

void
varlink_reply_empty(struct varlink_call *c)
{
	varlink_reply(c, cJSON_CreateObject());
}

int
varlink_reply_continues(struct varlink_call *c, cJSON *parameters)
{
	_cleanup_(json_freep) cJSON *owned = parameters;
	struct conn *conn = c->conn;
	bool empty = conn_waiting(conn) == 0;
	size_t limit = output_limit(conn);

	if (!c->more || c->over)
		return -EOPNOTSUPP;
	if (!empty)
		limit = conn->server->waiting < CROWDED ? CONTINUES_MAX
							: CONTINUES_CROWDED_MAX;
	if (conn_put_message(
		conn, "{\"continues\":true,\"parameters\":", owned, limit) < 0) {
		c->starved = !empty;
		return empty ? -EMSGSIZE : -ENOBUFS;
	}
	tell_answered(c, NULL);
	server_queue_work(conn->server, conn);
	return 0;
}

void
varlink_error(struct varlink_call *c, const char *error, cJSON *parameters)
{
	char head[256];

	server_count_error(c->conn->server, error);
	if (!c->over)
		tell_answered(c, error);
	(void)snprintf(head, sizeof(head), "{\"error\":\"%s\",\"parameters\":", error);
	finish(c, head, parameters != NULL ? parameters : cJSON_CreateObject());
}

void
varlink_error_invalid_parameter(struct varlink_call *c, const char *name)
{
	error_with(c, SERVICE "InvalidParameter", "parameter", name);
}

void
varlink_error_permission_denied(struct varlink_call *c)
{
	varlink_error(c, SERVICE "PermissionDenied", NULL);
}

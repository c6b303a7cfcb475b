/* A server on threads of the test: see server.h. */
#include "tests/support/server.h"

#include "catalog/base/bytes.h"
#include "snapshot/rdb/base64.h"
#include "snapshot/rdb/scram.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO "{\"server_version\":\"2.4.4\",\"success\":true}"

/* Read exactly ${len} bytes; false when the client has gone. */
static bool
server_read(int fd, void *out, size_t len)
{
	uint8_t *to = out;

	while (len > 0) {
		ssize_t n = recv(fd, to, len, 0);
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
server_write(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Read a message up to its NUL. */
static bool
server_message(int fd, char out[1024])
{
	for (size_t n = 0; n < 1024; n++) {
		if (!server_read(fd, out + n, 1))
			return false;
		if (out[n] == '\0')
			return true;
	}
	return false;
}

/* Copy the attribute that starts with ${name} in a client's message. */
static bool
server_attribute(const char *message, const char *name, char out[256])
{
	const char *at = strstr(message, name);
	size_t len = at != NULL ? strcspn(at + strlen(name), ",\"") : 0;

	if (at == NULL || len >= 256)
		return false;
	memcpy(out, at + strlen(name), len);
	out[len] = '\0';
	return true;
}

static bool
server_login(int fd)
{
	char message[1024], user[256], nonce[256], first[512], text[600];
	uint8_t magic[4], signature[SCRAM_HASH];
	struct scram_login login = {user, "", 0, nonce};
	struct buf final = {0}, shown = {0};
	bool ok;

	if (!server_read(fd, magic, 4) || !server_write(fd, HELLO, sizeof(HELLO)) ||
	    !server_message(fd, message) || !server_attribute(message, "n=", user) ||
	    !server_attribute(message, ",r=", nonce))
		return false;
	snprintf(first, sizeof(first), "r=%sserver,s=c2FsdA==,i=1", nonce);
	snprintf(text, sizeof(text), "{\"authentication\":\"%s\",\"success\":true}", first);
	if (!server_write(fd, text, strlen(text) + 1) || !server_message(fd, message))
		return false;
	/* What a client computes to check the server is what the server has to show. */
	ok = scram_final(&login, first, strlen(first), &final, signature, NULL) == ERR_OK &&
	     base64_encode(signature, SCRAM_HASH, &shown) == ERR_OK && buf_str(&shown) != NULL &&
	     buf_str(&final) != NULL && strstr(message, (const char *) final.data) != NULL;
	if (ok) {
		snprintf(text, sizeof(text), "{\"authentication\":\"v=%s\",\"success\":true}",
		    (const char *)shown.data);
		ok = server_write(fd, text, strlen(text) + 1);
	}
	buf_finish(&final);
	buf_finish(&shown);
	return ok;
}

/* Read one query and answer it; false when the connection is over. */
static bool
server_query(struct server *s, int fd, unsigned connection, unsigned n)
{
	uint8_t head[12];
	struct buf query = {0}, out = {0};
	size_t len;
	bool ok = server_read(fd, head, sizeof(head));

	len = ok ? bytes_get32(head + 8) : 0;
	ok = ok && buf_reserve(&query, len + 1) == ERR_OK && server_read(fd, query.data, len);
	if (ok) {
		query.len = len;
		pthread_mutex_lock(&s->lock);
		ok = buf_str(&query) != NULL && buf_append(&s->asked, query.data, len) == ERR_OK &&
		     buf_putc(&s->asked, '\n') == ERR_OK;
		pthread_mutex_unlock(&s->lock);
	}
	if (ok) {
		s->answer(s->arg, connection, n, (const char *)query.data, &out);
		bytes_put32(head + 8, (uint32_t)out.len);
		ok = out.len > 0 && server_write(fd, head, sizeof(head)) &&
		     server_write(fd, out.data, out.len);
	}
	buf_finish(&query);
	buf_finish(&out);
	return ok;
}

static void *
server_client_main(void *arg)
{
	struct server_client *c = arg;
	struct server *s = c->server;
	int fd = c->fd;
	bool welcome = !s->away && (s->most == 0 || c->number <= s->most);

	if (welcome && !s->ending && server_login(fd))
		for (unsigned n = 1; server_query(s, fd, c->number, n); n++)
			continue;
	/* The number stays taken until the thread is joined: nobody else's connection is shut. */
	shutdown(fd, SHUT_RDWR);
	return NULL;
}

static void *
server_main(void *arg)
{
	struct server *s = arg;
	int one = 1;

	while (!s->ending) {
		int fd = accept(s->listener, NULL, NULL);
		struct server_client *c = &s->clients[s->n_clients];
		if (fd < 0)
			break;
		assert_true(s->n_clients < SERVER_CLIENTS);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->server = s;
		c->number = ++s->n_clients;
		c->fd = fd;
		assert_int_equal(pthread_create(&c->thread, NULL, server_client_main, c), 0);
	}
	return NULL;
}

void
server_start(struct server *s)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t len = sizeof(name);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&name, &len), 0);
	snprintf(s->address, sizeof(s->address), "rethinkdb://127.0.0.1:%u", ntohs(name.sin_port));
	s->n_clients = 0;
	s->away = false;
	s->ending = false;
	pthread_mutex_init(&s->lock, NULL);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void
server_stop(struct server *s)
{
	s->ending = true;
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	for (unsigned i = 0; i < s->n_clients; i++)
		shutdown(s->clients[i].fd, SHUT_RDWR);
	for (unsigned i = 0; i < s->n_clients; i++) {
		pthread_join(s->clients[i].thread, NULL);
		close(s->clients[i].fd);
	}
	pthread_mutex_destroy(&s->lock);
}

void
server_finish(struct server *s)
{
	buf_finish(&s->asked);
}

void
server_told(void *arg, enum log_level level, const char *text)
{
	(void)level;
	assert_int_equal(buf_printf(arg, "%s\n", text), ERR_OK);
}

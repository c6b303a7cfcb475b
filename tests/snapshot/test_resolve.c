/* snapshot/rdb/resolve: looking up a host, with a resolver of the test's own in front of libc's. */
#include "tests/support/test.h"

#include "catalog/base/err.h"
#include "snapshot/rdb/plain.h"
#include "snapshot/rdb/resolve.h"
#include "snapshot/rdb/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What the resolver does with names; numbers it always knows. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool silent; /* hold every name until this is unset */
	int answer;  /* what it returns */
	int asked;   /* names looked up */
	int through; /* names answered */
	int freed;   /* lists freed */
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* One address, ::1, as getaddrinfo hands it out. */
struct answer {
	struct addrinfo info;
	struct sockaddr_in6 address;
};

static struct addrinfo *
answer_create(const char *port)
{
	struct answer *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->address = (struct sockaddr_in6){.sin6_family = AF_INET6,
	    .sin6_port = htons((uint16_t)atoi(port)),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	a->info = (struct addrinfo){.ai_family = AF_INET6,
	    .ai_socktype = SOCK_STREAM,
	    .ai_addrlen = sizeof(a->address),
	    .ai_addr = (struct sockaddr *)&a->address};
	return &a->info;
}

int
getaddrinfo(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
	int rc;

	if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
		if (strcmp(host, "::1") != 0)
			return EAI_NONAME;
		*list = answer_create(port);
		return 0;
	}
	pthread_mutex_lock(&resolver.lock);
	resolver.asked++;
	while (resolver.silent)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	rc = resolver.answer;
	if (rc == 0)
		*list = answer_create(port);
	resolver.through++;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
	errno = EMFILE;
	return rc;
}

void
freeaddrinfo(struct addrinfo *list)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.freed++;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
	free(list);
}

static void
resolver_set(bool silent, int answer)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.silent = silent;
	resolver.answer = answer;
	resolver.asked = resolver.through = resolver.freed = 0;
	pthread_mutex_unlock(&resolver.lock);
}

/* Let a silent resolver answer, and wait until what it found is freed by the thread it came to. */
static void
resolver_wake(void)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.silent = false;
	pthread_cond_broadcast(&resolver.changed);
	while (resolver.asked == 0 || resolver.freed < resolver.asked)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	pthread_mutex_unlock(&resolver.lock);
}

static void
names__found(void **state)
{
	struct addrinfo *list = NULL;
	(void)state;

	resolver_set(false, 0);
	assert_err(
	    resolve_host("db1", "28015", wait_now() + 60000, NULL, &list, NULL), ERR_OK, NULL);
	assert_int_equal(resolver.asked, 1);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)list->ai_addr)->sin6_port), 28015);
	freeaddrinfo(list);
}

static void
numbers__ask_nobody(void **state)
{
	struct addrinfo *list = NULL;
	(void)state;

	resolver_set(true, 0);
	assert_err(resolve_host("::1", "28015", wait_now(), NULL, &list, NULL), ERR_OK, NULL);
	assert_int_equal(resolver.asked, 0);
	freeaddrinfo(list);
}

static void
names__not_found(void **state)
{
	struct addrinfo *list = NULL;
	struct err e = {0};
	(void)state;

	resolver_set(false, EAI_NONAME);
	assert_err(resolve_host("db1", "1", wait_now() + 60000, NULL, &list, &e), ERR_IO, NULL);
	assert_string_equal(e.text, "cannot find the host db1: Name or service not known");
	resolver_set(false, EAI_SYSTEM);
	assert_err(resolve_host("db1", "1", wait_now() + 60000, NULL, &list, &e), ERR_IO, NULL);
	assert_string_equal(e.text, "cannot find the host db1: Too many open files");
	resolver_set(false, EAI_MEMORY);
	assert_err(resolve_host("db1", "1", wait_now() + 60000, NULL, &list, &e), ERR_NOMEM, NULL);
}

/* A resolver that never answers does not hold up a connection, and leaks nothing when it does. */
static void
silence__ends_with_the_patience(void **state)
{
	struct address address = {.host = "db1", .port = "28015", .name = "db1:28015"};
	struct transport *t = NULL;
	struct err e = {0};
	(void)state;

	resolver_set(true, 0);
	assert_err(plain_connect(&address, 50, NULL, &t, &e), ERR_IO, NULL);
	assert_string_equal(
	    e.text, "cannot find the host db1: the name servers did not answer in time");
	assert_null(t);
	resolver_wake();
}

static void
silence__ends_when_asked_to_stop(void **state)
{
	volatile sig_atomic_t stop = 1;
	struct addrinfo *list = NULL;
	(void)state;

	resolver_set(true, 0);
	assert_err(
	    resolve_host("db1", "1", wait_now() + 3600000, &stop, &list, NULL), ERR_INTR, NULL);
	resolver_wake();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names__found),
	    cmocka_unit_test(numbers__ask_nobody),
	    cmocka_unit_test(names__not_found),
	    cmocka_unit_test(silence__ends_with_the_patience),
	    cmocka_unit_test(silence__ends_when_asked_to_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

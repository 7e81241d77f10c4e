/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror against the real kernel, each test in a network namespace of its own: what it has
 * followed change by change must equal what a fresh dump says.
 */
#include "mirror_fixture.h"

#define NEEDS_NAMESPACE()                                                            \
	do {                                                                         \
		if (!namespace_enter()) {                                            \
			print_message("skipped: no right to a network namespace\n"); \
			skip();                                                      \
		}                                                                    \
	} while (0)

/* --- random changes --- */

static unsigned long long random_state;

static unsigned pick(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 32) % n;
}

#define ONE_OF(...)             \
	((const char *const[]){ \
		__VA_ARGS__ }[pick(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))])

static const char *device(void)
{
	return ONE_OF("v0", "v0", "v1", "v2", "v2", "v3", "w4", "mv0");
}

static void change_link(FILE *out)
{
	switch (pick(8)) {
	case 0:
		fprintf(out, "link add w4 type veth peer name w5\nlink set w4 up\nlink set w5 up\n"
			     "addr add 10.0.4.1/24 dev w4\n");
		break;
	case 1: fprintf(out, "link del w4\n"); break;
	case 2:
		fprintf(out, "link add mv0 link v0 type macvlan mode bridge\nlink set mv0 up\n");
		break;
	case 3: fprintf(out, "link del mv0\n"); break;
	case 4: fprintf(out, "link set w5 down\nlink set w5 name x5\nlink set x5 name w5\n"); break;
	case 5: fprintf(out, "link set %s mtu %u\n", device(), 1300 + pick(3) * 100); break;
	default: fprintf(out, "link set %s %s\n", device(), pick(3) ? "up" : "down");
	}
}

static void change_address(FILE *out)
{
	const char *verb = pick(5) < 3 ? "add" : "del";
	unsigned net = pick(4), host = 1 + pick(4);

	switch (pick(7)) {
	case 0:
		fprintf(out, "addr %s 10.9.0.%u peer 10.9.0.%u/%u dev %s\n", verb, host,
			10 + pick(2), pick(2) ? 32 : 24, device());
		break;
	case 1:
	case 2:
		fprintf(out, "addr %s 2001:db8:%u::%u/64 dev %s %s\n", verb, net, host, device(),
			pick(4) && *verb == 'a' ? "nodad" : "");
		break;
	case 3:
		if (!pick(4))
			fprintf(out, "addr flush dev %s %s\n", device(),
				pick(2) ? "to 10.0.0.0/8" : "");
		break;
	default:
		fprintf(out, "addr %s 10.0.%u.%u/%u %s dev %s\n", verb, net, host,
			pick(4) ? 24 : 16, pick(2) && *verb == 'a' ? "broadcast +" : "", device());
	}
}

static void gateway(FILE *out, bool v6)
{
	if (v6)
		fprintf(out, " via 2001:db8:%u::%u", pick(3), 10 + pick(4));
	else if (!pick(8))
		fprintf(out, " via inet6 fe80::%u dev %s", 1 + pick(2), device());
	else
		fprintf(out, " via 10.0.%u.%u", pick(3), 10 + pick(4));
	if (!pick(4))
		fprintf(out, " dev %s onlink", device());
}

static void target(FILE *out, bool v6)
{
	switch (pick(8)) {
	case 0:
	case 1: fprintf(out, " nhid %u", pick(2) ? 1 + pick(8) : 20 + pick(3)); break;
	case 2: fprintf(out, " dev %s", device()); break;
	case 3:
	case 4:
		for (unsigned i = 0, n = 2 + pick(2); i < n; i++) {
			fprintf(out, " nexthop");
			gateway(out, v6);
			fprintf(out, " weight %u", 1 + pick(3));
		}
		break;
	default: gateway(out, v6);
	}
}

static void change_route(FILE *out)
{
	bool v6 = pick(2);
	const char *verb = ONE_OF("add", "add", "replace", "replace", "append", "append", "prepend",
				  "change", "del", "del", "del");
	const char *type = "";

	if (!pick(8))
		type = ONE_OF("blackhole", "unreachable", "prohibit", "throw", "local", "unicast");
	fprintf(out, "route %s %s ", verb, type);
	if (v6)
		fprintf(out, "2001:db8:%x::/%u", 0x100 + pick(5), pick(3) ? 48 : 64);
	else
		fprintf(out, "10.%u.0.0/%u", 100 + pick(5), pick(3) ? 16 : 24);
	if (!*type || !strcmp(type, "unicast"))
		target(out, v6);
	else if (!strcmp(type, "local"))
		fprintf(out, " dev %s", device());
	if (!pick(5))
		fprintf(out, " table %s", ONE_OF("100", "200", "local"));
	if (!pick(3))
		fprintf(out, " metric %u", 10 + pick(2));
	if (!pick(6))
		fprintf(out, " mtu %u", 1280 + pick(2) * 20);
	if (!pick(6))
		v6 ? fprintf(out, " src 2001:db8:%u::1", pick(3)) :
		     fprintf(out, " src 10.0.%u.1", pick(3));
	if (!pick(12))
		fprintf(out, v6 ? " from 2001:db8:7::/48" : " tos 0x10");
	fprintf(out, "\n");
}

static void change_nexthop(FILE *out)
{
	const char *verb = ONE_OF("add", "replace", "replace", "del");

	if (!pick(3)) {
		fprintf(out, "nexthop %s id %u", verb, 20 + pick(3));
		if (*verb != 'd')
			fprintf(out, " group %u,%u/%u", 1 + pick(4), 1 + pick(3), 5 + pick(4));
	} else {
		unsigned id = 1 + pick(8);
		bool v6 = id > 6;

		fprintf(out, "nexthop %s id %u", verb, id);
		if (*verb != 'd' && !pick(8))
			fprintf(out, " blackhole");
		else if (*verb != 'd' && v6)
			fprintf(out, " via 2001:db8::%u dev v0", 10 + pick(4));
		else if (*verb != 'd' && pick(2))
			fprintf(out, " via 10.0.0.%u dev v0", 10 + pick(4));
		else if (*verb != 'd')
			fprintf(out, " via 10.0.2.%u dev v2", 10 + pick(4));
	}
	fprintf(out, "\n");
}

static void change_neighbour(FILE *out)
{
	const char *verb = ONE_OF("replace", "replace", "del");
	bool v6 = pick(2);

	fprintf(out, "neigh %s ", verb);
	if (v6)
		fprintf(out, "2001:db8:%u::%u", pick(3), 10 + pick(4));
	else
		fprintf(out, "10.0.%u.%u", pick(3), 10 + pick(4));
	if (*verb == 'r')
		fprintf(out, " lladdr 02:00:00:00:00:%02x nud %s", pick(4),
			ONE_OF("permanent", "stale", "noarp", "reachable"));
	fprintf(out, " dev %s\n", device());
}

static char *random_changes(unsigned n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (unsigned i = 0; i < n; i++) {
		unsigned what = pick(20);

		if (what < 2)
			change_link(out);
		else if (what < 5)
			change_address(out);
		else if (what < 15)
			change_route(out);
		else if (what < 18)
			change_nexthop(out);
		else
			change_neighbour(out);
	}
	fclose(out);
	return text;
}

static unsigned env_number(const char *name, unsigned dflt)
{
	const char *value = getenv(name);

	return value ? (unsigned)strtoul(value, NULL, 0) : dflt;
}

static void follows_random(unsigned seed, unsigned rounds, unsigned changes)
{
	struct follower *f;

	if (getenv("MIRROR_TRACE"))
		assert_int_equal(system("ip monitor all > $MIRROR_TRACE 2>&1 & echo $!; sleep 0.3"),
				 0);
	two_pairs();
	f = follower_new(0);
	random_state = 0x9e3779b97f4a7c15ull * (seed + 1);
	for (unsigned round = 0; round < rounds; round++) {
		char *batch = random_changes(changes);

		if (getenv("MIRROR_TRACE"))
			assert_int_equal(system("echo ROUND >> $MIRROR_TRACE"), 0);
		kernel(batch);
		follow(f, 1);
		if (!follower_agrees(f, 3)) {
			print_message("seed %u, round %u:\n%s", seed, round, batch);
			fail_msg("what was followed is not what the kernel has");
		}
		free(batch);
	}
	follower_free(f);
}

static void random_changes_are_followed_exactly(void **state)
{
	unsigned first = env_number("MIRROR_SEED", 1), n = env_number("MIRROR_SEEDS", 2);

	for (unsigned seed = first; seed < first + n; seed++) {
		NEEDS_NAMESPACE();
		follows_random(seed, env_number("MIRROR_ROUNDS", 25),
			       env_number("MIRROR_CHANGES", 20));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_are_followed_exactly),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

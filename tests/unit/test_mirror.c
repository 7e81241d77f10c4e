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

/* One that always exists: ip gives up the whole batch over a next hop by one that does not. */
static const char *old_device(void)
{
	return ONE_OF("v0", "v1", "v2", "v3");
}

static void change_link(FILE *out)
{
	switch (pick(7)) {
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
	bool other = !v6 && !pick(8), by_device = other || !pick(4);

	if (v6)
		fprintf(out, " via 2001:db8:%u::%u", pick(3), 10 + pick(4));
	else if (other)
		fprintf(out, " via inet6 fe80::%u", 1 + pick(2));
	else
		fprintf(out, " via 10.0.%u.%u", pick(3), 10 + pick(4));
	if (by_device)
		fprintf(out, " dev %s%s", old_device(), other ? "" : " onlink");
}

enum target { OBJECT, DEVICE, LEGS, GATEWAY, SPECIAL };

static void put_target(FILE *out, bool v6, enum target target)
{
	switch (target) {
	case OBJECT: fprintf(out, " nhid %u", pick(2) ? 1 + pick(8) : 20 + pick(3)); break;
	case DEVICE: fprintf(out, " dev %s", device()); break;
	case LEGS:
		for (unsigned i = 0, n = 2 + pick(2); i < n; i++) {
			fprintf(out, " nexthop");
			gateway(out, v6);
			fprintf(out, " weight %u", 1 + pick(3));
		}
		break;
	case GATEWAY: gateway(out, v6); break;
	case SPECIAL: break;
	}
}

static enum target any_target(void)
{
	static const enum target likely[] = { OBJECT, OBJECT,  DEVICE,	LEGS,
					      LEGS,   GATEWAY, GATEWAY, SPECIAL };

	return likely[pick(8)];
}

/* Which IPv6 route of several sorts to one prefix counts depends on where in the kernel's list each
 * leg stands, which no message says. So several stand side by side only where they are of a sort. */
static enum target sort_of(unsigned prefix)
{
	return prefix == 0 ? LEGS + pick(2) : prefix == 1 ? DEVICE : any_target();
}

static void change_route(FILE *out)
{
	bool v6 = pick(2);
	unsigned prefix = pick(5);
	enum target target = v6 ? sort_of(prefix) : any_target();
	const char *verb = ONE_OF("add", "add", "replace", "replace", "append", "append", "prepend",
				  "change", "del", "del", "del");
	const char *type = "";

	if (v6 && prefix > 1 && (*verb == 'p' || !strcmp(verb, "append")))
		verb = "replace";
	if (target == SPECIAL)
		type = ONE_OF("blackhole", "unreachable", "prohibit", "local");
	fprintf(out, "route %s %s ", verb, type);
	if (v6)
		fprintf(out, "2001:db8:%x::/%u", 0x100 + prefix, pick(3) ? 48 : 64);
	else
		fprintf(out, "10.%u.0.0/%u", 100 + prefix, pick(3) ? 16 : 24);
	if (!pick(5))
		fprintf(out, " table %s", ONE_OF("100", "200", "local"));
	if (!pick(3))
		fprintf(out, " metric %u", 10 + pick(2));
	/* IPv6 legs have an MTU each, and the message has only that of one of them */
	if (!pick(6) && !v6)
		fprintf(out, " mtu %u", 1280 + pick(2) * 20);
	if (!pick(6))
		v6 ? fprintf(out, " src 2001:db8:%u::1", pick(3)) :
		     fprintf(out, " src 10.0.%u.1", pick(3));
	if (!pick(12))
		fprintf(out, v6 ? " from 2001:db8:7::/48" : " tos 0x10");
	if (*type == 'l')
		fprintf(out, " dev %s", device());
	else
		put_target(out, v6, target);
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

static double counter(const struct follower *f, const char *group, const char *name)
{
	json_t *show = mirror_show(f->mirror);
	const json_t *from = group ? json_object_get(show, group) : show;
	const json_t *found = json_object_get(from, name);
	double value = json_is_true(found) ? 1 : json_number_value(found);

	json_decref(show);
	return value;
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
	assert_int_equal((int)counter(f, NULL, "dumps"), 1); /* it was followed, not dumped anew */
	follower_free(f);
}

static void random_changes_are_followed_exactly(void **state)
{
	unsigned first = env_number("MIRROR_SEED", 1), n = env_number("MIRROR_SEEDS", 1);

	for (unsigned seed = first; seed < first + n; seed++) {
		NEEDS_NAMESPACE();
		follows_random(seed, env_number("MIRROR_ROUNDS", 12),
			       env_number("MIRROR_CHANGES", 40));
	}
}

/* The kernel can be told not to announce the IPv6 routes that go with a link either. */
static void random_changes_are_followed_though_ipv6_is_silent_too(void **state)
{
	NEEDS_NAMESPACE();
	sysctl_set("/proc/sys/net/ipv6/route/skip_notify_on_dev_down", "1");
	follows_random(env_number("MIRROR_SEED", 1001), env_number("MIRROR_ROUNDS", 6), 40);
}

/* --- lost events, disturbed dumps --- */

static bool has_line(const struct follower *f, const char *begin, const char *contains)
{
	struct lines l = follower_lines(f);
	bool found = false;

	for (unsigned i = 0; i < l.n; i++)
		found |= !strncmp(l.line[i], begin, strlen(begin)) && strstr(l.line[i], contains);
	lines_free(&l);
	return found;
}

static void lost_events_end_in_a_resync(void **state)
{
	struct follower *f;
	unsigned dumps;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(4096);
	random_state = 4711;
	for (unsigned round = 0; round < 3; round++) {
		char *batch = random_changes(1500);

		kernel(batch); /* nobody reads meanwhile */
		free(batch);
		assert_true(follower_agrees(f, 5));
	}
	assert_true(counter(f, "resyncs", "overrun") >= 1);
	dumps = (unsigned)counter(f, NULL, "dumps");
	assert_true(dumps >= 2 && dumps <= 20);
	assert_true(f->synced == dumps);
	follower_free(f);
}

/* A process that changes things while the caller looks; from a file, so that nobody waits. */
static FILE *changes_begin(unsigned n)
{
	FILE *file = tmpfile(), *ip;
	char command[128];

	assert_non_null(file);
	for (unsigned i = 0; i < n; i++) {
		unsigned k = i % 2000;
		const char *verb = i / 2000 % 2 ? "del" : "add";

		fprintf(file, "route %s 2001:db8:%x::/48 via 2001:db8::2\n", verb, 0x1000 + k);
		fprintf(file, "route %s 10.%u.%u.0/24 via 10.0.0.2\n", verb, 100 + k / 250,
			k % 250);
		if (i % 500 == 499)
			fprintf(file, "link set v2 %s\n", i % 1000 == 999 ? "up" : "down");
	}
	rewind(file);
	snprintf(command, sizeof(command), "exec ip -force -batch /dev/fd/%d", fileno(file));
	ip = popen(command, "r");
	assert_non_null(ip);
	fclose(file);
	return ip;
}

static void dumps_among_changes_end_equal(void **state)
{
	struct follower *f;
	FILE *changes;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	changes = changes_begin(12000);
	for (double until = now_s() + 0.6; now_s() < until;) {
		assert_int_equal(mirror_resync(f->mirror), 0);
		follow(f, 1);
	}
	kernel_end(changes);
	assert_true(follower_agrees(f, 8));
	follower_free(f);
}

/* Something that changes until it is ended. */
static FILE *churn_begin(const char *lines)
{
	FILE *file = tmpfile(), *ip;
	char command[128];

	assert_non_null(file);
	for (unsigned i = 0; i < 100000; i++)
		fputs(lines, file);
	rewind(file);
	snprintf(command, sizeof(command), "exec timeout 8 ip -force -batch /dev/fd/%d 2>/dev/null",
		 fileno(file));
	ip = popen(command, "r");
	assert_non_null(ip);
	fclose(file);
	return ip;
}

static void is_read_again(const char *existing, const char *changing)
{
	struct follower *f;
	double until;
	FILE *churn;

	two_pairs();
	kernel_must(existing);
	f = follower_new(0);
	churn = churn_begin(changing);
	for (until = now_s() + 7; now_s() < until && counter(f, NULL, "repeats") < 3;)
		assert_int_equal(mirror_resync(f->mirror), 0);
	assert_true(counter(f, NULL, "repeats") >= 3);
	pclose(churn);
	assert_true(follower_agrees(f, 12));
	follower_free(f);
}

static char *lines_of(const char *format, unsigned n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (unsigned i = 0; i < n; i++)
		fprintf(out, format, 1000 + i, 2 + i % 250);
	fclose(out);
	return text;
}

static void objects_that_change_while_they_are_read_are_read_again(void **state)
{
	char *existing;

	NEEDS_NAMESPACE();
	existing = lines_of("nexthop add id %u via 10.0.0.%u dev v0\n", 3000);
	is_read_again(existing, "nexthop add id 1 via 10.0.0.2 dev v0\nnexthop del id 1\n");
	free(existing);
}

static void ipv6_routes_that_go_while_they_are_read_are_read_again(void **state)
{
	char *existing;

	NEEDS_NAMESPACE();
	existing = lines_of("route add 2001:db8:%x::/48 via 2001:db8::%u\n", 4000);
	is_read_again(existing, "route add 2001:db8:1::/48 via 2001:db8::2\n"
				"route del 2001:db8:1::/48 via 2001:db8::2\n");
	free(existing);
}

/* A dump that runs in the background gives way to one that is asked for. */
static void a_dump_may_be_asked_for_in_the_middle_of_another(void **state)
{
	struct follower *f;
	char *existing;
	double until = now_s() + 5;

	NEEDS_NAMESPACE();
	two_pairs();
	existing = lines_of("route add 2001:db8:%x::/48 via 2001:db8::%u\n", 9000);
	f = follower_new(4096);
	kernel(existing); /* more than fits */
	free(existing);
	while (!(counter(f, NULL, "dumping") > 0) && now_s() < until)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_true(now_s() < until);
	assert_int_equal(mirror_resync(f->mirror), 0);
	assert_true(follower_agrees(f, 3));
	assert_int_equal((int)counter(f, "resyncs", "interrupted"), 0);
	assert_int_equal((int)counter(f, "resyncs", "failed"), 0);
	assert_int_equal((int)counter(f, NULL, "repeats"), 0);
	follower_free(f);
}

/* What was lost before a dump is no reason for another one. */
static void a_dump_makes_up_for_what_was_lost_before_it(void **state)
{
	struct follower *f;
	char *batch;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(4096);
	random_state = 815;
	batch = random_changes(300);
	kernel(batch);
	free(batch);
	usleep(1500000); /* carriers have settled, and nothing was read */
	assert_int_equal(mirror_resync(f->mirror), 0);
	assert_int_equal((int)counter(f, "resyncs", "overrun"), 0);
	assert_true(follower_agrees(f, 3));
	follower_free(f);
}

/* Events from before a dump, applied to what it has shown: the legs of the route were never down at
 * the same time, but seem so when v2's past meets v0's present. */
static void links_that_went_down_before_a_dump_take_nothing_along(void **state)
{
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	kernel_must("route add 10.80.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.2.2\n");
	follow(f, 20);
	kernel_must("link set v2 down\nlink set v2 up\nlink set v0 down\n");
	assert_int_equal(mirror_resync(f->mirror), 0);
	assert_true(follower_agrees(f, 3));
	assert_true(has_line(f, "route", "10.80.0.0/16"));
	assert_true(counter(f, "resyncs", "replay") >= 1);
	follower_free(f);
}

/* Reads a batch that the event loop is busy with while it runs: a storm, and none of it lost. */
static void a_storm_waits_in_memory(void **state)
{
	struct follower *f;
	FILE *changes;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	changes = changes_begin(10000);
	follow(f, 400);
	kernel_end(changes);
	follow(f, 100);
	assert_true(follower_agrees(f, 3));
	assert_int_equal((int)counter(f, "resyncs", "overrun"), 0);
	assert_int_equal((int)counter(f, NULL, "dumps"), 1);
	follower_free(f);
}

/* --- what is taken, and how --- */

static void encapsulated_routes_are_unreachable(void **state)
{
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	kernel_must("route add 2001:db8:50::/48 encap seg6 mode encap segs 2001:db8::9 dev v0\n"
		    "route add 10.50.0.0/16 via 10.0.0.2\n");
	follow(f, 20);
	assert_true(has_line(f, "route", "\"dst\": \"2001:db8:50::/48\""));
	assert_true(has_line(f, "route {\"dst\": \"2001:db8:50::/48\"", "unreachable"));
	assert_int_equal((int)counter(f, "refused", "encapsulation"), 1);
	kernel_must("route del 2001:db8:50::/48\n");
	follow(f, 20);
	assert_false(has_line(f, "route", "2001:db8:50::/48"));
	follower_free(f);
}

static void routes_that_cannot_be_taken_are_counted_by_name(void **state)
{
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	kernel_must("route add 10.60.0.0/16 tos 0x10 via 10.0.0.2\n"
		    "route add 2001:db8:60::/48 from 2001:db8:7::/48 via 2001:db8::2\n"
		    "route add 10.61.0.0/16 via 10.0.0.2\n"
		    "route replace throw 10.61.0.0/16\n");
	follow(f, 20);
	assert_false(has_line(f, "route", "10.60.0.0"));
	assert_false(has_line(f, "route", "2001:db8:60::"));
	assert_false(has_line(f, "route", "10.61.0.0"));
	assert_int_equal((int)counter(f, "ignored", "tos_route"), 1);
	assert_int_equal((int)counter(f, "ignored", "source_route"), 1);
	assert_int_equal((int)counter(f, "refused", "throw"), 1);
	follower_free(f);
}

static void a_probed_neighbour_that_does_not_answer_fails(void **state)
{
	struct ip_addr addr = { .family = 4 };
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	sysctl_set("/proc/sys/net/ipv4/neigh/v0/retrans_time_ms", "10");
	f = follower_new(0);
	addr.addr.s6_addr[10] = addr.addr.s6_addr[11] = 0xff;
	memcpy(&addr.addr.s6_addr[12], "\x0a\0\0\x4d", 4);
	for (unsigned i = 0; i < f->n_links; i++)
		if (!strcmp(f->links[i].name, "v0"))
			assert_int_equal(mirror_probe(f->mirror, f->links[i].ifindex, &addr), 0);
	for (double until = now_s() + 3; now_s() < until && !has_line(f, "neighbour", "failed");)
		follow(f, 20);
	assert_true(has_line(f, "neighbour {\"dev\": \"v0\", \"dst\": \"10.0.0.77\"", "failed"));
	/* an answer that says no is counted, and disturbs nothing */
	assert_int_equal(mirror_probe(f->mirror, 9999, &addr), 0);
	follow(f, 20);
	assert_true(counter(f, NULL, "probe_errors") >= 1);
	assert_int_equal(mirror_resync(f->mirror), 0);
	assert_true(follower_agrees(f, 1));
	follower_free(f);
}

/* One own address to the RIB: gone with the last of those that the kernel tells apart. */
static void an_address_with_two_peers_goes_with_the_second(void **state)
{
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	kernel_must(
		"addr add 10.7.0.1 peer 10.7.0.2 dev v0\naddr add 10.7.0.1 peer 10.7.0.3 dev v0\n"
		"addr del 10.7.0.1 peer 10.7.0.2 dev v0\n");
	follow(f, 20);
	assert_true(has_line(f, "interface", "10.7.0.1/32"));
	kernel_must("addr del 10.7.0.1 peer 10.7.0.3 dev v0\n");
	follow(f, 20);
	assert_false(has_line(f, "interface", "10.7.0.1/32"));
	follower_free(f);
}

/* ... and forgets an IPv6 route's preferred source with the address. */
static void an_ipv6_route_outlives_its_preferred_source(void **state)
{
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	kernel_must("addr add 2001:db8::8/64 dev v0 nodad\n"
		    "route add 2001:db8:71::/48 via 2001:db8::2 src 2001:db8::8\n");
	follow(f, 20);
	kernel_must("addr del 2001:db8::8/64 dev v0\n");
	assert_true(follower_agrees(f, 1));
	assert_true(has_line(f, "route", "2001:db8:71::/48"));
	follower_free(f);
}

/* The kernel lets an IPv6 route's own MTU follow its device's, and does not say so. */
static void an_ipv6_route_keeps_up_with_the_mtu_of_its_device(void **state)
{
	struct follower *f;

	NEEDS_NAMESPACE();
	two_pairs();
	f = follower_new(0);
	kernel_must("route add 2001:db8:70::/48 mtu 1400 via 2001:db8::2\n");
	follow(f, 20);
	kernel_must("link set v0 mtu 1300\n");
	assert_true(follower_agrees(f, 3));
	assert_true(has_line(f, "route {\"dev\": \"v0\", \"dst\": \"2001:db8:70::/48\"",
			     "\"mtu\": 1300"));
	follower_free(f);
}

static void a_link_is_reported_by_its_name_when_it_goes(void **state)
{
	struct follower *f;
	unsigned before;

	NEEDS_NAMESPACE();
	two_pairs();
	kernel_must("link add w4 type veth peer name w5\n");
	f = follower_new(0);
	before = f->n_links;
	kernel_must("link set w4 name w6\n");
	follow(f, 20);
	assert_true(has_line(f, "link", " w6 "));
	kernel_must("link del w6\n");
	follow(f, 20);
	assert_int_equal(f->n_links, before - 2);
	follower_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_are_followed_exactly),
		cmocka_unit_test(random_changes_are_followed_though_ipv6_is_silent_too),
		cmocka_unit_test(lost_events_end_in_a_resync),
		cmocka_unit_test(dumps_among_changes_end_equal),
		cmocka_unit_test(objects_that_change_while_they_are_read_are_read_again),
		cmocka_unit_test(ipv6_routes_that_go_while_they_are_read_are_read_again),
		cmocka_unit_test(a_dump_may_be_asked_for_in_the_middle_of_another),
		cmocka_unit_test(a_dump_makes_up_for_what_was_lost_before_it),
		cmocka_unit_test(links_that_went_down_before_a_dump_take_nothing_along),
		cmocka_unit_test(a_storm_waits_in_memory),
		cmocka_unit_test(an_ipv6_route_outlives_its_preferred_source),
		cmocka_unit_test(encapsulated_routes_are_unreachable),
		cmocka_unit_test(routes_that_cannot_be_taken_are_counted_by_name),
		cmocka_unit_test(a_probed_neighbour_that_does_not_answer_fails),
		cmocka_unit_test(an_address_with_two_peers_goes_with_the_second),
		cmocka_unit_test(an_ipv6_route_keeps_up_with_the_mtu_of_its_device),
		cmocka_unit_test(a_link_is_reported_by_its_name_when_it_goes),
	};

	log_set_level(LOG_LEVEL_ERROR);
	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

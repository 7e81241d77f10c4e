/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands. See command.h. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "set_arguments.h"
#include "flow_arguments.h"
#include "import.h"

#define ROUTES_SHOWN 1000

const struct option_help option_helps[] = {
	{ 's', "socket", "SOCKET", "the daemon's control socket (/run/visor/visor.sock)", true },
	{ 'j', "json", NULL, "print the daemon's answer as JSON", true },
	{ 'H', "human", NULL, "1.2 M instead of 1234567", true },
	{ 'w', "watch", "SECONDS", "repeat until Ctrl-C", true },
	{ 'h', "help", NULL, "help, also for a command: visorctl show routes --help", true },
	{ 'V', "version", NULL, "visorctl's own version", true },
	{ 'a', "all", NULL, "also what is zero; of routes and flows every one", false },
	{ '4', "ipv4", NULL, "IPv4 only", false },
	{ '6', "ipv6", NULL, "IPv6 only", false },
	{ 'n', "limit", "N", "at most N (1000 unless given)", false },
	{ 'f', "firewall-only", NULL, "no ports and no chains: a file to @include", false },
	{ 0, NULL, NULL, NULL, false },
};

bool is_prefix(const char *text)
{
	char address[INET6_ADDRSTRLEN + 1] = "", binary[16], *end;
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	bool six = strchr(text, ':');
	long bits;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	if (inet_pton(six ? AF_INET6 : AF_INET, address, binary) != 1)
		return false;
	if (!slash)
		return true;
	bits = strtol(slash + 1, &end, 10);
	return slash[1] >= '0' && slash[1] <= '9' && !*end && bits <= (six ? 128 : 32);
}

static bool routes_arguments(const struct options *options, const struct operands *operands,
			     json_t *args)
{
	const char *prefix = operands->n ? operands->word[0] : NULL;

	if (prefix && !is_prefix(prefix)) {
		fprintf(stderr,
			"visorctl: '%s' is no prefix; 192.0.2.0/24 or 2001:db8::/32 was expected\n",
			prefix);
		return false;
	}
	if (prefix && options->family && (options->family == 6) != !!strchr(prefix, ':')) {
		fprintf(stderr, "visorctl: '%s' is not IPv%d\n", prefix, options->family);
		return false;
	}
	if (options->all && options->limit >= 0) {
		fputs("visorctl: either --all or --limit, not both\n", stderr);
		return false;
	}
	if (prefix)
		json_object_set_new(args, "prefix", json_string(prefix));
	json_object_set_new(args, "limit",
			    json_integer(options->limit >= 0 ? options->limit : ROUTES_SHOWN));
	if (options->family)
		json_object_set_new(args, "family", json_integer(options->family));
	return true;
}

static bool address_arguments(const struct options *options, const struct operands *operands,
			      json_t *args)
{
	const char *address = operands->word[0];

	if (!is_prefix(address) || strchr(address, '/')) {
		fprintf(stderr,
			"visorctl: '%s' is no address; 192.0.2.1 or 2001:db8::1 was expected\n",
			address);
		return false;
	}
	json_object_set_new(args, "address", json_string(address));
	return true;
}

static bool config_arguments(const struct options *options, const struct operands *operands,
			     json_t *args)
{
	json_object_set_new(args, "format", json_string(options->json ? "json" : "text"));
	return true;
}

static enum outcome nft_import(const struct options *options, const struct operands *operands,
			       FILE *out)
{
	return import_nft(operands->word[0], options->firewall_only, out);
}

const struct command commands[] = {
	{
		.words = "show status",
		.operands = "",
		.options = "",
		.summary = "the daemon at a glance",
		.help = "Version, process, how long it runs, its configuration file and how often that\n"
			"was read (the generation), how many ports are up, what privileges are held.",
		.examples = "visorctl show status\n",
		.view = view_fields,
	},
	{
		.words = "show ports",
		.operands = "[PORT]",
		.max = 1,
		.options = "a",
		.summary = "ports and their queues: state, mode, counters",
		.help = "One table of ports and one of their queues. A queue's mode is what the driver gave\n"
			"(zerocopy, copy, generic); below stands why it is not what was asked for. Columns\n"
			"of trouble (packets the kernel dropped, rings that ran full or empty, invalid\n"
			"descriptors) show up once they count something, or with --all.",
		.examples = "visorctl show ports\n"
			    "visorctl show ports wan --human --watch 1\n"
			    "visorctl --json show ports | jq '.[] | select(.state != \"up\")'\n",
		.view = view_ports,
		.filter = "",
	},
	{
		.words = "show interfaces",
		.operands = "[INTERFACE]",
		.max = 1,
		.options = "a",
		.summary = "ports and their VLAN interfaces: addresses, chain, counters",
		.help = "An interface is where packets enter a chain of functions: a port's untagged\n"
			"packets, or those of one VLAN. A VLAN of 200.100 is service tag 200, inner tag 100.",
		.examples = "visorctl show interfaces\n"
			    "visorctl show interfaces lan100\n",
		.view = view_interfaces,
		.filter = "interfaces",
	},
	{
		.words = "show workers",
		.operands = "",
		.options = "a",
		.summary = "worker threads: CPU, load, queues; packet memory",
		.help = "BUSY-% is the share of time spent on packets. An average burst near 1 is an idle\n"
			"worker, near 64 one at its limit. SLEEPS counts waits for the next packet.",
		.examples = "visorctl show workers --watch 1\n",
		.view = view_workers,
	},
	{
		.words = "show routes",
		.operands = "[PREFIX]",
		.max = 1,
		.options = "46na",
		.summary = "the routes that packets follow",
		.help = "What the kernel's tables and the configuration's static routes came to. Where two\n"
			"routes want the same prefix, '>' marks the one that is used. With PREFIX: that\n"
			"one and what lies within it. At most 1000 unless --limit or --all is given.",
		.examples =
			"visorctl show routes -6\n"
			"visorctl show routes 192.0.2.0/24\n"
			"visorctl show routes --all --json | jq -r '.routes[].dst' | sort > routes.txt\n",
		.view = view_routes,
		.arguments = routes_arguments,
		.list = "routes",
	},
	{
		.words = "show neighbours",
		.operands = "",
		.options = "46a",
		.summary = "ARP and ND: who is behind which address",
		.help = "The kernel's neighbours on our interfaces. A failed one does not answer: packets to\n"
			"it earn the sender an ICMP host unreachable.",
		.examples = "visorctl show neighbours -4\n",
		.view = view_neighbours,
		.family = "neighbours",
	},
	{
		.words = "show flows",
		.operands = "[FILTER | summary]",
		.max = 64,
		.options = "46na",
		.summary = "conversations that stateful functions have let in",
		.help = "FILTER is any of these, each must match:\n"
			"  src, dst, host PREFIX    as packets come in, or as they leave after translation\n"
			"  sport, dport, port N     or a range, 8000-8999\n"
			"  proto NAME               tcp, udp, icmp, icmpv6, sctp, gre, esp ... or a number\n"
			"  state NAME[,NAME...]     established, syn-sent ...\n"
			"  rule NAME                that let it in: web, or firewall:edge/web\n"
			"  in INTERFACE             that its first packet came in by\n"
			"from is src, to is dst, net is host, and so is an address alone. `sort bytes`, packets,\n"
			"age or idle shows the greatest first; `limit N` shows so many (1000 unless given).\n"
			"Below stands how many match, by state. LEFT is the time until a flow without packets\n"
			"ends. `summary` shows how full the table is and counts what became of flows.",
		.examples = "visorctl show flows sort bytes limit 10\n"
			    "visorctl show flows 192.0.2.7 dport 443 state established\n"
			    "visorctl show flows rule web --json | jq '.states'\n"
			    "visorctl show flows summary --watch 1\n",
		.view = view_flows,
		.arguments = flow_show_arguments,
		.words_print = flow_words_print,
		.list = "flows",
	},
	{
		.words = "flush flows",
		.operands = "FILTER | all",
		.max = 64,
		.options = "46",
		.summary = "end flows at once",
		.help = "FILTER as for show flows. The next packet of such a flow is a first packet again: the\n"
			"rules are asked, and where it cannot open a flow (TCP in mid-stream) it is invalid.\n"
			"Memory, ports and counts of the flows are given back within 17 seconds.",
		.examples = "visorctl flush flows src 192.0.2.7\n"
			    "visorctl flush flows rule old-web\n"
			    "visorctl flush flows all\n",
		.view = view_flush,
		.arguments = flow_flush_arguments,
		.words_print = flow_words_print,
		.once = true,
	},
	{
		.words = "show firewall",
		.operands = "[FIREWALL [RULE]]",
		.max = 2,
		.options = "an",
		.summary = "rules and what they met, sets, limits",
		.help = "A rule's packets and bytes are those of the flows that it let in, and those that it\n"
			"refused or counted by themselves; LAST is how long ago it last decided. Below the\n"
			"rules stand the policies and the default, then the sets. With RULE that one alone; at\n"
			"most 10000 of them unless --limit says otherwise.",
		.examples =
			"visorctl show firewall\n"
			"visorctl show firewall edge --watch 1\n"
			"visorctl --json show firewall | jq '.firewall[].rules[] | select(.packets == "
			"0).name'\n",
		.view = view_firewall,
		.arguments = instance_arguments,
	},
	{
		.words = "set add",
		.operands = "FIREWALL SET ENTRY... [timeout SECONDS]",
		.min = 3,
		.max = 1000,
		.options = "",
		.summary = "add entries to a set of a firewall",
		.help = "An entry is an address, a prefix, a range 10.0.0.1-10.0.0.9, or a port or range of\n"
			"ports. It takes effect at once, also on flows that there are, and stays over a\n"
			"reload; with a timeout (of its own, or the set's) it goes by itself. Adding it\n"
			"again begins its time anew; timeout 0 is for ever.",
		.examples = "visorctl set add edge bad 203.0.113.7 timeout 3600\n"
			    "visorctl set add edge admins 192.0.2.0/28 2001:db8:7::/64\n",
		.view = view_set_change,
		.arguments = set_add_arguments,
		.once = true,
	},
	{
		.words = "set del",
		.operands = "FIREWALL SET ENTRY...",
		.min = 3,
		.max = 1000,
		.options = "",
		.summary = "delete entries from a set of a firewall",
		.help = "As they were added: a part of a prefix cannot be deleted. An entry of the\n"
			"configuration is back when the set's definition or its file has changed.",
		.examples = "visorctl set del edge bad 203.0.113.7\n",
		.view = view_set_change,
		.arguments = set_arguments,
		.once = true,
	},
	{
		.words = "set flush",
		.operands = "FIREWALL SET",
		.min = 2,
		.max = 2,
		.options = "",
		.summary = "delete all entries of a set of a firewall",
		.help = "Those of the configuration as well, until the set's definition or its file changes.",
		.examples = "visorctl set flush edge bad\n",
		.view = view_set_change,
		.arguments = set_arguments,
		.once = true,
	},
	{
		.words = "set list",
		.operands = "FIREWALL SET",
		.min = 2,
		.max = 2,
		.options = "na",
		.summary = "the entries of a set of a firewall",
		.help = "Where each is from: the configuration (and its file), or added at run time; and how\n"
			"long it stays. At most 1000 unless --limit or --all is given.",
		.examples = "visorctl set list edge bad\n"
			    "visorctl set list edge bad --all --json\n",
		.view = view_set,
		.arguments = set_list_arguments,
		.list = "entries",
	},
	{
		.words = "show drops",
		.operands = "",
		.options = "a",
		.summary = "every packet that did not leave, by reason",
		.help = "Each packet that is not transmitted is counted under exactly one reason. The last\n"
			"line is the books: received + originated = transmitted + dropped + waiting. While\n"
			"packets flow they may be off by those in flight. --all shows reasons at zero too.",
		.examples = "visorctl show drops\n"
			    "visorctl show drops --all --watch 1\n",
		.view = view_drops,
	},
	{
		.words = "show functions",
		.operands = "",
		.options = "a",
		.summary = "the functions in the ports' chains, and what each tells of itself",
		.help = "An instance is FUNCTION:NAME, as it stands in a chain.",
		.examples = "visorctl show functions\n",
		.view = view_functions,
	},
	{
		.words = "show config",
		.operands = "",
		.options = "",
		.summary = "the running configuration, defaults filled in",
		.help = "As a file that visord reads back to the same, so also a starting point for one.",
		.examples = "visorctl show config > effective.cfg && visord --check effective.cfg\n"
			    "visorctl show config --json\n",
		.view = view_config,
		.arguments = config_arguments,
	},
	{
		.words = "route get",
		.operands = "ADDRESS",
		.min = 1,
		.max = 1,
		.options = "",
		.summary = "where a packet to ADDRESS goes",
		.help = "The longest prefix that matches, and for each of its next hops the port, interface\n"
			"and MAC address that a packet would leave with. Other routes of that prefix are\n"
			"listed too; '>' marks the one that is used.",
		.examples = "visorctl route get 192.0.2.1\n"
			    "visorctl route get 2001:db8::1 --json\n",
		.view = view_route,
		.arguments = address_arguments,
	},
	{
		.words = "reload",
		.operands = "",
		.options = "",
		.summary = "read the configuration again",
		.help = "All of it is checked first. Any mistake, and what cannot change in a running\n"
			"daemon, leaves everything as it is: the mistakes are printed one a line and the\n"
			"exit code is 1.",
		.examples = "visord --check /etc/visor/visor.cfg && visorctl reload\n",
		.view = view_reload,
		.once = true,
	},
	{
		.words = "import nft",
		.operands = "FILE|-",
		.min = 1,
		.max = 1,
		.options = "f",
		.summary = "a ruleset of nftables as our configuration",
		.help = "FILE is what `nft -j list ruleset` prints. Chains of type filter at the hooks forward,\n"
			"prerouting and postrouting become firewalls, jumps and verdict maps become rules. What\n"
			"cannot be carried, or would not do quite the same, is named on stderr and as a comment\n"
			"in its place, and the exit code is 4. No daemon is asked.",
		.examples =
			"visorctl import nft ruleset.json > visor.cfg; visord --check visor.cfg\n"
			"visorctl import nft -f ruleset.json > /etc/visor/firewall.cfg\n"
			"nft -j list ruleset | visorctl import nft - > visor.cfg\n",
		.local = nft_import,
		.once = true,
	},
	{
		.words = "version",
		.operands = "",
		.options = "",
		.summary = "visorctl's and the daemon's version",
		.help = "visorctl --version tells its own without asking the daemon.",
		.examples = "visorctl version\n",
		.view = view_version,
		.once = true,
	},
	{ .words = NULL },
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tagged traffic: a sender whose every UDP datagram carries its flow, its number within the flow
 * and a CRC, and a receiver that from those says exactly what happened on the way: lost,
 * duplicated, corrupted, out of order within a flow.
 *
 *     tagged receive --device eth0 --flows 64 --count 1000000 --idle 2000
 *     tagged send --device eth0 --to-mac 02:… --from 192.0.2.2 --to 198.51.100.2
 *                 --flows 64 --count 1000000 --rate 100000 --size 64:1500
 *
 * Both sit on packet sockets, so that no host stack drops, reorders or repairs anything. The sender
 * bypasses the queueing discipline and tries again what the device refuses (ENOBUFS): what it
 * reports as sent did leave. Each of its threads is pinned to a CPU and owns whole flows, since the
 * bypass chooses the transmit queue by CPU: a flow that changes queues may be overtaken lawfully.
 * A flow is a source port (and a source address, --sources); sizes are Ethernet frames without FCS.
 * Packet i of a flow has the same contents each time: the receiver recomputes it all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TAG_MAGIC 0x56495352u
#define FRAME_MAX 9216
#define BATCH 32
#define THREADS_MAX 16
#define PORT_BASE 10000

struct tag { /* what the UDP payload starts with; wire order */
	uint32_t magic, run, flow, seq, length, crc;
} __attribute__((packed));

struct options {
	const char *device, *ready;
	uint8_t to_mac[6], from_mac[6];
	uint8_t family, ttl;
	uint8_t from[16], to[16];
	uint32_t flows, run, sources;
	uint64_t count, rate;
	unsigned size_min, size_max, threads, idle_ms, limit_ms;
	int vlan, outer_vlan, expect_vlan;
	uint16_t dport;
};

static struct options opt = { .flows = 16,
			      .run = 1,
			      .sources = 1,
			      .count = 1000,
			      .size_min = 64,
			      .size_max = 64,
			      .threads = 1,
			      .idle_ms = 1000,
			      .limit_ms = 120000,
			      .ttl = 64,
			      .dport = 9,
			      .expect_vlan = -1 };
static volatile sig_atomic_t stop;

static void die(const char *what)
{
	fprintf(stderr, "tagged: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void refuse(const char *what, const char *value)
{
	fprintf(stderr, "tagged: %s: %s\n", what, value);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* CRC-32C by a table; the hardware's instruction is not worth a dependency on the CPU here. */
static uint32_t crc_table[256];

static void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? (c >> 1) ^ 0x82f63b78u : c >> 1;
		crc_table[i] = c;
	}
}

static uint32_t crc(const uint8_t *p, size_t n)
{
	uint32_t c = ~0u;

	while (n--)
		c = crc_table[(c ^ *p++) & 0xff] ^ (c >> 8);
	return ~c;
}

static uint32_t sum_add(uint32_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (; n > 1; n -= 2, p += 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	return n ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Sum of the UDP pseudo header: addresses, protocol, length. */
static uint32_t pseudo(const uint8_t *ip, bool v6, unsigned udp_len)
{
	uint32_t sum = v6 ? sum_add(0, ip + 8, 32) : sum_add(0, ip + 12, 8);

	return sum + IPPROTO_UDP + udp_len;
}

/* ---- the sender ------------------------------------------------------------------------- */

static unsigned l2_build(uint8_t *p)
{
	unsigned n = 12;

	memcpy(p, opt.to_mac, 6);
	memcpy(p + 6, opt.from_mac, 6);
	if (opt.outer_vlan) {
		put16(p + n, 0x88a8);
		put16(p + n + 2, (unsigned)opt.outer_vlan);
		n += 4;
	}
	if (opt.vlan) {
		put16(p + n, 0x8100);
		put16(p + n + 2, (unsigned)opt.vlan);
		n += 4;
	}
	put16(p + n, opt.family == 6 ? 0x86dd : 0x0800);
	return n + 2;
}

static unsigned ip_build(uint8_t *p, unsigned payload, uint32_t flow)
{
	uint32_t host = flow % opt.sources;

	memset(p, 0, 40);
	if (opt.family == 6) {
		p[0] = 0x60;
		put16(p + 4, payload);
		p[6] = IPPROTO_UDP;
		p[7] = opt.ttl;
		memcpy(p + 8, opt.from, 16);
		put16(p + 22, get16(p + 22) + host);
		memcpy(p + 24, opt.to, 16);
		return 40;
	}
	p[0] = 0x45;
	put16(p + 2, 20 + payload);
	p[6] = 0x40; /* DF */
	p[8] = opt.ttl;
	p[9] = IPPROTO_UDP;
	memcpy(p + 12, opt.from, 4);
	put16(p + 14, get16(p + 14) + host);
	memcpy(p + 16, opt.to, 4);
	put16(p + 10, 0xffff & ~sum_fold(sum_add(0, p, 20)));
	return 20;
}

/* Frame number `seq` of `flow`; returns its length. */
static unsigned frame_build(uint8_t *frame, uint32_t flow, uint32_t seq, unsigned size)
{
	unsigned l3 = l2_build(frame);
	unsigned header = l3 + (opt.family == 6 ? 40 : 20) + 8;
	unsigned least = header + sizeof(struct tag), length, i;
	uint8_t *udp = frame + header - 8, *data = frame + header;
	struct tag tag;

	if (size < least)
		size = least;
	length = size - header;
	ip_build(frame + l3, 8 + length, flow);
	put16(udp, PORT_BASE + flow / opt.sources);
	put16(udp + 2, opt.dport);
	put16(udp + 4, 8 + length);
	put16(udp + 6, 0);
	for (i = sizeof(tag); i < length; i++)
		data[i] = (uint8_t)(flow * 7 + seq + i);
	tag = (struct tag){ htonl(TAG_MAGIC), htonl(opt.run), htonl(flow),
			    htonl(seq),	      htonl(length),  0 };
	memcpy(data, &tag, sizeof(tag));
	tag.crc = htonl(crc(data, length));
	memcpy(data, &tag, sizeof(tag));
	i = 0xffff &
	    ~sum_fold(sum_add(pseudo(frame + l3, opt.family == 6, 8 + length), udp, 8 + length));
	put16(udp + 6, i ? i : 0xffff);
	return size;
}

struct sender {
	pthread_t thread;
	unsigned index;
	int fd;
	uint64_t sent, refused;
	int error;
};

static struct sender senders[THREADS_MAX];

/* The packets of a flow: the first (count % flows) flows have one more. */
static uint32_t flow_length(uint32_t flow)
{
	return (uint32_t)(opt.count / opt.flows + (flow < opt.count % opt.flows));
}

static int batch_send(struct sender *s, struct mmsghdr *msgs, unsigned n)
{
	unsigned done = 0;

	while (done < n && !stop) {
		int got = sendmmsg(s->fd, msgs + done, n - done, 0);

		if (got > 0) {
			done += (unsigned)got;
			s->sent += (unsigned)got;
		} else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
			struct timespec wait = { 0, 50000 };

			s->refused++;
			nanosleep(&wait, NULL);
		} else {
			s->error = errno;
			return -1;
		}
	}
	return 0;
}

static void pace(uint64_t start, uint64_t sent)
{
	uint64_t due = start + sent * 1000000000 / opt.rate, now = now_ns();

	if (due > now + 20000) {
		struct timespec ts = { (time_t)(due / 1000000000), (long)(due % 1000000000) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
}

static unsigned frame_size(uint32_t flow, uint32_t seq)
{
	unsigned range = opt.size_max - opt.size_min + 1;

	return opt.size_min + (flow * 2654435761u + seq * 40503u) % range;
}

static void *sender_run(void *arg)
{
	static _Thread_local uint8_t frames[BATCH][FRAME_MAX];
	struct sender *s = arg;
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH];
	uint64_t start = now_ns();
	uint32_t seq, flow;
	unsigned n = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(s->index % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	memset(msgs, 0, sizeof(msgs));
	for (seq = 0; seq < flow_length(0) && !stop && !s->error; seq++)
		for (flow = s->index; flow < opt.flows; flow += opt.threads) {
			if (seq >= flow_length(flow))
				continue;
			iov[n].iov_base = frames[n];
			iov[n].iov_len = frame_build(frames[n], flow, seq, frame_size(flow, seq));
			msgs[n].msg_hdr.msg_iov = &iov[n];
			msgs[n].msg_hdr.msg_iovlen = 1;
			if (++n < BATCH)
				continue;
			if (batch_send(s, msgs, n) < 0)
				return NULL;
			n = 0;
			if (opt.rate)
				pace(start, s->sent * opt.threads);
		}
	if (n)
		batch_send(s, msgs, n);
	return NULL;
}

static int packet_socket(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	socklen_t len = sizeof(at);

	if (fd < 0)
		die("packet socket");
	at.sll_ifindex = (int)if_nametoindex(opt.device);
	if (!at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		die(opt.device);
	memcpy(opt.from_mac, at.sll_addr, 6);
	return fd;
}

static int command_send(void)
{
	uint64_t start = now_ns(), sent = 0, refused = 0;
	int one = 1, error = 0;
	double seconds;

	for (unsigned i = 0; i < opt.threads; i++) {
		senders[i].index = i;
		senders[i].fd = packet_socket();
		setsockopt(senders[i].fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
		if (pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]))
			die("thread");
	}
	for (unsigned i = 0; i < opt.threads; i++) {
		pthread_join(senders[i].thread, NULL);
		sent += senders[i].sent;
		refused += senders[i].refused;
		error = error ? error : senders[i].error;
	}
	seconds = (double)(now_ns() - start) / 1e9;
	printf("{\"sent\": %llu, \"retries\": %llu, \"seconds\": %.3f, \"pps\": %.0f}\n",
	       (unsigned long long)sent, (unsigned long long)refused, seconds,
	       seconds > 0 ? (double)sent / seconds : 0);
	errno = error;
	if (error)
		die("send");
	return sent == opt.count ? 0 : 1;
}

/* ---- the receiver ----------------------------------------------------------------------- */

struct flow_state {
	uint32_t next;	/* one more than the highest number seen */
	uint64_t *seen; /* a bit for each number */
};

struct report {
	uint64_t received, duplicates, corrupted, reordered, bad_ip_checksum, bad_udp_checksum,
		wrong_vlan, strangers;
	uint8_t ttl_min, ttl_max;
};

static struct flow_state *flows;
static struct report report = { .ttl_min = 255 };

static void tag_count(const struct tag *tag)
{
	uint32_t flow = ntohl(tag->flow), seq = ntohl(tag->seq);
	struct flow_state *f;

	if (flow >= opt.flows || seq >= flow_length(flow)) {
		report.corrupted++;
		return;
	}
	f = &flows[flow];
	if (f->seen[seq / 64] & 1ull << (seq % 64)) {
		report.duplicates++;
		return;
	}
	f->seen[seq / 64] |= 1ull << (seq % 64);
	report.received++;
	if (seq < f->next)
		report.reordered++;
	else
		f->next = seq + 1;
}

/* The IP packet at `ip` of `n` bytes; counted where it is ours. */
static void packet_count(uint8_t *ip, unsigned n)
{
	bool v6 = n && ip[0] >> 4 == 6;
	unsigned header = v6 ? 40 : 20, udp_len;
	uint8_t *udp, ttl;
	struct tag tag;
	uint32_t sum;

	if (n < header + 8 + sizeof(tag) || (!v6 && ip[0] != 0x45) || ip[v6 ? 6 : 9] != IPPROTO_UDP)
		return;
	udp = ip + header;
	udp_len = get16(udp + 4);
	memcpy(&tag, udp + 8, sizeof(tag));
	if (get16(udp + 2) != opt.dport || tag.magic != htonl(TAG_MAGIC) ||
	    tag.run != htonl(opt.run)) {
		report.strangers++;
		return;
	}
	if (udp_len != 8 + ntohl(tag.length) || header + udp_len > n) {
		report.corrupted++;
		return;
	}
	if (!v6 && sum_fold(sum_add(0, ip, 20)) != 0xffff)
		report.bad_ip_checksum++;
	if (sum_fold(sum_add(pseudo(ip, v6, udp_len), udp, udp_len)) != 0xffff)
		report.bad_udp_checksum++;
	sum = tag.crc;
	memset(udp + 8 + offsetof(struct tag, crc), 0, 4);
	if (htonl(crc(udp + 8, udp_len - 8)) != sum) {
		report.corrupted++;
		return;
	}
	ttl = ip[v6 ? 7 : 8];
	report.ttl_min = ttl < report.ttl_min ? ttl : report.ttl_min;
	report.ttl_max = ttl > report.ttl_max ? ttl : report.ttl_max;
	tag_count(&tag);
}

/* A block of the ring; returns how many packets it had. */
static unsigned block_read(struct tpacket_block_desc *block)
{
	uint8_t *p = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
	unsigned n = block->hdr.bh1.num_pkts;

	for (unsigned i = 0; i < n; i++) {
		struct tpacket3_hdr *h = (struct tpacket3_hdr *)p;
		const struct sockaddr_ll *ll =
			(const void *)(p + TPACKET_ALIGN(sizeof(struct tpacket3_hdr)));
		int vlan = h->tp_status & TP_STATUS_VLAN_VALID ? h->hv1.tp_vlan_tci & 0xfff : 0;
		unsigned before = (unsigned)report.received;

		if (ll->sll_pkttype != PACKET_OUTGOING)
			packet_count(p + h->tp_net, h->tp_snaplen - (h->tp_net - h->tp_mac));
		if (opt.expect_vlan >= 0 && before != (unsigned)report.received &&
		    vlan != opt.expect_vlan)
			report.wrong_vlan++;
		p += h->tp_next_offset;
	}
	return n;
}

#define BLOCK_SIZE (1u << 20)
#define BLOCKS 64

static int ring_open(uint8_t **ring)
{
	struct tpacket_req3 req = { .tp_block_size = BLOCK_SIZE,
				    .tp_block_nr = BLOCKS,
				    .tp_frame_size = 2048,
				    .tp_frame_nr = BLOCK_SIZE / 2048 * BLOCKS,
				    .tp_retire_blk_tov = 20 };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int version = TPACKET_V3, fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		die("packet ring");
	*ring = mmap(NULL, (size_t)BLOCK_SIZE * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	at.sll_ifindex = (int)if_nametoindex(opt.device);
	if (*ring == MAP_FAILED || !at.sll_ifindex ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(opt.device);
	return fd;
}

/* Until all is there, or nothing new has come for idle_ms after the first. */
static void ring_read(int fd, uint8_t *ring)
{
	uint64_t start = now_ns(), last = start, seen = 0;
	unsigned next = 0;

	while (!stop && report.received < opt.count) {
		struct tpacket_block_desc *block = (void *)(ring + (size_t)next * BLOCK_SIZE);
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		if (atomic_load((_Atomic uint32_t *)&block->hdr.bh1.block_status) &
		    TP_STATUS_USER) {
			block_read(block);
			atomic_store((_Atomic uint32_t *)&block->hdr.bh1.block_status,
				     TP_STATUS_KERNEL);
			next = (next + 1) % BLOCKS;
			if (report.received != seen)
				last = now_ns();
			seen = report.received;
			continue;
		}
		poll(&wait, 1, 20);
		if ((seen && now_ns() - last > opt.idle_ms * 1000000ull) ||
		    now_ns() - start > opt.limit_ms * 1000000ull)
			break;
	}
	/* Duplicates come after the last as well. */
	for (unsigned i = 0; i < 10 && !stop; i++) {
		struct tpacket_block_desc *block = (void *)(ring + (size_t)next * BLOCK_SIZE);

		if (atomic_load((_Atomic uint32_t *)&block->hdr.bh1.block_status) &
		    TP_STATUS_USER) {
			block_read(block);
			atomic_store((_Atomic uint32_t *)&block->hdr.bh1.block_status,
				     TP_STATUS_KERNEL);
			next = (next + 1) % BLOCKS;
		} else {
			usleep(20000);
		}
	}
}

static int command_receive(void)
{
	struct tpacket_stats_v3 stats = { 0 };
	socklen_t len = sizeof(stats);
	uint32_t seen_flows = 0;
	uint8_t *ring;
	int fd;

	flows = calloc(opt.flows, sizeof(*flows));
	for (uint32_t f = 0; flows && f < opt.flows; f++)
		flows[f].seen = calloc(flow_length(f) / 64 + 1, 8);
	fd = ring_open(&ring);
	if (opt.ready) {
		FILE *file = fopen(opt.ready, "w");

		if (!file || fclose(file))
			die(opt.ready);
	}
	ring_read(fd, ring);
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	for (uint32_t f = 0; f < opt.flows; f++)
		seen_flows += flows[f].next > 0;
	printf("{\"received\": %llu, \"lost\": %llu, \"duplicates\": %llu, \"corrupted\": %llu, "
	       "\"reordered\": %llu, \"bad_ip_checksum\": %llu, \"bad_udp_checksum\": %llu, "
	       "\"wrong_vlan\": %llu, \"flows\": %u, \"ttl\": [%u, %u], "
	       "\"receiver_dropped\": %u}\n",
	       (unsigned long long)report.received,
	       (unsigned long long)(opt.count - report.received),
	       (unsigned long long)report.duplicates, (unsigned long long)report.corrupted,
	       (unsigned long long)report.reordered, (unsigned long long)report.bad_ip_checksum,
	       (unsigned long long)report.bad_udp_checksum, (unsigned long long)report.wrong_vlan,
	       seen_flows, report.received ? report.ttl_min : 0, report.ttl_max, stats.tp_drops);
	return report.received == opt.count && !report.duplicates && !report.corrupted &&
			       !report.reordered && !report.bad_ip_checksum &&
			       !report.bad_udp_checksum && !report.wrong_vlan ?
		       0 :
		       1;
}

/* ---- the command line ------------------------------------------------------------------- */

static const char usage[] =
	"tagged send    --device DEV --to-mac MAC --from ADDR --to ADDR [options]\n"
	"tagged receive --device DEV [options]\n"
	"Both:    --count N (1000)  --flows N (16)  --run ID (1)  --port UDP (9)\n"
	"Send:    --rate PPS (0: as fast as it goes)  --size MIN[:MAX] (64)  --threads N (1)\n"
	"         --sources N (1)  --ttl N (64)  --vlan ID  --outer-vlan ID\n"
	"Receive: --idle MS (1000: end that long after the last)  --limit MS (120000)\n"
	"         --expect-vlan ID (0: untagged)  --ready FILE (made once listening)\n"
	"Both print one line of JSON; receive exits 1 unless all came once, whole and in order.\n";

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t v = strtoull(text, &end, 10);

	if (*end || end == text || v < min || v > max)
		refuse("a number out of range", text);
	return v;
}

static uint8_t address(const char *text, uint8_t out[16])
{
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, out) == 1)
		return 6;
	refuse("not an address", text);
	return 0;
}

static void mac(const char *text, uint8_t out[6])
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &out[0], &out[1], &out[2], &out[3],
		   &out[4], &out[5]) != 6)
		refuse("not a MAC address", text);
}

static void size_range(char *text)
{
	char *max = strchr(text, ':');

	if (max)
		*max++ = 0;
	opt.size_min = (unsigned)number(text, 60, FRAME_MAX);
	opt.size_max = max ? (unsigned)number(max, opt.size_min, FRAME_MAX) : opt.size_min;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "device", 1, 0, 'd' },     { "to-mac", 1, 0, 'm' },
		{ "from", 1, 0, 'f' },	     { "to", 1, 0, 't' },
		{ "flows", 1, 0, 'n' },	     { "count", 1, 0, 'c' },
		{ "rate", 1, 0, 'r' },	     { "size", 1, 0, 's' },
		{ "threads", 1, 0, 'j' },    { "sources", 1, 0, 'a' },
		{ "ttl", 1, 0, 'l' },	     { "vlan", 1, 0, 'v' },
		{ "outer-vlan", 1, 0, 'o' }, { "idle", 1, 0, 'i' },
		{ "limit", 1, 0, 'x' },	     { "expect-vlan", 1, 0, 'e' },
		{ "ready", 1, 0, 'y' },	     { "run", 1, 0, 'u' },
		{ "port", 1, 0, 'p' },	     { 0 },
	};
	uint8_t family = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'd': opt.device = optarg; break;
		case 'm': mac(optarg, opt.to_mac); break;
		case 'f': family = address(optarg, opt.from); break;
		case 't': opt.family = address(optarg, opt.to); break;
		case 'n': opt.flows = (uint32_t)number(optarg, 1, 4000000); break;
		case 'c': opt.count = number(optarg, 1, 1000000000); break;
		case 'r': opt.rate = number(optarg, 0, 100000000); break;
		case 's': size_range(optarg); break;
		case 'j': opt.threads = (unsigned)number(optarg, 1, THREADS_MAX); break;
		case 'a': opt.sources = (uint32_t)number(optarg, 1, 250); break;
		case 'l': opt.ttl = (uint8_t)number(optarg, 1, 255); break;
		case 'v': opt.vlan = (int)number(optarg, 1, 4094); break;
		case 'o': opt.outer_vlan = (int)number(optarg, 1, 4094); break;
		case 'i': opt.idle_ms = (unsigned)number(optarg, 1, 600000); break;
		case 'x': opt.limit_ms = (unsigned)number(optarg, 1, 3600000); break;
		case 'e': opt.expect_vlan = (int)number(optarg, 0, 4094); break;
		case 'y': opt.ready = optarg; break;
		case 'u': opt.run = (uint32_t)number(optarg, 0, UINT32_MAX); break;
		case 'p': opt.dport = (uint16_t)number(optarg, 1, 65535); break;
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (optind != argc || !opt.device || family != opt.family) {
		fputs(usage, stderr);
		exit(2);
	}
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	stop = 1;
}

int main(int argc, char **argv)
{
	bool send = argc > 1 && !strcmp(argv[1], "send");

	if (!send && (argc < 2 || strcmp(argv[1], "receive"))) {
		fputs(usage, argc > 1 && !strcmp(argv[1], "--help") ? stdout : stderr);
		return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	parse(argc - 1, argv + 1);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	crc_init();
	if (send && !opt.family) {
		fputs(usage, stderr);
		return 2;
	}
	return send ? command_send() : command_receive();
}

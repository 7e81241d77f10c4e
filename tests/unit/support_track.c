/* SPDX-License-Identifier: Apache-2.0 */
#include "support_track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"

#define L3 14u

const struct packet *track_packet(struct track *t, unsigned version, uint8_t protocol,
				  const void *l4, unsigned len, unsigned payload)
{
	const unsigned header = version == 4 ? 20 : 40;

	assert_in_range(len, 0, sizeof(t->bytes) - L3 - header);
	memset(t->bytes, 0, sizeof(t->bytes));
	memcpy(t->bytes + L3 + header, l4, len);
	t->packet = (struct packet){
		.data = t->bytes,
		.len = L3 + header + len + payload,
		.first_len = (uint16_t)(L3 + header + len),
		.flags = PKT_L4_COMPLETE,
		.l3 = L3,
		.l4 = (uint16_t)(L3 + header),
		.ip_len = (uint16_t)(header + len + payload),
		.ip_version = (uint8_t)version,
		.protocol = protocol,
	};
	return &t->packet;
}

const struct packet *track_tcp(struct track *t, const struct track_segment *segment)
{
	static const char letters[] = "FSRPAUEW";
	uint8_t l4[24] = { 0 };
	unsigned header = 20;

	bytes_put16(l4, 40000);
	bytes_put16(l4 + 2, 443);
	bytes_put32(l4 + 4, segment->seq);
	bytes_put32(l4 + 8, segment->ack);
	for (unsigned i = 0; i < 8; i++)
		if (strchr(segment->flags, letters[i]))
			l4[13] |= (uint8_t)(1u << i);
	bytes_put16(l4 + 14, segment->window);
	if (segment->shift >= 0) {
		l4[20] = 1; /* NOP */
		l4[21] = 3;
		l4[22] = 3;
		l4[23] = (uint8_t)segment->shift;
		header = 24;
	}
	l4[12] = (uint8_t)(header << 2);
	track_packet(t, 4, IPPROTO_TCP, l4, header, segment->length);
	if (segment->fragment)
		t->packet.flags |= PKT_FRAGMENT;
	return &t->packet;
}

enum flow_track_result track_give(struct track *t, enum flow_direction d, const struct packet *p)
{
	enum flow_track_result result;

	if (t->open)
		return flow_track(&t->head, d, p, t->offset);
	memset(&t->head, 0xee, sizeof(t->head)); /* what it does not set is not looked at */
	result = flow_track_open(&t->head, p, t->loose);
	t->open = result == FLOW_TRACK_OK;
	t->head.flags |= t->flags;
	return result;
}

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 0);
}

static void read_word(const char *word, struct track_segment *s)
{
	if (!strcmp(word, "frag"))
		s->fragment = true;
	else if (!strncmp(word, "a=", 2))
		s->ack = number(word + 2);
	else if (!strncmp(word, "w=", 2))
		s->window = (uint16_t)number(word + 2);
	else if (!strncmp(word, "s=", 2))
		s->shift = (int)number(word + 2);
	else
		fail_msg("'%s' means nothing", word);
}

static const char *result_name(enum flow_track_result result)
{
	static const char *const names[] = { [FLOW_TRACK_OK] = "ok",
					     [FLOW_TRACK_INVALID] = "invalid",
					     [FLOW_TRACK_REOPEN] = "reopen",
					     [FLOW_TRACK_SYN] = "syn" };

	return names[result];
}

/* What has to be after the arrow. */
static void expect(const struct track *t, const char *line, char *save,
		   enum flow_track_result result)
{
	const char *want = strtok_r(NULL, " ", &save), *state = strtok_r(NULL, " ", &save);
	const char *assured = strtok_r(NULL, " ", &save);
	const char *is = t->open ? flow_state_name(t->head.state) : "none";

	if (!want || strcmp(want, result_name(result)))
		fail_msg("%s: was %s", line, result_name(result));
	if (!state || strcmp(state, is))
		fail_msg("%s: state is %s", line, is);
	if (assured && !strcmp(assured, "assured") != !!(t->head.flags & FLOW_ASSURED))
		fail_msg("%s: assured is %d", line, !!(t->head.flags & FLOW_ASSURED));
}

static void walk_line(struct track *t, const char *line)
{
	struct track_segment s = { .window = 65535, .shift = -1 };
	char copy[200], *save, *plus, *word;
	enum flow_track_result result;
	enum flow_direction d;

	snprintf(copy, sizeof(copy), "%s", line);
	d = *strtok_r(copy, " ", &save) == '<' ? FLOW_REPLY : FLOW_ORIGINAL;
	s.flags = strtok_r(NULL, " ", &save);
	s.seq = (uint32_t)strtoul(strtok_r(NULL, " ", &save), &plus, 0);
	s.length = *plus == '+' ? number(plus + 1) : 0;
	while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "->"))
		read_word(word, &s);
	result = track_give(t, d, track_tcp(t, &s));
	expect(t, line, save, result);
	if (result == FLOW_TRACK_REOPEN)
		t->open = false;
}

void track_walk(struct track *t, const char *const *lines)
{
	for (; *lines; lines++)
		walk_line(t, *lines);
}

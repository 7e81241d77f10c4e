/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_seq.h"

#include "bytes.h"
#include "checksum.h"
#include "tcp_option.h"

/* Take a field of four bytes on by `add`; the checksum follows, wherever the field stands: at an odd
 * place its bytes are summed the other way round. */
static void move32(uint8_t *tcp, uint8_t *field, uint32_t add)
{
	uint32_t from = bytes_load32(field), to;

	bytes_put32(field, bytes_get32(field) + add);
	to = bytes_load32(field);
	if ((field - tcp) & 1) {
		from = from << 8 | from >> 24;
		to = to << 8 | to >> 24;
	}
	bytes_store16(tcp + 16, checksum_update32(bytes_load16(tcp + 16), from, to));
}

static void move_sack(uint8_t *tcp, unsigned end, uint32_t add)
{
	struct tcp_option option = { .at = 0 };

	while (tcp_option_next(tcp, end, &option))
		for (unsigned edge = option.at + 2;
		     option.kind == TCP_OPTION_SACK && edge + 4 <= option.at + option.size;
		     edge += 4)
			move32(tcp, tcp + edge, add);
}

/* What the server announces, in the scale that the client thinks it has. */
static void scale_window(const struct flow6 *flow, uint8_t *tcp)
{
	const uint16_t from = bytes_load16(tcp + 14);
	uint32_t window = (uint32_t)bytes_get16(tcp + 14) << flow->scale[0] >> flow->scale[1];
	uint16_t to;

	if (!window && from)
		window = 1; /* closed is something else than small */
	to = htobe16((uint16_t)(window < UINT16_MAX ? window : UINT16_MAX));
	bytes_store16(tcp + 14, to);
	bytes_store16(tcp + 16, checksum_update16(bytes_load16(tcp + 16), from, to));
}

void flow_seq_write(const struct flow6 *flow, enum flow_direction d, struct packet *p)
{
	uint8_t *tcp = packet_l4(p);
	const unsigned room = (unsigned)(p->first_len - p->l4), header = (tcp[12] >> 4) * 4u;

	if (d == FLOW_REPLY) {
		move32(tcp, tcp + 4, 0 - flow->seq_offset);
		if (flow->scale[0] != flow->scale[1])
			scale_window(flow, tcp);
		return;
	}
	if (tcp[13] & 0x10)
		move32(tcp, tcp + 8, flow->seq_offset);
	move_sack(tcp, header < room ? header : room, flow->seq_offset);
}

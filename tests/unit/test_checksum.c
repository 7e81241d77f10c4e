/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum against the textbook's loop. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/checksum.h"

/* RFC 1071 4.1, byte by byte, in host order. */
static uint16_t textbook(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static void fill(uint8_t *data, size_t len, unsigned kind)
{
	for (size_t i = 0; i < len; i++)
		data[i] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)random();
}

static void every_length_agrees_with_the_textbook(void **state)
{
	for (unsigned kind = 0; kind < 6; kind++) {
		for (size_t len = 0; len < 300; len++) {
			uint8_t *data = malloc(len + 1); /* exact: a byte read too far is seen */

			fill(data, len, kind);
			assert_int_equal(be16toh(checksum(data, len)), textbook(data, len));
			free(data);
		}
	}
	(void)state;
}

static void sums_can_be_added_piece_by_piece(void **state)
{
	uint8_t data[256];

	for (unsigned round = 0; round < 1000; round++) {
		const size_t cut = (size_t)(random() % 128) * 2;

		fill(data, sizeof(data), round % 5);
		assert_int_equal(checksum_finish(checksum_add(checksum_add(0, data, cut),
							      data + cut, sizeof(data) - cut)),
				 checksum(data, sizeof(data)));
	}
	(void)state;
}

static void pseudo_headers_are_those_of_the_rfcs(void **state)
{
	uint8_t four[12], six[40];

	for (unsigned round = 0; round < 1000; round++) {
		struct in6_addr source, destination;

		fill(four, 8, 2);
		four[8] = 0;
		four[9] = (uint8_t)round;
		bytes_put16(four + 10, (uint16_t)(round * 65));
		assert_int_equal(checksum_finish(checksum_pseudo4(bytes_load32(four),
								  bytes_load32(four + 4), four[9],
								  (uint16_t)(round * 65))),
				 checksum(four, sizeof(four)));
		fill(six, 32, round % 2 ? 2 : 0);
		memcpy(&source, six, 16);
		memcpy(&destination, six + 16, 16);
		bytes_put32(six + 32, round * 70000);
		bytes_put32(six + 36, round & 0xff);
		assert_int_equal(checksum_finish(checksum_pseudo6(&source, &destination,
								  (uint8_t)round, round * 70000)),
				 checksum(six, sizeof(six)));
	}
	(void)state;
}

/* Both zeros are the same number to a receiver (RFC 1624 3), so compare as a receiver would. */
static void assert_verifies(const uint8_t *data, size_t len)
{
	assert_int_equal(textbook(data, len), 0);
}

static void an_update_is_as_good_as_a_new_sum(void **state)
{
	uint8_t data[20];

	for (unsigned round = 0; round < 200000; round++) {
		const unsigned at = 2 * (unsigned)(random() % 9) + 2, wide = 4 + 4 * (round % 4);
		uint16_t check;

		fill(data, sizeof(data), round % 7 ? 2 : 0);
		bytes_store16(data, 0);
		bytes_store16(data, checksum(data, sizeof(data)));
		if (round % 2) {
			const uint16_t to = round % 3 ? (uint16_t)random() : 0xffff;

			check = checksum_update16(bytes_load16(data), bytes_load16(data + at), to);
			bytes_store16(data + at, to);
		} else {
			const uint32_t to = round % 3 ? (uint32_t)random() : 0;

			check = checksum_update32(bytes_load16(data), bytes_load32(data + wide),
						  to);
			bytes_store32(data + wide, to);
		}
		bytes_store16(data, check);
		assert_verifies(data, sizeof(data));
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_agrees_with_the_textbook),
		cmocka_unit_test(sums_can_be_added_piece_by_piece),
		cmocka_unit_test(pseudo_headers_are_those_of_the_rfcs),
		cmocka_unit_test(an_update_is_as_good_as_a_new_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

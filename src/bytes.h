/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing a packet's bytes. Headers stand at any alignment and behind tags of any
 * number, so nothing here casts a pointer to a wider type: each access is a memcpy of constant
 * size, which compiles to one instruction. Any thread.
 *
 * load/store: the bytes as they stand in the packet (wire order). get/put: host order.
 */
#ifndef VISOR_BYTES_H
#define VISOR_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline uint16_t bytes_load16(const void *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint32_t bytes_load32(const void *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint64_t bytes_load64(const void *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline void bytes_store16(void *at, uint16_t v)
{
	memcpy(at, &v, sizeof(v));
}

static inline void bytes_store32(void *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

static inline uint16_t bytes_get16(const void *at)
{
	return be16toh(bytes_load16(at));
}

static inline uint32_t bytes_get32(const void *at)
{
	return be32toh(bytes_load32(at));
}

static inline uint64_t bytes_get64(const void *at)
{
	return be64toh(bytes_load64(at));
}

static inline void bytes_put16(void *at, uint16_t v)
{
	bytes_store16(at, htobe16(v));
}

static inline void bytes_put32(void *at, uint32_t v)
{
	bytes_store32(at, htobe32(v));
}

#endif

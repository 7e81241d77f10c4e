/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink attributes as a table indexed by type: collect once, then ask by type. A getter checks
 * the length that its type needs. libmnl's loops work so too, but they trust a message to be padded
 * to four bytes, which nobody guarantees for a hostile one.
 *
 * Invariant: no function reads a byte outside of what it was given. All: *any*
 */
#ifndef VISOR_MIRROR_ATTR_H
#define VISOR_MIRROR_ATTR_H

#include <linux/netlink.h>
#include <stddef.h>

#include "fib.h"

#define MIRROR_ATTRS_MAX 64

struct mirror_attr {
	const uint8_t *data; /* NULL: absent */
	unsigned len;
};

struct mirror_attrs {
	struct mirror_attr type[MIRROR_ATTRS_MAX];
};

/* Collects what lies in [data, data + len). False where a length is impossible. A later attribute
 * of the same type wins, types that are too new are skipped. */
bool mirror_attrs_collect(struct mirror_attrs *attrs, const uint8_t *data, size_t len);
/* The fixed header after nlmsghdr into `fixed`, the attributes behind it into `attrs`. */
bool mirror_attrs_open(const struct nlmsghdr *message, void *fixed, size_t size,
		       struct mirror_attrs *attrs);

bool mirror_attr_present(const struct mirror_attrs *attrs, unsigned type);
/* These leave *value alone where the attribute is absent; false where its length is wrong. */
bool mirror_attr_u32(const struct mirror_attrs *attrs, unsigned type, uint32_t *value);
bool mirror_attr_u16(const struct mirror_attrs *attrs, unsigned type, uint16_t *value);
bool mirror_attr_ifindex(const struct mirror_attrs *attrs, unsigned type, int *ifindex);
bool mirror_attr_address(const struct mirror_attrs *attrs, unsigned type, unsigned family,
			 struct ip_addr *addr);

/* AF_INET, AF_INET6 → 4, 6; else 0 */
unsigned mirror_family_of(unsigned af);
unsigned mirror_address_bytes(unsigned family);
/* The kernel's bytes; `family` is 4 or 6. */
struct ip_addr mirror_ip_addr(unsigned family, const void *bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds-checked netlink attributes: see mirror_attr.h. */
#include "mirror_attr.h"

#include <string.h>
#include <sys/socket.h>

bool mirror_attrs_collect(struct mirror_attrs *attrs, const uint8_t *data, size_t len)
{
	memset(attrs, 0, sizeof(*attrs));
	while (len >= NLA_HDRLEN) {
		struct nlattr header;
		unsigned type;
		size_t step;

		memcpy(&header, data, sizeof(header));
		if (header.nla_len < NLA_HDRLEN || header.nla_len > len)
			return false;
		type = header.nla_type & NLA_TYPE_MASK;
		if (type < MIRROR_ATTRS_MAX) {
			attrs->type[type].data = data + NLA_HDRLEN;
			attrs->type[type].len = header.nla_len - NLA_HDRLEN;
		}
		step = NLA_ALIGN(header.nla_len);
		if (step >= len)
			break;
		data += step;
		len -= step;
	}
	return true;
}

bool mirror_attrs_open(const struct nlmsghdr *message, void *fixed, size_t size,
		       struct mirror_attrs *attrs)
{
	const uint8_t *start = (const uint8_t *)message;
	size_t offset = NLMSG_HDRLEN + NLMSG_ALIGN(size);

	if (message->nlmsg_len < NLMSG_HDRLEN + size)
		return false;
	memcpy(fixed, start + NLMSG_HDRLEN, size);
	if (message->nlmsg_len <= offset)
		return mirror_attrs_collect(attrs, start, 0);
	return mirror_attrs_collect(attrs, start + offset, message->nlmsg_len - offset);
}

bool mirror_attr_present(const struct mirror_attrs *attrs, unsigned type)
{
	return attrs->type[type].data;
}

bool mirror_attr_u32(const struct mirror_attrs *attrs, unsigned type, uint32_t *value)
{
	const struct mirror_attr *attr = &attrs->type[type];

	if (!attr->data)
		return true;
	if (attr->len < sizeof(*value))
		return false;
	memcpy(value, attr->data, sizeof(*value));
	return true;
}

bool mirror_attr_u16(const struct mirror_attrs *attrs, unsigned type, uint16_t *value)
{
	const struct mirror_attr *attr = &attrs->type[type];

	if (!attr->data)
		return true;
	if (attr->len < sizeof(*value))
		return false;
	memcpy(value, attr->data, sizeof(*value));
	return true;
}

bool mirror_attr_ifindex(const struct mirror_attrs *attrs, unsigned type, int *ifindex)
{
	uint32_t value = (uint32_t)*ifindex;

	if (!mirror_attr_u32(attrs, type, &value) || value > INT32_MAX)
		return false;
	*ifindex = (int)value;
	return true;
}

unsigned mirror_address_bytes(unsigned family)
{
	return family == 4 ? 4 : 16;
}

bool mirror_attr_address(const struct mirror_attrs *attrs, unsigned type, unsigned family,
			 struct ip_addr *addr)
{
	const struct mirror_attr *attr = &attrs->type[type];

	if (!attr->data)
		return true;
	if (attr->len != mirror_address_bytes(family))
		return false;
	*addr = mirror_ip_addr(family, attr->data);
	return true;
}

unsigned mirror_family_of(unsigned af)
{
	return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

struct ip_addr mirror_ip_addr(unsigned family, const void *bytes)
{
	struct ip_addr addr = { .family = (uint8_t)family };

	if (family == 4) {
		addr.addr.s6_addr[10] = addr.addr.s6_addr[11] = 0xff;
		memcpy(&addr.addr.s6_addr[12], bytes, 4);
	} else {
		memcpy(&addr.addr, bytes, 16);
	}
	return addr;
}

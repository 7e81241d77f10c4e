// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VLAN device for kernels that have none: a veth pair plays it, and these two programs join its
 * far end to the device that carries the tags (see vlan_device in tests/topo/lib.sh). Compiled for
 * each VLAN with -DVID, -DOUTER (0: single-tagged) and -DTO, the ifindex to hand the frames to.
 *   pop   on the carrier's ingress: frames of this VLAN lose their tags and go to the veth
 *   push  on the veth's ingress: frames get their tags and leave by the carrier
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef VID
#define VID 100
#define OUTER 0
#define TO 1
#endif

struct tag {
	__be16 tci, next;
};

/* The kernel has taken the outermost tag out of the frame; a second one is still in there. */
SEC("pop")
int vlan_pop(struct __sk_buff *skb)
{
	struct tag inner = { 0 };

	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != (OUTER ? OUTER : VID))
		return TC_ACT_UNSPEC;
	if (OUTER) {
		if (skb->protocol != bpf_htons(ETH_P_8021Q) ||
		    bpf_skb_load_bytes(skb, ETH_HLEN, &inner, sizeof(inner)) ||
		    (bpf_ntohs(inner.tci) & 0xfff) != VID)
			return TC_ACT_UNSPEC;
	} else if (skb->vlan_proto != bpf_htons(ETH_P_8021Q) ||
		   skb->protocol == bpf_htons(ETH_P_8021Q)) {
		return TC_ACT_UNSPEC;
	}
	if (bpf_skb_vlan_pop(skb) || (OUTER && bpf_skb_vlan_pop(skb)))
		return TC_ACT_SHOT;
	return bpf_redirect(TO, 0);
}

SEC("push")
int vlan_push(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), VID) ||
	    (OUTER && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), OUTER)))
		return TC_ACT_SHOT;
	return bpf_redirect(TO, 0);
}

char _license[] SEC("license") = "GPL";

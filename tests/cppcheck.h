/* SPDX-License-Identifier: Apache-2.0 */
/* What cppcheck has to know of other people's macros; it does not read their headers. */
#define json_array_foreach(array, index, value) \
	for (index = 0; (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) \
	for (key = ""; (value = json_object_get(object, key)); key = "")
#define cds_list_for_each_entry(p, head, member) for (p = 0; p; p = p->member.next)
#define cds_list_for_each_entry_safe(p, q, head, member) \
	for (p = 0, q = 0; p; p = q, q = p->member.next)
#define LIBBPF_OPTS(type, name, ...) struct type name = { __VA_ARGS__ }
#define LIST_HEAD(name, type)       \
	struct name {               \
		struct type *first; \
	}
#define LIST_ENTRY(type)           \
	struct {                   \
		struct type *next; \
	}
#define LIST_FOREACH(p, head, member) for (p = (head)->first; p; p = p->member.next)
#define CDS_LIST_HEAD(name) struct cds_list_head name = { 0 }
#define SEC(name)
#define __always_inline inline
#define __uint(name, value) int name
#define __type(name, value) int name
#define TAILQ_HEAD(name, type)      \
	struct {                    \
		struct type *first; \
	}
#define TAILQ_ENTRY(type)          \
	struct {                   \
		struct type *next; \
	}
#define TAILQ_FOREACH(p, head, member) for (p = (head)->first; p; p = p->member.next)

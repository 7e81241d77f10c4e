# Visor. `make help` lists the targets; V=1 shows the commands; BUILD= chooses the output folder.
BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

PKGS     := libxdp libbpf liburcu-qsbr libconfig libmnl libevent jansson
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter \
            $(if $(CI)$(WERROR),-Werror)
HARDEN   := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
OPT      ?= $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
CFLAGS   ?= -g $(OPT)
ALL_C     = -std=gnu11 -D_GNU_SOURCE -I. -Isrc -I$(BUILD) $(WARN) $(if $(SAN),,$(HARDEN)) \
            $(if $(SAN),-fsanitize=$(SAN) -DVISOR_DEBUG=1) \
            $(shell pkg-config --cflags $(PKGS)) $(CFLAGS) -MMD -MP
ALL_LD    = -pie $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now -rdynamic $(LDFLAGS)
LIBS     := $(shell pkg-config --libs $(PKGS)) -lpthread -ldl -lm

LIB_SRC  := $(filter-out src/visord.c,$(wildcard src/*.c)) $(wildcard nf/*.c nf/*/*.c)
CTL_SRC  := $(wildcard src/ctl/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
BENCH_SRC:= $(wildcard bench/*.c)
obj       = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB      := $(BUILD)/libvisor.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))

.PHONY: all units clean
all: $(BUILD)/visord $(BUILD)/visorctl

$(BUILD)/visord: $(BUILD)/src/visord.o $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -o $@ $< -Wl,--whole-archive $(LIB) -Wl,--no-whole-archive $(LIBS)
$(BUILD)/visorctl: $(call obj,$(CTL_SRC)) $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -o $@ $^ $(LIBS)
$(LIB): $(call obj,$(LIB_SRC))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(BUILD)/%.o: %.c Makefile | $(BUILD)/steer.skel.h
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(ALL_C) -c -o $@ $<
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -o $@ $^ $(LIBS) -lcmocka
units: $(UNITS)

# The steering program: built by clang, embedded by its skeleton.
$(BUILD)/%.bpf.o: xdp/%.bpf.c $(wildcard xdp/*.h)
	$(call say,BPF,$<)mkdir -p $(@D) && $(CLANG) -O2 -g -Wall -Werror -target bpf -mcpu=v3 -I. -Ixdp \
	    -I/usr/include/$(shell $(CC) -print-multiarch) -c -o $@ $<
$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $* > $@.tmp && mv $@.tmp $@

clean:
	rm -rf $(BUILD)
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

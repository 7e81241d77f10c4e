# Visor. `make help` lists the targets; V=1 shows the commands; BUILD= chooses the output folder.
comma   := ,
BUILD   ?= build$(if $(SAN),-$(firstword $(subst $(comma), ,$(SAN))))
PREFIX  ?= /usr/local
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

PKGS     := libxdp libbpf liburcu-qsbr libconfig libmnl libevent jansson libcap-ng libseccomp
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter \
            $(if $(CI)$(WERROR),-Werror)
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2
OPT      ?= $(if $(SAN),-O1 -fno-omit-frame-pointer,-O2)
CFLAGS   ?= -g $(OPT)
ALL_C     = -std=gnu11 -D_GNU_SOURCE -fPIE -I. -Isrc -I$(BUILD) $(WARN) $(if $(SAN),,$(HARDEN)) \
            $(if $(SAN),-fsanitize=$(SAN) -DVISOR_DEBUG=1 -DVISOR_SANITIZED=1) \
            $(shell pkg-config --cflags $(PKGS)) $(CFLAGS) -MMD -MP
ALL_LD    = -pie $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now -rdynamic $(LDFLAGS)
LIBS      = $(shell pkg-config --libs $(PKGS)) -lpthread -ldl -lm

LIB_SRC  := $(filter-out src/visord.c,$(wildcard src/*.c)) $(wildcard nf/*.c nf/*/*.c)
CTL_SRC  := $(wildcard src/ctl/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
BENCH_SRC:= $(filter-out %_dpdk.c,$(wildcard bench/*.c))
obj       = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB      := $(BUILD)/libvisor.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
BENCHES  := $(patsubst %.c,$(BUILD)/%,$(BENCH_SRC))
TOOLS    := $(patsubst %.c,$(BUILD)/%,$(filter-out %.bpf.c,$(wildcard tests/tools/*.c))) \
            $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/tools/*.bpf.c))

.PHONY: all units tools benches bench clean deps run test topo vm debug lint install uninstall help
all: $(BUILD)/visord $(BUILD)/visorctl $(BUILD)/visord.conf.5   ## build visord and visorctl into build/

$(BUILD)/visord: $(BUILD)/src/visord.o $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -o $@ $< -Wl,--whole-archive $(LIB) -Wl,--no-whole-archive $(LIBS)
$(BUILD)/visorctl: $(call obj,$(CTL_SRC)) $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -Wl,--as-needed -o $@ $^ $(LIBS)
$(LIB): $(call obj,$(LIB_SRC))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(BUILD)/%.o: %.c Makefile | $(BUILD)/steer.skel.h
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(ALL_C) -c -o $@ $<
$(BUILD)/visord.conf.5: config/visord.conf.5.in $(BUILD)/visord
	$(call say,MAN,$@)$(BUILD)/visord --reference=troff >$@.keys && \
	    sed -e '/^@REFERENCE@$$/{r $@.keys' -e 'd}' $< >$@.tmp && mv $@.tmp $@ && rm $@.keys
# A test is linked with the tests/unit/support_*.c whose headers it includes.
support   = $(patsubst %.h,$(BUILD)/tests/unit/%.o,$(shell grep -hos 'support_[a-z0-9_]*\.h' $(1)))
.SECONDEXPANSION:
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $$(call support,tests/unit/$$*.c) $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -o $@ $^ $(LIB) $(LIBS) -lcmocka
$(BUILD)/tests/test_ctl: $(filter-out %/main.o,$(call obj,$(CTL_SRC)))
units: $(UNITS)
$(BUILD)/bench/%: $(BUILD)/bench/%.o $$(call support,bench/$$*.c) $(LIB)
	$(call say,LD,$@)$(CC) $(ALL_LD) -o $@ $^ $(LIBS) $(BENCH_LIBS)
$(BUILD)/tests/tools/%: tests/tools/%.c Makefile $(LIB)
	$(call say,CC,$@)mkdir -p $(@D) && $(CC) $(ALL_C) -MF $@.d $(ALL_LD) -o $@ $< $(LIB) $(LIBS)
tools: $(TOOLS)

# Where DPDK is installed, these compare with it.
DPDK      = $(if $(SAN),,$(shell pkg-config --exists libdpdk && echo libdpdk))
COMPARING = $(patsubst %,$(BUILD)/bench/%_bench,lpm flow classifier)
$(COMPARING): $(BUILD)/bench/%_bench: $(if $(DPDK),$(BUILD)/bench/%_peer_dpdk.o \
                                                  $(BUILD)/bench/start_dpdk.o)
$(COMPARING): BENCH_LIBS = $(if $(DPDK),$(shell pkg-config --libs libdpdk))
$(COMPARING:=.o): ALL_C += $(if $(DPDK),-DBENCH_DPDK)
$(BUILD)/bench/%_dpdk.o: ALL_C += $(shell pkg-config --cflags libdpdk)
$(BUILD)/bench/classifier_bench.o: ALL_C += -Itests/unit
benches: $(BENCHES)

# The steering program: built by clang, embedded by its skeleton.
BPF       = mkdir -p $(@D) && $(CLANG) -O2 -g -Wall -Werror -target bpf -mcpu=v3 -I. -Ixdp \
            -I/usr/include/$(shell $(CC) -print-multiarch) -c -o $@ $<
$(BUILD)/%.bpf.o: xdp/%.bpf.c $(wildcard xdp/*.h)
	$(call say,BPF,$<)$(BPF)
$(BUILD)/tests/tools/%.bpf.o: tests/tools/%.bpf.c
	$(call say,BPF,$<)$(BPF)
$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

# What this needs, by its names in Debian; nothing is downloaded where nothing is missing.
DEPS := gcc make clang llvm bpftool pkg-config libc6-dev linux-libc-dev libxdp-dev libbpf-dev \
        liburcu-dev libconfig-dev libmnl-dev libevent-dev libjansson-dev libcap-ng-dev \
        libseccomp-dev libcmocka-dev libhugetlbfs-bin iproute2 ethtool iputils-ping traceroute \
        iperf3 nginx-light curl bird2 tcpdump xdp-tools python3-scapy procps clang-format cppcheck \
        shellcheck
deps:                                    ## install the packages that are missing (apt-get)
	@missing=$$(for p in $(DEPS); do dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | \
	    grep -qx installed || echo $$p; done); [ -z "$$missing" ] || { echo "missing:" $$missing; \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
	    --no-install-recommends $$missing; }

run: deps                                ## the demo: SECONDS=n ends it by itself; needs root
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) tests/demo.sh $(if $(SECONDS),--seconds $(SECONDS))
test: deps                               ## everything: unit, configuration and topology tests; root
	-@$(MAKE) --no-print-directory deps DEPS='$(VM_DEPS)'
	@$(MAKE) --no-print-directory -j$(shell nproc) all units tools debug
	@BUILD=$(BUILD) GUEST_BUILD=$(BUILD)/debug tests/run $(TESTS)
topo:                                    ## the topology scripts alone; TESTS='forward ecmp' some
	@$(MAKE) --no-print-directory all tools
	@BUILD=$(BUILD) tests/run topo $(TESTS)

# The appliance in a virtual machine with zero-copy ports, there with the checks of who owns a frame.
VM_DEPS := qemu-system-x86 busybox-static xz-utils
vm: deps                                 ## the scripts in a virtual machine; TESTS='lifecycle' some
	-@$(MAKE) --no-print-directory deps DEPS='$(VM_DEPS)'
	@$(MAKE) --no-print-directory -j$(shell nproc) all tools debug
	@BUILD=$(BUILD) GUEST_BUILD=$(BUILD)/debug tests/run vm $(TESTS)
debug:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/debug CFLAGS='$(CFLAGS) -DVISOR_DEBUG=1' all

bench: deps                              ## microbenchmarks; TABLE=file of prefixes for the LPM's
	-@$(MAKE) --no-print-directory deps DEPS=libdpdk-dev
	@$(MAKE) --no-print-directory benches
	@$(BUILD)/bench/lpm_bench $(if $(TABLE),--table $(TABLE))
	@$(BUILD)/bench/flow_bench
	@$(BUILD)/bench/classifier_bench --seconds 0.3
	@$(BUILD)/bench/chain_bench

SOURCES = $(shell git ls-files '*.c' '*.h' | grep -v '^bench/third')
SCRIPTS = $(shell git ls-files '*.sh' tests/run .ci/run)
lint:                                    ## clang-format, cppcheck, shellcheck
	$(call say,FORMAT,'*.c *.h')clang-format --dry-run -Werror $(SOURCES)
	$(call say,CHECK,'*.c')cppcheck -q --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	    --enable=warning,portability --suppressions-list=tests/cppcheck.txt \
	    --include=tests/cppcheck.h -I. -Isrc \
	    -D_GNU_SOURCE -j$(shell nproc) $(filter %.c,$(SOURCES))
	$(call say,SHELL,'*.sh')shellcheck -x -P SCRIPTDIR -S warning -e SC2034 $(SCRIPTS)

DESTROOT = $(DESTDIR)$(PREFIX)
install: all                             ## DESTDIR, PREFIX
	install -D -m 755 $(BUILD)/visord $(DESTROOT)/sbin/visord
	install -D -m 755 $(BUILD)/visorctl $(DESTROOT)/bin/visorctl
	install -D -m 644 -t $(DESTROOT)/share/man/man8 config/visord.8 config/visorctl.8
	install -D -m 644 config/visorctl.bash-completion \
	    $(DESTROOT)/share/bash-completion/completions/visorctl
	install -d $(DESTROOT)/lib/systemd/system
	sed 's,/usr/local/,$(PREFIX)/,' config/visord.service >$(DESTROOT)/lib/systemd/system/visord.service
	install -D -m 644 $(BUILD)/visord.conf.5 $(DESTROOT)/share/man/man5/visord.conf.5
	install -D -m 644 -t $(DESTROOT)/share/doc/visor config/*.cfg config/90-visor.conf
uninstall:
	rm -f $(DESTROOT)/sbin/visord $(DESTROOT)/bin/visorctl $(DESTROOT)/share/man/man8/visord.8 \
	    $(DESTROOT)/share/man/man8/visorctl.8 $(DESTROOT)/share/man/man5/visord.conf.5 \
	    $(DESTROOT)/share/bash-completion/completions/visorctl \
	    $(DESTROOT)/lib/systemd/system/visord.service
	rm -rf $(DESTROOT)/share/doc/visor
clean:
	rm -rf $(BUILD)
help:
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 14
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

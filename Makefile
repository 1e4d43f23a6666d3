# SPDX-License-Identifier: Apache-2.0
#
# make help lists the targets. Everything made goes to $(BUILD). V=1 shows the commands,
# SANITIZE=address,undefined builds with sanitizers (into a build directory of its own),
# WERROR=1 makes warnings errors (as CI does).

VERSION  := 0.1.0
PREFIX   ?= /usr/local
DESTDIR  ?=
SANITIZE ?=
BUILD    ?= build$(if $(SANITIZE),/sanitize)

CC       ?= cc
CXX      ?= c++
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PKGCONF  ?= pkg-config
ARCH     := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(ARCH)))

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS   ?= -O2 -g
LIBS     := libbpf libelf libcurl zlib
LIBFLAGS  = $(shell $(PKGCONF) --cflags $(LIBS))
LDLIBS    = $(shell $(PKGCONF) --libs $(LIBS)) -lpthread

AGENT_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DOTEL_BPF_VERSION='"$(VERSION)"' -I$(BUILD) -Iusdt -Iuserspace -Iexporter \
	$(WARNINGS) $(CFLAGS) $(SANFLAGS) $(LIBFLAGS) -MMD -MP
USER_CFLAGS  = -std=c11 -Iusdt -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(if $(WERROR),-Werror) $(CFLAGS) -MMD -MP

BPF_OBJECTS  := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
BPF_SKELS    := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.skel.h,$(wildcard bpf/*.bpf.c))
AGENT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out userspace/main.c,$(wildcard userspace/*.c exporter/*.c)))
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.c))

.PHONY: all
all: $(BUILD)/otel-bpf examples ## Build the agent and the examples

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- The agent ----------------------------------------------------------------------------------

$(BUILD)/otel-bpf: $(BUILD)/userspace/main.o $(AGENT_OBJECTS)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/%.o: %.c $(BPF_SKELS)
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(AGENT_CFLAGS) -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(say) BPF $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -O2 -g -Wall -Wextra -Wno-unused-parameter \
		$(if $(WERROR),-Werror) -Ivmlinux -Ibpf -Iusdt -MMD -MP -c -o $@ $<
	$(Q)llvm-strip -g $@

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Kept: the skeleton is made anew only when the program changes.
.SECONDARY: $(BPF_OBJECTS)

# ---- Examples -----------------------------------------------------------------------------------

.PHONY: examples
examples: $(BUILD)/examples/kitchen

$(BUILD)/examples/kitchen: $(wildcard examples/kitchen/*.c)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -o $@ $(filter %.c,$^) -lpthread

# ---- Tests --------------------------------------------------------------------------------------

$(BUILD)/tests/unit/%: tests/unit/%.c $(AGENT_OBJECTS)
	$(say) TEST $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(AGENT_CFLAGS) $(shell $(PKGCONF) --cflags cmocka) -o $@ $< $(AGENT_OBJECTS) \
		$(LDLIBS) $(shell $(PKGCONF) --libs cmocka)

.PHONY: unit
unit: $(UNIT_TESTS) ## Run the unit tests (no root needed)
	$(Q)for t in $^; do $$t || exit 1; done

.PHONY: clean
clean: ## Remove everything made
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

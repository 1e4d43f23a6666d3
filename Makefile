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
LIBS     := libbpf libelf libcurl zlib libmicrohttpd
LIBFLAGS  = $(shell $(PKGCONF) --cflags $(LIBS))
LDLIBS    = $(shell $(PKGCONF) --libs $(LIBS)) -lpthread

# The folders of the agent, in the order of the data path.
AGENT_FOLDERS := userspace $(addprefix userspace/,discover capture look intake assemble stacks restart status) exporter
AGENT_INCLUDES := $(addprefix -I,$(AGENT_FOLDERS))

AGENT_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DOTEL_BPF_VERSION='"$(VERSION)"' -I$(BUILD) -Iusdt $(AGENT_INCLUDES) \
	$(WARNINGS) $(CFLAGS) $(SANFLAGS) $(LIBFLAGS) -MMD -MP
USER_CFLAGS  = -std=c11 -Iusdt -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual $(if $(WERROR),-Werror) $(CFLAGS) -MMD -MP

BPF_OBJECTS  := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
BPF_SKELS    := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.skel.h,$(wildcard bpf/*.bpf.c))
AGENT_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out userspace/main.c,$(wildcard $(addsuffix /*.c,$(AGENT_FOLDERS)))))
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

# ---- Packages -----------------------------------------------------------------------------------

packages = $(shell sed 's/\#.*//' $(1))

.PHONY: deps test-deps
deps: ## Install what the build needs (Debian packages, as root or by sudo)
	$(Q)deploy/install-packages.sh $(call packages,deploy/packages.txt)

test-deps: deps ## Install what the tests need, too
	$(Q)deploy/install-packages.sh $(call packages,tests/packages.txt)

# For a second make, since what pkg-config says is known only after the packages are there: it does as many
# things at once as there are processors, unless this one was told how many.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: demo
demo: deps ## Build all, run the example under the agent, and show its spans
	$(Q)$(MAKE) --no-print-directory $(JOBS) $(BUILD)/otel-bpf examples
	$(Q)$(SUDO) $(BUILD)/otel-bpf run --exporter console=- -- $(BUILD)/examples/kitchen

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# ---- Tests --------------------------------------------------------------------------------------

# What a test does not use need not be linked.
$(BUILD)/tests/agent.a: $(AGENT_OBJECTS)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcsT $@ $^

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/tests/agent.a
	$(say) TEST $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(AGENT_CFLAGS) $(shell $(PKGCONF) --cflags cmocka) -o $@ $< $(BUILD)/tests/agent.a \
		$(LDLIBS) $(shell $(PKGCONF) --libs cmocka)

.PHONY: tests
tests: all $(UNIT_TESTS)

.PHONY: test
test: test-deps ## Install what the tests need, build, and run all suites (as root)
	$(Q)$(MAKE) --no-print-directory $(JOBS) tests
	$(Q)$(SUDO) env BUILD=$(BUILD) tests/run.sh

.PHONY: unit
unit: $(UNIT_TESTS) ## Run the unit tests only (no root needed)
	$(Q)BUILD=$(BUILD) tests/run.sh unit

BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(filter-out tests/bench/intake_bench.c,$(wildcard tests/bench/*.c)))

$(BUILD)/tests/bench/%: tests/bench/%.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER_CFLAGS) -o $@ $< -lpthread

# The compiler's name is the end of the program's.
CXX_BENCHES := $(BUILD)/tests/bench/span_cost_g++ $(BUILD)/tests/bench/span_cost_clang++

$(CXX_BENCHES): $(BUILD)/tests/bench/span_cost_%: tests/bench/span_cost.cpp
	$(say) CXX $@
	$(Q)mkdir -p $(@D)
	$(Q)$* -std=c++17 $(filter-out -std=%,$(USER_CFLAGS)) -DCOMPILER='"$*"' -o $@ $<

$(BUILD)/tests/bench/intake_bench: tests/bench/intake_bench.c $(AGENT_OBJECTS)
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(AGENT_CFLAGS) -o $@ $< $(AGENT_OBJECTS) $(LDLIBS)

.PHONY: bench
bench: deps ## Measure what a span costs the application and the agent
	$(Q)$(MAKE) --no-print-directory $(JOBS) bench-run

.PHONY: bench-run
bench-run: $(BUILD)/otel-bpf $(BENCHES) $(CXX_BENCHES) $(BUILD)/tests/bench/intake_bench
	$(Q)$(BUILD)/tests/bench/span_cost
	$(Q)for bench in $(CXX_BENCHES); do $$bench || exit; done
	$(Q)$(SUDO) $(BUILD)/otel-bpf run --exporter none --ring-size 64M -- $(BUILD)/tests/bench/span_cost
	$(Q)$(SUDO) env OTEL_TRACES_SAMPLER=parentbased_always_off $(BUILD)/otel-bpf run --exporter none -- $(BUILD)/tests/bench/span_cost
	$(Q)$(SUDO) $(BUILD)/otel-bpf run --exporter none --ring-size 1M -- $(BUILD)/tests/bench/overload
	$(Q)$(BUILD)/tests/bench/intake_bench
	$(Q)$(SUDO) tests/bench/call_sites.sh $(BUILD)

.PHONY: throughput
throughput: test-deps ## A million spans through a receiver and a file, every one looked at (minutes)
	$(Q)$(MAKE) --no-print-directory $(JOBS) tests
	$(Q)$(SUDO) env BUILD=$(BUILD) tests/interop/run.sh 1000000

CHAOS_KILLS ?= 1000
.PHONY: chaos
chaos: test-deps ## Kill an application CHAOS_KILLS times in every way, and 10,000 short lives (minutes)
	$(Q)$(MAKE) --no-print-directory $(JOBS) tests
	$(Q)$(SUDO) env BUILD=$(BUILD) CHAOS_KILLS=$(CHAOS_KILLS) SHORT_LIVES=10000 \
		python3 tests/kernel/run.py -v no_way_to_die live_a_millisecond

.PHONY: flap
flap: test-deps ## A receiver that goes up and down for a minute; no span may be lost
	$(Q)$(MAKE) --no-print-directory $(JOBS) tests
	$(Q)mkdir -p $(BUILD)/tests/interop
	$(Q)$(CC) -O2 -std=gnu11 -D_GNU_SOURCE -o $(BUILD)/tests/interop/receiver tests/interop/receiver.c
	$(Q)$(CC) -O2 -std=gnu11 -D_GNU_SOURCE -Iusdt -o $(BUILD)/tests/interop/producer tests/interop/producer.c -lpthread
	$(Q)$(SUDO) $$(tests/interop/python_env.sh) tests/interop/flap.py --seconds 60 --rate 10000 $(BUILD)

.PHONY: kernels
kernels: test-deps ## Try the agent on other kernels (KERNELS="6.1 ./bzImage") in virtual machines (minutes)
	$(Q)deploy/install-packages.sh $(call packages,tests/vm/packages.txt)
	$(Q)$(MAKE) --no-print-directory $(JOBS) tests
	$(Q)BUILD=$(BUILD) tests/vm/run.sh $(KERNELS)

SOAK_SECONDS ?= 3600
.PHONY: soak
soak: test-deps ## Short lives for SOAK_SECONDS: memory, descriptors and maps end where they began
	$(Q)$(MAKE) --no-print-directory $(JOBS) tests
	$(Q)$(SUDO) env BUILD=$(BUILD) SOAK_SECONDS=$(SOAK_SECONDS) python3 tests/kernel/run.py soak

FUZZ_SECONDS ?= 60
# What an event goes through.
FUZZED := $(wildcard userspace/intake/*.c userspace/assemble/*.c) userspace/restart/checkpoint.c \
	userspace/clock.c userspace/target.c
FUZZ_CC = $(CLANG) -std=gnu11 -D_GNU_SOURCE -DOTEL_BPF_VERSION='"$(VERSION)"' -Iusdt $(AGENT_INCLUDES) \
	-g -O1 -fsanitize=fuzzer,address,undefined
fuzz_objects = $(patsubst %.c,$(BUILD)/fuzz/%.o,$(1))

$(BUILD)/fuzz/%.o: %.c
	$(say) CC $@
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/intake: $(call fuzz_objects,tests/fuzz/intake_fuzz.c $(FUZZED) $(addprefix exporter/,account.c log.c span.c wire.c))
$(BUILD)/fuzz/propagation: $(call fuzz_objects,tests/fuzz/propagation_fuzz.c)
$(BUILD)/fuzz/spool: $(call fuzz_objects,tests/fuzz/spool_fuzz.c $(addprefix exporter/,account.c log.c span.c spool.c spool_file.c tally.c))

FUZZERS := $(addprefix $(BUILD)/fuzz/,intake propagation spool)
$(FUZZERS):
	$(say) LINK $@
	$(Q)mkdir -p $(@D)/corpus/$(@F)
	$(Q)$(FUZZ_CC) -o $@ $^ -lz

.PHONY: fuzzers
fuzzers: $(FUZZERS)

.PHONY: fuzz
fuzz: ## Hostile events, headers and spools, for FUZZ_SECONDS each
	$(Q)$(MAKE) --no-print-directory $(JOBS) fuzzers
	$(Q)$(BUILD)/fuzz/intake -close_fd_mask=2 -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -print_final_stats=1 $(BUILD)/fuzz/corpus/intake
	$(Q)$(BUILD)/fuzz/propagation -close_fd_mask=2 -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 $(BUILD)/fuzz/corpus/propagation
	$(Q)TMPDIR=/dev/shm $(BUILD)/fuzz/spool -close_fd_mask=2 -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 $(BUILD)/fuzz/corpus/spool

# ---- Habits -------------------------------------------------------------------------------------

SOURCES = $(shell git ls-files '*.c' '*.h' '*.hpp' | grep -v '^vmlinux/')

.PHONY: format
format: ## Format the sources as .clang-format has it
	$(Q)clang-format -i $(SOURCES)

.PHONY: lint
lint: ## clang-tidy and shellcheck
	$(Q)clang-tidy --quiet $(wildcard $(addsuffix /*.c,$(AGENT_FOLDERS))) -- $(AGENT_CFLAGS)
	$(Q)shellcheck $(shell git ls-files '*.sh') .ci/run

compile_commands.json: Makefile ## What the compiler is called with, for editors
	$(Q)$(MAKE) --always-make --dry-run V=1 $(BUILD)/otel-bpf | awk -v dir="$(CURDIR)" ' \
		/ -c -o / { file = $$NF; gsub(/["\\]/, "\\\\&"); \
		printf "%s{\"directory\": \"%s\", \"file\": \"%s\", \"command\": \"%s\"}", (n++ ? ",\n" : "[\n"), dir, file, $$0 } \
		END { print "\n]" }' > $@

.PHONY: install
install: all ## Install the agent, the headers, the man pages: DESTDIR=, PREFIX=/usr/local
	$(Q)install -D -m 755 $(BUILD)/otel-bpf $(DESTDIR)$(PREFIX)/bin/otel-bpf
	$(Q)install -d $(DESTDIR)$(PREFIX)/include/otel $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig
	$(Q)install -m 644 usdt/otel/*.h usdt/otel/*.hpp $(DESTDIR)$(PREFIX)/include/otel
	$(Q)install -m 644 docs/otel-bpf*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' deploy/otel-bpf.pc.in \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/otel-bpf.pc

.PHONY: clean
clean: ## Remove everything made
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

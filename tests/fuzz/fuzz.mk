# Fuzzing with libFuzzer: every tests/fuzz/fuzz_NAME.c becomes build/fuzz/fuzz_NAME.
#
#   make fuzz                       each target for FUZZ_SECONDS (60)
#   make fuzz FUZZ_SECONDS=600      longer
#   make fuzz FUZZ=ws               one target; FUZZ="ws http" two
#   make fuzz-mutants               does each find the bugs that tests/fuzz/mutants.list plants?
#   build/fuzz/fuzz_ws FILE         run one input again
#
# Seeds: tests/fuzz/corpus/NAME/; what a run adds: build/fuzz/corpus/NAME/; a finding:
# build/fuzz/NAME-crash-*. A fixed finding's input goes to the seeds. tests/fuzz/NAME.dict is
# used where it is there. The library is built again here, with the fuzzer's counters.

FUZZ_SECONDS ?= 60
FUZZ         ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

# Longer than the longest seed: what lies behind a limit is reached by growing, too.
FUZZ_LIMITS  := -timeout=10 -rss_limit_mb=1024 -max_len=20000

FUZZ_CC      := clang
FUZZ_FLAGS    = -std=gnu17 -O1 -g -Ishared -Iservices -I. -Itests -D_GNU_SOURCE $(SYSTEM_CPPFLAGS) \
	-fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_COMPILE  = $(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined
FUZZ_LINK    := $(FUZZ_CC) -fsanitize=fuzzer,address,undefined
FUZZ_LIB_OBJ := $(patsubst %.c,build/fuzz/%.o,$(LIB_SRC) $(wildcard tests/support/*.c))

build/fuzz/%.o: %.c | needs-fuzz
	@mkdir -p $(@D)
	@echo "  cc $< (fuzz)"
	@$(FUZZ_COMPILE) -MMD -MP -c $< -o $@

$(filter $(LUA_ROOMS:%=build/fuzz/shared/%/%),$(FUZZ_LIB_OBJ)): $(LUA)

build/fuzz/libparley.a: $(FUZZ_LIB_OBJ)
$(foreach d,$(OUTSIDE),$(eval $(call archive_rule,$d,build/fuzz)))
build/fuzz/fuzz_avatar: build/fuzz/services/auth.a
build/fuzz/fuzz_llm: build/fuzz/services/llm-responder.a
build/fuzz/fuzz_offset: build/fuzz/services/presence.a

build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o build/fuzz/libparley.a tests/fuzz/fuzz.mk
	@echo "  ld $@"
	@$(FUZZ_LINK) -o $@ $(filter %.o,$^) $(archives) $(LIBS)
	@echo $(filter %.o,$^) $(filter-out %/libparley.a,$(archives)) >$@.objects

$(FUZZ:%=fuzz-%): fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/fuzz/corpus/$* tests/fuzz/corpus/$*
	@echo "  fuzz $* for $(FUZZ_SECONDS) s"
	@$< -max_total_time=$(FUZZ_SECONDS) $(FUZZ_LIMITS) -print_final_stats=1 \
		-artifact_prefix=build/fuzz/$*- $(addprefix -dict=,$(wildcard tests/fuzz/$*.dict)) \
		build/fuzz/corpus/$* tests/fuzz/corpus/$* >build/fuzz/$*.log 2>&1 \
		|| { tail -n 60 build/fuzz/$*.log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */    inputs /p' build/fuzz/$*.log

fuzz: $(FUZZ:%=fuzz-%) ## fuzz each parser of network bytes (FUZZ_SECONDS, FUZZ)

# A part of make lint, for nothing else builds the targets.
fuzz-compiles: | needs-lint
	@$(FUZZ_COMPILE) -Wall -Wextra -Werror -fsyntax-only $(FUZZ:%=tests/fuzz/fuzz_%.c)

# Each bug for FUZZ_SECONDS at most; most are found in the first.
fuzz-mutants: $(FUZZ:%=build/fuzz/fuzz_%) ## does each target find the bugs planted for it? FUZZ="jwt sio"
	@COMPILE='$(FUZZ_COMPILE)' LINK='$(FUZZ_LINK)' LIBS='$(LIBS)' FLAGS='$(FUZZ_LIMITS)' \
		SECONDS_EACH=$(FUZZ_SECONDS) ONLY='$(FUZZ)' tests/fuzz/mutants.sh

# On the ASan and UBSan build. FUZZ_SEED=N repeats a run.
fuzz-live: $(NODE_MODULES) | needs-stack ## send mutated packets and requests to live servers (FUZZ_PACKETS, a million; FUZZ_REQUESTS, 100,000)
	@$(MAKE) --no-print-directory -s -j$$(nproc) SAN=1 all
	@FUZZ_PACKETS=$${FUZZ_PACKETS:-1000000} FUZZ_REQUESTS=$${FUZZ_REQUESTS:-100000} \
		tests/support/asan.sh bash -c 'cd tests && node --test e2e/fuzz_live.test.mjs'
.PHONY: fuzz fuzz-live fuzz-mutants fuzz-compiles $(FUZZ:%=fuzz-%)

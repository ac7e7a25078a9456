# Three tools that read the code for mistakes, part of `make lint`:
#
#   make lint-tools                 all three, over what changed since it was last found clean
#   make build/lint/FILE.tidy       one tool over one file: .tidy, .analyzer or .cppcheck
#
# A stamp in build/lint stands for a file that a tool found nothing in. It is as old as the object,
# which is built again whenever the file or a header of its own changes. A finding that is wrong is
# suppressed at its place, with the reason beside it: NOLINTNEXTLINE(check), a pragma, or
# cppcheck-suppress. A check that is off for all files has its reason in the tool's list: .clang-tidy,
# tests/lint/cppcheck.suppress.

LINTED   := $(LIB_SRC) $(KORE_SRC) $(wildcard services/*/*.c services/*/*/*.c gateway/*.c deploy/*/*.c tests/fault/*.c)
lints     = $(LINTED:%.c=$B/lint/%.$(1))
kore_lint = $(patsubst $B/%.o,$B/lint/%.$(1),$(KORE_OBJ) $(foreach s,$(SERVICES),$(call svc_obj,$s)))

$(foreach tool,tidy analyzer cppcheck,$(call kore_lint,$(tool))): CPPFLAGS += -Iservices $(KORE_CPPFLAGS)

$(foreach tool,tidy analyzer cppcheck,$(ADMIN_OBJ:$B/%.o=$B/lint/%.$(tool))): CPPFLAGS += $(ADMIN_CPPFLAGS)

# What clang-tidy says on its error output is how many warnings of system headers it left out.
$B/lint/%.tidy: %.c $B/%.o .clang-tidy | needs-lint
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- -std=gnu17 $(CPPFLAGS) 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

# gcc of any name: clang does not know the flag.
$B/lint/%.analyzer: %.c $B/%.o | needs-lint
	@mkdir -p $(@D)
	@gcc $(CPPFLAGS) $(CFLAGS) -fanalyzer -S -o /dev/null $<
	@touch $@

# It reads our headers, and knows those of the system from its own libraries.
CPPCHECK := cppcheck --quiet --std=c11 -Ishared -Iservices -D_GNU_SOURCE --inline-suppr --error-exitcode=1 \
	--enable=warning,style,performance,portability \
	--library=posix --library=gnu --library=sqlite3 --library=tests/lint/cppcheck.cfg \
	--suppressions-list=tests/lint/cppcheck.suppress --template='{file}:{line}: {message} [{id}]'
$B/lint/%.cppcheck: %.c $B/%.o tests/lint/cppcheck.cfg tests/lint/cppcheck.suppress | needs-lint
	@mkdir -p $(@D)
	@$(CPPCHECK) $<
	@touch $@

lint-tidy: $(call lints,tidy)
lint-analyzer: $(call lints,analyzer)
lint-cppcheck: $(call lints,cppcheck)
lint-tools: lint-tidy lint-analyzer lint-cppcheck
.PHONY: lint-tidy lint-analyzer lint-cppcheck lint-tools

# natd - plain GNU make, with or without ./configure.  "make help" lists the targets.
#
#   make V=1                           show the commands
#   make SANITIZE=address,undefined    the same targets, built below build/san
#   make DEVELOPER=1                   warnings are errors
#   make BUILD=DIR CC=clang CFLAGS=-O1 somewhere else, with another compiler

-include config.mk

ifeq ($(origin CC),default)
CC = gcc
endif
CLANG ?= clang
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
PYTEST = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -o cache_dir=$(abspath $(RESULTS))/cache
INSTALL ?= install

prefix ?= /usr/local
sbindir ?= $(prefix)/sbin
bindir ?= $(prefix)/bin
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
completionsdir ?= $(datadir)/bash-completion/completions
zshcompletionsdir ?= $(datadir)/zsh/$(if $(filter /usr,$(prefix)),vendor-completions,site-functions)
fishcompletionsdir ?= $(datadir)/fish/vendor_completions.d
unitdir ?= $(prefix)/lib/systemd/system
userunitdir ?= $(prefix)/lib/systemd/user
catalogdir ?= $(prefix)/lib/systemd/catalog
sysusersdir ?= $(prefix)/lib/sysusers.d
sysconfdir ?= /etc

VERSION := $(shell sed -n 's/^.define NATD_VERSION "\(.*\)"$$/\1/p' proto/version.h)
BUILD ?= $(if $(SANITIZE),build/san,build)
RESULTS ?= $(BUILD)/results

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

ifndef V
QUIET_CC = @echo "  CC      $@";
QUIET_AR = @echo "  AR      $@";
QUIET_LD = @echo "  LINK    $@";
QUIET_GEN = @echo "  GEN     $@";
Q = @
endif

# ---- what the house is made of --------------------------------------------------------

sources = $(sort $(wildcard $(addsuffix /*.c,$(1))))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

GEN_SRC = $(BUILD)/gen/org_natd_NAT.c
PROTO_OBJ = $(call objects,$(call sources,proto)) $(GEN_SRC:.c=.o)
NETMON_OBJ = $(call objects,$(call sources,netmon))
DAEMON_OBJ = $(call objects,$(filter-out daemon/main.c,$(call sources,daemon)))
CTL_OBJ = $(call objects,$(call sources,ctl))

# What libnatd exports is marked in its sources; all the rest of it is hidden.
LIB_SRC = $(call sources,lib) proto/json.c proto/jsontext.c proto/text.c
LIB_OBJ = $(patsubst %.c,$(BUILD)/pic/%.o,$(LIB_SRC))
LIB_SONAME = libnatd.so.0
LIB = $(BUILD)/libnatd.a
SHARED_LIB = $(BUILD)/$(LIB_SONAME)

PROTO = $(BUILD)/libproto.a
HOUSE = $(BUILD)/libdaemon.a $(BUILD)/libnetmon.a $(PROTO)
PROGRAMS = $(if $(wildcard daemon/main.c),$(BUILD)/natd) \
	$(if $(wildcard ctl/main.c),$(BUILD)/natctl)

UNIT_SRC = $(sort $(wildcard tests/unit/test_*.c))
UNIT = $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
FUZZ_SRC = $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CORPUS = $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))
BENCH_SRC = $(sort $(wildcard tests/bench/*.c))
BENCH = $(patsubst %.c,$(BUILD)/%,$(BENCH_SRC))

HEADERS = $(sort $(wildcard proto/*.h netmon/*.h daemon/*.h lib/*.h ctl/*.h))
C_FILES = $(HEADERS) $(call sources,proto netmon daemon lib ctl tests/unit tests/fuzz tests/bench tests/bench/peer)

# ---- Debian packages --------------------------------------------------------------------
# "pkg-config name:package"; mbedtls and unistring are apart, Debian 12 has no .pc file
# for them: "header:package".

LIB_ROWS = libevent_core:libevent-dev libcjson:libcjson-dev expat:libexpat1-dev \
	libnl-3.0:libnl-3-dev libnl-route-3.0:libnl-route-3-dev libsystemd:libsystemd-dev \
	inih:libinih-dev libcares:libc-ares-dev smartcols:libsmartcols-dev
HEADER_ROWS = mbedtls/md.h:libmbedtls-dev uninorm.h:libunistring-dev
UNIT_ROWS = cmocka:libcmocka-dev
pc_names = $(foreach row,$(1),$(firstword $(subst :, ,$(row))))
pc_packages = $(foreach row,$(1),$(lastword $(subst :, ,$(row))))

APT_BUILD = gcc libc6-dev make pkg-config $(call pc_packages,$(LIB_ROWS) $(HEADER_ROWS))
APT_TEST = $(call pc_packages,$(UNIT_ROWS)) python3 python3-pytest python3-pytest-xdist iproute2 iputils-ping nftables procps \
	strace curl systemd git debootstrap miniupnpd-nftables miniupnpc natpmpc python3-prometheus-client python3-yaml \
	stun-client zsh fish
# Installed they would be servers of this machine; the lab starts them by itself, and of
# prometheus only promtool.
UNPACKED = coturn prometheus:usr/bin/promtool
APT_LINT = clang clang-format clang-tidy libclang-rt-dev mandoc autoconf shellcheck

deps: ## apt-get install everything: to build, to test, to check style (root or sudo)
	@sh tests/tools/install_packages.sh $(sort $(APT_BUILD) $(APT_TEST) $(APT_LINT))
	@sh tests/tools/unpack_packages.sh peers $(UNPACKED)

# "make deps demo": what follows deps is made by another make, which finds the new libraries.
AFTER_DEPS = $(if $(filter deps,$(MAKECMDGOALS)),$(filter-out deps,$(MAKECMDGOALS)))
ifneq ($(AFTER_DEPS),)
.NOTPARALLEL:
.PHONY: deps $(AFTER_DEPS)
$(AFTER_DEPS): deps
	+@$(MAKE) $@
else # to the end of this file

# ---- flags --------------------------------------------------------------------------------

CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wimplicit-fallthrough \
	$(if $(DEVELOPER),-Werror)

# _FORTIFY_SOURCE needs an optimizing build and hides bugs from the sanitizers.
ifdef SANITIZE
HARDEN = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN_LD = -fsanitize=$(SANITIZE)
SHARED_LDFLAGS = $(HARDEN_LD)
else
HARDEN = -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) $(CF_PROTECTION)
RELRO = -Wl,-z,relro,-z,now,-z,noexecstack
HARDEN_LD = -pie $(RELRO)
SHARED_LDFLAGS = $(RELRO) -Wl,-z,defs
endif

# "make deps", "make help" and the like must work on a machine that has nothing yet.
NO_LIBS_GOALS = help deps clean distclean dist deb configure uninstall check check-layers \
	check-fuzz-corpus fuzz lint-format lint-man
GOALS = $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out $(NO_LIBS_GOALS),$(GOALS)),)

WANTED_ROWS = $(LIB_ROWS) $(if $(filter check% tests coverage,$(GOALS)),$(UNIT_ROWS))
MISSING := $(strip \
	$(if $(shell command -v $(firstword $(CC))),,$(firstword $(CC))) \
	$(if $(shell command -v $(PKG_CONFIG)),\
		$(foreach row,$(WANTED_ROWS),$(if $(shell $(PKG_CONFIG) --exists \
			$(call pc_names,$(row)) || echo no),$(call pc_packages,$(row)))) \
		$(foreach row,$(HEADER_ROWS),$(if $(shell ! command -v $(firstword $(CC)) >/dev/null || \
			$(CC) -E -include $(call pc_names,$(row)) -x c /dev/null >/dev/null 2>&1 || \
			echo no),$(call pc_packages,$(row)))),\
		pkg-config and $(call pc_packages,$(WANTED_ROWS) $(HEADER_ROWS))))
ifneq ($(MISSING),)
$(error missing: $(MISSING). Try "sudo make deps", or only what a build needs: \
	sudo apt-get install $(sort $(APT_BUILD) $(call pc_packages,$(WANTED_ROWS))))
endif

CF_PROTECTION := $(if $(filter x86_64-% i386-% i686-%,$(shell $(CC) -dumpmachine)),-fcf-protection)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(call pc_names,$(LIB_ROWS)))
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(call pc_names,$(LIB_ROWS))) \
	$(shell $(PKG_CONFIG) --libs mbedtls mbedx509 mbedcrypto 2>/dev/null || \
	echo -lmbedtls -lmbedx509 -lmbedcrypto) -lunistring -lresolv -lm

ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) -DNATD_SYSCONFDIR='"$(sysconfdir)"' \
	-ffile-prefix-map=$(CURDIR)=. $(WARNINGS) $(HARDEN) $(CFLAGS)
LIB_LIBS := $(shell $(PKG_CONFIG) --libs libcjson) -lm
ALL_LDFLAGS := $(HARDEN_LD) -Wl,--as-needed $(LDFLAGS)

# Other flags, another compiler: everything is built anew.
FLAGS := $(CC) $(ALL_CFLAGS) $(CPPFLAGS) / $(ALL_LDFLAGS) $(PKG_LIBS)
$(shell mkdir -p $(BUILD))
ifneq ($(file <$(BUILD)/flags),$(FLAGS))
$(file >$(BUILD)/flags,$(FLAGS))
endif
# A source file went away: its object must leave the archive.
ifneq ($(file <$(BUILD)/objects),$(PROTO_OBJ) $(NETMON_OBJ) $(DAEMON_OBJ) $(LIB_OBJ))
$(file >$(BUILD)/objects,$(PROTO_OBJ) $(NETMON_OBJ) $(DAEMON_OBJ) $(LIB_OBJ))
endif
endif

# ---- build ------------------------------------------------------------------------------------

# For ./configure: only the look at what is missing, above.
libs:

all: $(HOUSE) $(LIB) $(SHARED_LIB) $(PROGRAMS) ## natd, natctl and libnatd, below build/

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(QUIET_CC)$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/pic/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(QUIET_CC)$(CC) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -ffunction-sections $(CPPFLAGS) \
		-MMD -MP -c $< -o $@

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	$(QUIET_CC)$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c $< -o $@

# The interface as it is in the tree, served by introspection.
$(BUILD)/gen/org_natd_NAT.c: etc/org.natd.NAT.varlink
	@mkdir -p $(@D)
	$(QUIET_GEN){ printf '#include "proto/idl.h"\n\nconst char org_natd_NAT_idl[] =\n'; \
	sed -e 's/[\\"]/\\&/g' -e 's/.*/\t"&\\n"/' $<; echo ';'; } >$@

define archive
	@rm -f $@
	$(QUIET_AR)$(AR) rcsD $@ $(filter %.o,$^)
endef
$(PROTO): $(PROTO_OBJ) $(BUILD)/objects
	$(archive)
$(BUILD)/libnetmon.a: $(NETMON_OBJ) $(BUILD)/objects
	$(archive)
$(BUILD)/libdaemon.a: $(DAEMON_OBJ) $(BUILD)/objects
	$(archive)

$(SHARED_LIB): $(LIB_OBJ) lib/natd.map $(BUILD)/objects
	$(QUIET_LD)$(CC) $(ALL_CFLAGS) -fPIC -shared -Wl,-soname,$(LIB_SONAME) \
		-Wl,--version-script=lib/natd.map -Wl,--gc-sections -Wl,--as-needed $(SHARED_LDFLAGS) $(LDFLAGS) \
		-o $@ $(LIB_OBJ) $(LIB_LIBS)
	@ln -sf $(LIB_SONAME) $(BUILD)/libnatd.so

# One object, so that what is hidden is hidden from those who link it statically, too.
OBJCOPY ?= $(shell $(CC) -print-prog-name=objcopy)
$(BUILD)/pic/libnatd.o: $(LIB_OBJ) $(BUILD)/objects
	$(QUIET_LD)$(CC) -r -nostdlib -o $@ $(LIB_OBJ) && $(OBJCOPY) --localize-hidden $@
$(LIB): $(BUILD)/pic/libnatd.o
	$(archive)

LINK = $(QUIET_LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^)

$(BUILD)/natd: $(BUILD)/daemon/main.o $(HOUSE)
	$(LINK) $(PKG_LIBS)
$(BUILD)/natctl: $(CTL_OBJ) $(LIB) $(PROTO)
	$(LINK) $(PKG_LIBS)
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(HOUSE)
	$(LINK) $(PKG_LIBS) -lcmocka
$(BUILD)/tests/unit/test_natctl_%: $(BUILD)/tests/unit/test_natctl_%.o \
		$(filter-out %/main.o,$(CTL_OBJ)) $(LIB) $(PROTO)
	$(LINK) $(PKG_LIBS) -lcmocka
$(BUILD)/tests/unit/test_lib%: $(BUILD)/tests/unit/test_lib%.o $(LIB)
	$(LINK) $(LIB_LIBS) -lcmocka
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/run_corpus.o \
		$(HOUSE) $(LIB)
	$(LINK) $(PKG_LIBS)
$(BENCH): %: %.o $(HOUSE)
	$(LINK) $(PKG_LIBS)
# Others to compare with, where their packages are; their headers decide in the source.
$(BUILD)/tests/bench/bench_stun: $(BUILD)/tests/bench/peer/libnice.o
$(BUILD)/tests/bench/bench_stun: PKG_LIBS += $(shell $(PKG_CONFIG) --exists nice && echo -lnice)

-include $(sort $(wildcard $(addprefix $(BUILD)/,$(addsuffix /*.d,\
	proto netmon daemon ctl gen pic/lib pic/proto tests/unit tests/fuzz tests/bench tests/bench/peer))))

# ---- tests ------------------------------------------------------------------------------------
# Each part leaves JUnit XML in $(RESULTS); "check" adds them up.

export NATD = $(abspath $(BUILD)/natd)
export NATCTL = $(abspath $(BUILD)/natctl)

PARTS = headers layers unit fuzz-corpus build ctl lab systemd
check: ## all tests that fit in ten minutes; as root with the lab (network namespaces)
	+@$(PYTHON) tests/tools/check.py --make "$(MAKE)" --results $(RESULTS) \
		--alone ctl --alone lab --alone systemd --only-root lab --only-root systemd \
		$(PARTS); status=$$?; $(give_back); exit $$status

PYTEST_REACHABLE = $(PYTHON) tests/tools/reachable.py $(BUILD) env $(PYTEST)

# With ALONE=1 what failed the last time, else all, perhaps several at once.
pick = $(if $(ALONE),--lf,--cache-clear $1)

tests: $(UNIT) $(FUZZ_CORPUS) $(BENCH) ## build the test programs, run none

check-unit: $(UNIT) ## the unit tests (no root, no network)
	@$(PYTHON) tests/tools/run_tests.py --results $(RESULTS)/unit.xml $(UNIT)

check-ctl: all ## natctl against a scripted daemon (no root)
	@$(PYTEST_REACHABLE) -q $(pick) --junitxml=$(RESULTS)/ctl.xml tests/ctl

check-build: all ## the build itself: install, dist, README, units, man pages (no root)
	@$(PYTEST) -q --junitxml=$(RESULTS)/build.xml tests/build

# Most of a lab test is waiting, and each has a network of its own.
LAB_JOBS ?= 3
IN_PARALLEL = $(if $(shell $(PYTHON) -c 'import xdist' 2>/dev/null && echo yes),\
	-n $(LAB_JOBS) --dist loadfile)

check-lab: all ## natd, natctl and real routers in network namespaces (root); LAB_JOBS=3 at once
	@$(PYTEST_REACHABLE) -q $(call pick,$(IN_PARALLEL)) --junitxml=$(RESULTS)/lab.xml -m "not long" tests/lab

check-systemd: all ## natd as a service of a real systemd in namespaces (root)
	@$(PYTEST) -q $(pick) --junitxml=$(RESULTS)/systemd.xml tests/systemd

check-long: all $(BUILD)/tests/bench/bench_stun_server check-package ## repetitions and packages that do not fit in check (root)
	@$(PYTEST_REACHABLE) -q -m long tests/lab

check-package: ## Debian packages in clean roots: build, lintian, install, purge, arm64 (root, mirror)
	@$(PYTEST) -q -rs --tb=short --junitxml=$(RESULTS)/package.xml tests/package

check-headers: ## every header compiles alone, with gcc and with clang where it is there
	$(Q)for cc in "$(CC)" $$(command -v $(CLANG)); do for header in $(HEADERS); do \
		$$cc $(ALL_CFLAGS) -Werror -fsyntax-only -x c -include $$header /dev/null || exit 1; \
	done; done

check-layers: ## nobody includes what the house does not allow
	@$(PYTHON) tests/tools/check_layers.py

check-fuzz-corpus: ## each fuzz harness eats all test data, under sanitizers
	+@$(MAKE) SANITIZE=address,undefined BUILD=$(BUILD)/corpus RESULTS=$(RESULTS) run-fuzz-corpus

run-fuzz-corpus: $(FUZZ_CORPUS)
	@$(PYTHON) tests/tools/run_tests.py --results $(RESULTS)/fuzz-corpus.xml \
		--arguments tests/data tests/fuzz/regressions -- $(FUZZ_CORPUS)

FUZZ_SECONDS ?= 60
fuzz: ## each harness for FUZZ_SECONDS=60 with libFuzzer; findings go to tests/fuzz/regressions
	+@$(MAKE) CC=$(CLANG) SANITIZE=fuzzer-no-link,address,undefined BUILD=$(BUILD)/fuzz run-fuzz

LIBFUZZER = $(patsubst tests/fuzz/%.c,$(BUILD)/libfuzzer/%,$(FUZZ_SRC))
$(BUILD)/libfuzzer/%: $(BUILD)/tests/fuzz/%.o $(HOUSE) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -fsanitize=fuzzer $(PKG_LIBS)

run-fuzz: $(LIBFUZZER)
	@for fuzzer in $(LIBFUZZER); do \
		name=$${fuzzer##*/fuzz_}; mkdir -p $(BUILD)/found/$$name tests/fuzz/regressions/$$name; \
		echo "  FUZZ    $$name, $(FUZZ_SECONDS) s"; \
		$$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
			-verbosity=$(if $(V),1,0) -print_final_stats=1 \
			-artifact_prefix=tests/fuzz/regressions/$$name/ \
			$(BUILD)/found/$$name tests/data tests/fuzz/regressions || exit 1; \
		rmdir --ignore-fail-on-non-empty tests/fuzz/regressions/$$name; \
	done

coverage: ## lines and branches that the unit tests reach, per file
	+@$(MAKE) BUILD=$(BUILD)/coverage CFLAGS="-O0 -g --coverage" check-unit
	@cd $(BUILD)/coverage && gcov -n $$(find . -name '*.gcda') 2>/dev/null | \
		awk -F"[':%]" '/^File/ { f = $$2 } /^Lines/ && f ~ /^(proto|netmon|daemon|lib)\/.*\.c$$/ \
			{ printf "%7s%%  %s\n", $$2, f; f = "" }' | sort -n

bench: all $(BENCH) ## time and memory beside upnpc, natpmpc (in the lab, root), libnice, coturn, stun-server
	@failed=; for program in $(BENCH); do $$program || failed="$$failed $${program##*/}"; done; \
	$(as_root)$(PYTHON) -B tests/bench/bench.py || failed="$$failed bench.py"; \
	[ -z "$$failed" ] || { echo "bench: missed its target, or failed:$$failed" >&2; exit 1; }

# ---- style --------------------------------------------------------------------------------------

lint: lint-format lint-c lint-man ## clang-format, clang-tidy, mandoc -Tlint

# Another version formats otherwise: 14 (Debian 12) is the one that decides.
CLANG_FORMAT ?= $(or $(shell command -v clang-format-14),clang-format)
lint-format:
	@case $$($(CLANG_FORMAT) --version 2>&1) in \
	*"version 14."*) echo "  FORMAT"; $(CLANG_FORMAT) --dry-run -Werror $(C_FILES) $(wildcard examples/*.c);; \
	*) echo "clang-format 14 is not here: format not checked";; esac
	@wc -l $(C_FILES) | awk '$$2 != "total" && $$1 > 600 { print $$2 ": " $$1 " lines, 600 is the most"; \
		bad = 1 } END { exit bad }'

TIDY_SRC = $(filter %.c,$(filter-out tests/%,$(C_FILES)))
lint-c: compile_commands.json
	@echo "  TIDY"; printf '%s\n' $(TIDY_SRC) | \
		xargs -P $$(nproc) -n 4 clang-tidy --quiet -p . --warnings-as-errors='*' 2>/dev/null

lint-man:
	@echo "  MANDOC"; mandoc -Tlint -Wwarning $(MAN)

compile_commands.json: $(BUILD)/flags ## for clangd, clang-tidy and editors
	$(QUIET_GEN)$(PYTHON) tests/tools/compile_commands.py $(filter %.c,$(C_FILES)) -- \
		$(CC) $(ALL_CFLAGS) >$@

# ---- try it ---------------------------------------------------------------------------------------

as_root = $(if $(filter 0,$(shell id -u)),,sudo )
# What sudo built belongs to the person who called sudo.
give_back = [ -z "$$SUDO_UID" ] || chown -R "$$SUDO_UID:$$SUDO_GID" $(BUILD)

demo: all ## the main job on a home network made of namespaces (root or sudo, 20 s)
	@$(as_root)$(PYTHON) -B tests/lab/demo.py; status=$$?; $(give_back); exit $$status

run: all ## natd on the real network, as you, socket and state below run/
	@mkdir -p run/state
	@echo "try: $(if $(filter /%,$(BUILD)),,./)$(BUILD)/natctl -H run/org.natd.NAT status"
	@exec $(BUILD)/natd --config=etc/natd.conf --socket=run/org.natd.NAT --state-dir=run/state

# ---- install --------------------------------------------------------------------------------------

MAN = $(sort $(wildcard man/*.[1-8]))
man_dest = $(mandir)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
UNITS = $(sort $(wildcard $(addprefix systemd/*.,service socket timer)))
USER_UNITS = $(sort $(wildcard $(addprefix systemd/user/*.,service socket)))
unit_dest = $(if $(findstring /user/,$(1)),$(userunitdir),$(unitdir))/$(notdir $(1))
SYSTEM_FILES = $(libdir)/$(LIB_SONAME) $(libdir)/libnatd.so $(libdir)/libnatd.a \
	$(libdir)/pkgconfig/libnatd.pc $(includedir)/natd.h \
	$(foreach unit,$(UNITS) $(USER_UNITS),$(call unit_dest,$(unit))) \
	$(sysusersdir)/natd.conf $(catalogdir)/natd.catalog $(completionsdir)/natctl \
	$(zshcompletionsdir)/_natctl $(fishcompletionsdir)/natctl.fish \
	$(addprefix $(datadir)/natd/,org.natd.NAT.varlink grafana-natd.json)
CONF = $(DESTDIR)$(sysconfdir)/natd/natd.conf

install: all ## into prefix=/usr/local, below DESTDIR; an existing natd.conf is kept
	$(Q)$(INSTALL) -D -m 755 $(BUILD)/natd $(DESTDIR)$(sbindir)/natd
	$(Q)$(INSTALL) -D -m 755 $(BUILD)/natctl $(DESTDIR)$(bindir)/natctl
	$(Q)$(INSTALL) -D -m 644 $(SHARED_LIB) $(DESTDIR)$(libdir)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(DESTDIR)$(libdir)/libnatd.so
	$(Q)$(INSTALL) -m 644 $(LIB) $(DESTDIR)$(libdir)/libnatd.a
	$(Q)$(INSTALL) -D -m 644 lib/natd.h $(DESTDIR)$(includedir)/natd.h
	$(Q)$(INSTALL) -d $(DESTDIR)$(libdir)/pkgconfig
	$(Q)sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' -e 's|@version@|$(VERSION)|' \
		-e 's|@includedir@|$(includedir)|' lib/libnatd.pc.in \
		>$(DESTDIR)$(libdir)/pkgconfig/libnatd.pc
	$(Q)chmod 644 $(DESTDIR)$(libdir)/pkgconfig/libnatd.pc
	$(Q)$(foreach page,$(MAN),$(INSTALL) -D -m 644 $(page) $(DESTDIR)$(call man_dest,$(page));)
	$(Q)$(INSTALL) -d $(DESTDIR)$(unitdir) $(DESTDIR)$(userunitdir)
	$(Q)$(foreach unit,$(UNITS) $(USER_UNITS),sed -e 's|/usr/sbin/natd|$(sbindir)/natd|' \
		-e 's|/usr/bin/natctl|$(bindir)/natctl|' $(unit) >$(DESTDIR)$(call unit_dest,$(unit)) && \
		chmod 644 $(DESTDIR)$(call unit_dest,$(unit)) || exit 1;)
	$(Q)$(INSTALL) -D -m 644 systemd/natd.sysusers $(DESTDIR)$(sysusersdir)/natd.conf
	$(Q)$(INSTALL) -D -m 644 systemd/natd.catalog $(DESTDIR)$(catalogdir)/natd.catalog
	$(Q)for file in org.natd.NAT.varlink grafana-natd.json; do $(INSTALL) -D -m 644 etc/$$file \
		$(DESTDIR)$(datadir)/natd/$$file || exit 1; done
	$(Q)$(INSTALL) -D -m 644 etc/completion/natctl.bash $(DESTDIR)$(completionsdir)/natctl
	$(Q)$(INSTALL) -D -m 644 etc/completion/natctl.zsh $(DESTDIR)$(zshcompletionsdir)/_natctl
	$(Q)$(INSTALL) -D -m 644 etc/completion/natctl.fish $(DESTDIR)$(fishcompletionsdir)/natctl.fish
	$(Q)$(INSTALL) -d $(DESTDIR)$(sysconfdir)/natd/natd.conf.d
	$(Q)if [ -e $(CONF) ]; then cmp -s etc/natd.conf $(CONF) || echo "kept: $(CONF)"; \
		else $(INSTALL) -m 644 etc/natd.conf $(CONF); fi

uninstall: ## remove what install put there; a natd.conf with changes is kept
	$(Q)rm -f $(DESTDIR)$(sbindir)/natd $(DESTDIR)$(bindir)/natctl \
		$(foreach page,$(MAN),$(DESTDIR)$(call man_dest,$(page))) $(addprefix $(DESTDIR),$(SYSTEM_FILES))
	$(Q)if cmp -s etc/natd.conf $(CONF); then rm $(CONF); \
		elif [ -e $(CONF) ]; then echo "kept, it has changes: $(CONF)"; fi
	$(Q)for dir in $(datadir)/natd $(sysconfdir)/natd/natd.conf.d $(sysconfdir)/natd; do \
		[ ! -d $(DESTDIR)$$dir ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir; done

configure: configure.ac proto/version.h ## for those who want ./configure (needs autoconf)
	$(QUIET_GEN)autoconf

# The same bytes from the same commit, on every machine.
dist: configure ## natd-VERSION.tar.gz of the last commit, with configure
	$(Q)git archive --prefix=natd-$(VERSION)/ --add-file=configure HEAD | \
		gzip -n >natd-$(VERSION).tar.gz
	@echo natd-$(VERSION).tar.gz

# From the last commit, as dist: what is in the packages is what is in the tarball.
DEB_DIR = $(abspath $(BUILD)/deb)
deb: dist ## Debian packages of the last commit, below build/deb (apt-get build-dep ./ before)
	$(Q)rm -rf $(DEB_DIR) && mkdir -p $(DEB_DIR)
	$(Q)cp natd-$(VERSION).tar.gz $(DEB_DIR)/natd_$(VERSION).orig.tar.gz
	$(Q)tar -C $(DEB_DIR) -xf natd-$(VERSION).tar.gz
	$(Q)cd $(DEB_DIR)/natd-$(VERSION) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		dpkg-buildpackage -us -uc
	@ls $(DEB_DIR)/*.deb

clean: ## remove everything that was built
	rm -rf build compile_commands.json autom4te.cache

distclean: clean ## and what ./configure wrote, and the state of "make run"
	rm -rf run config.mk config.log config.status configure

help: ## this list
	@sed -n 's/^\([a-z_.-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 24

.PHONY: all tests check check-unit check-ctl check-build check-lab check-systemd check-long check-headers \
	check-layers check-package check-fuzz-corpus run-fuzz-corpus fuzz run-fuzz coverage bench lint \
	lint-format lint-c lint-man deps demo run install uninstall dist deb clean distclean \
	help libs

endif

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
PYTEST = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -p no:cacheprovider
INSTALL ?= install

prefix ?= /usr/local
sbindir ?= $(prefix)/sbin
bindir ?= $(prefix)/bin
datadir ?= $(prefix)/share
mandir ?= $(datadir)/man
unitdir ?= $(prefix)/lib/systemd/system
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

HEADERS = $(sort $(wildcard proto/*.h netmon/*.h daemon/*.h ctl/*.h))
C_FILES = $(HEADERS) $(call sources,proto netmon daemon ctl tests/unit tests/fuzz tests/bench)

# ---- Debian packages --------------------------------------------------------------------
# "pkg-config name:package"; mbedtls is apart, Debian 12 has no .pc file for it.

LIB_ROWS = libevent_core:libevent-dev libcjson:libcjson-dev expat:libexpat1-dev \
	libnl-3.0:libnl-3-dev libnl-route-3.0:libnl-route-3-dev libsystemd:libsystemd-dev \
	inih:libinih-dev smartcols:libsmartcols-dev
UNIT_ROWS = cmocka:libcmocka-dev
pc_names = $(foreach row,$(1),$(firstword $(subst :, ,$(row))))
pc_packages = $(foreach row,$(1),$(lastword $(subst :, ,$(row))))

APT_BUILD = gcc libc6-dev make pkg-config libmbedtls-dev $(call pc_packages,$(LIB_ROWS))
APT_TEST = $(call pc_packages,$(UNIT_ROWS)) python3 python3-pytest iproute2 nftables procps \
	iputils-ping strace systemd git miniupnpd-nftables miniupnpc natpmpc
APT_LINT = clang clang-format clang-tidy libclang-rt-dev mandoc autoconf

# ---- flags --------------------------------------------------------------------------------

CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wimplicit-fallthrough \
	$(if $(DEVELOPER),-Werror)

# _FORTIFY_SOURCE needs an optimizing build and hides bugs from the sanitizers.
ifdef SANITIZE
HARDEN = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN_LD = -fsanitize=$(SANITIZE)
else
HARDEN = -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) $(CF_PROTECTION)
HARDEN_LD = -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif

# "make deps", "make help" and the like must work on a machine that has nothing yet.
NO_LIBS_GOALS = help deps clean dist configure check-layers lint-format lint-man
GOALS = $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out $(NO_LIBS_GOALS),$(GOALS)),)

WANTED_ROWS = $(LIB_ROWS) $(if $(filter check% coverage bench fuzz,$(GOALS)),$(UNIT_ROWS))
MISSING := $(strip \
	$(if $(shell command -v $(firstword $(CC))),,$(firstword $(CC))) \
	$(if $(shell command -v $(PKG_CONFIG)),\
		$(foreach row,$(WANTED_ROWS),$(if $(shell $(PKG_CONFIG) --exists \
			$(call pc_names,$(row)) || echo no),$(call pc_packages,$(row)))) \
		$(if $(shell $(PKG_CONFIG) --exists mbedcrypto || echo 'int x;' | \
			$(CC) -E -include mbedtls/md.h -x c - >/dev/null 2>&1 || echo no),libmbedtls-dev),\
		pkg-config and $(call pc_packages,$(WANTED_ROWS)) libmbedtls-dev))
ifneq ($(MISSING),)
$(error missing: $(MISSING). Try "sudo make deps", or only what a build needs: \
	sudo apt-get install $(sort $(APT_BUILD) $(call pc_packages,$(WANTED_ROWS))))
endif

CF_PROTECTION := $(if $(filter x86_64-% i386-% i686-%,$(shell $(CC) -dumpmachine)),-fcf-protection)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(call pc_names,$(LIB_ROWS)))
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(call pc_names,$(LIB_ROWS))) \
	$(shell $(PKG_CONFIG) --libs mbedcrypto 2>/dev/null || echo -lmbedcrypto)

ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) -DNATD_SYSCONFDIR='"$(sysconfdir)"' \
	-ffile-prefix-map=$(CURDIR)=. $(WARNINGS) $(HARDEN) $(CFLAGS)
ALL_LDFLAGS := $(HARDEN_LD) -Wl,--as-needed $(LDFLAGS)

# Other flags, another compiler: everything is built anew.
FLAGS := $(CC) $(ALL_CFLAGS) / $(ALL_LDFLAGS) $(PKG_LIBS)
$(shell mkdir -p $(BUILD))
ifneq ($(file <$(BUILD)/flags),$(FLAGS))
$(file >$(BUILD)/flags,$(FLAGS))
endif
# A source file went away: its object must leave the archive.
ifneq ($(file <$(BUILD)/objects),$(PROTO_OBJ) $(NETMON_OBJ) $(DAEMON_OBJ))
$(file >$(BUILD)/objects,$(PROTO_OBJ) $(NETMON_OBJ) $(DAEMON_OBJ))
endif
endif

# ---- build ------------------------------------------------------------------------------------

all: $(HOUSE) $(PROGRAMS) ## natd and natctl, below build/

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(QUIET_CC)$(CC) $(ALL_CFLAGS) $(CPPFLAGS) -MMD -MP -c $< -o $@

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

LINK = $(QUIET_LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^)

$(BUILD)/natd: $(BUILD)/daemon/main.o $(HOUSE)
	$(LINK) $(PKG_LIBS)
$(BUILD)/natctl: $(CTL_OBJ) $(PROTO)
	$(LINK) $(PKG_LIBS)
$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(HOUSE)
	$(LINK) $(PKG_LIBS) -lcmocka
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/run_corpus.o $(HOUSE)
	$(LINK) $(PKG_LIBS)
$(BENCH): %: %.o $(HOUSE)
	$(LINK) $(PKG_LIBS)

-include $(sort $(wildcard $(addprefix $(BUILD)/,$(addsuffix /*.d,\
	proto netmon daemon ctl gen tests/unit tests/fuzz tests/bench))))

# ---- tests ------------------------------------------------------------------------------------

check-unit: $(UNIT) ## the unit tests (no root, no network)
	@$(PYTHON) tests/tools/run_tests.py --results $(RESULTS)/unit.xml $(UNIT)

clean: ## remove everything that was built
	rm -rf build run compile_commands.json

help: ## this list
	@sed -n 's/^\([a-z_.-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 24

.PHONY: all check-unit clean help

# natd - plain GNU make; "make help" lists the targets.

-include config.mk

CC ?= gcc
PKG_CONFIG ?= pkg-config
BUILD ?= build
CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-sign-conversion
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) $(HARDEN) $(CFLAGS)
LDFLAGS += -pie -Wl,-z,relro,-z,now

PKGS = libevent_core libcjson expat libnl-3.0 libnl-route-3.0 libsystemd inih smartcols
ALL_CFLAGS += $(shell $(PKG_CONFIG) --cflags $(PKGS))
LIBS = $(shell $(PKG_CONFIG) --libs libevent_core libcjson expat libnl-route-3.0 libsystemd inih) \
	-lmbedcrypto
UNIT_LIBS = $(LIBS) $(shell $(PKG_CONFIG) --libs cmocka)

PROTO_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard proto/*.c)))
UNIT = $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))

all: $(PROTO_OBJ)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libproto.a: $(PROTO_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libproto.a
	$(CC) $(LDFLAGS) $^ $(UNIT_LIBS) -o $@

check-unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done

.PHONY: all check-unit
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

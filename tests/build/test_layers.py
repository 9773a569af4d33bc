"""The include rule is enforced: each forbidden include is found, the allowed ones pass."""

import sys

import pytest

CHECKER = "tests/tools/check_layers.py"

FORBIDDEN = [
    ("proto/a.c", '#include "daemon/loop.h"'),
    ("proto/a.c", '#include "netmon/netmon.h"'),
    ("proto/a.c", "#include <sys/socket.h>"),
    ("proto/a.c", "#include <time.h>"),
    ("proto/a.c", "#include <sys/random.h>"),
    ("proto/a.c", "#include <syslog.h>"),
    ("proto/a.c", "#include <arpa/inet.h>"),
    ("proto/a.c", "#include <event2/event.h>"),
    ("proto/a.c", "  #  include <unistd.h>"),
    ("proto/a.h", "#include HEADER"),
    ("netmon/a.c", '#include "proto/util.h"'),
    ("netmon/a.c", "#include <cjson/cJSON.h>"),
    ("daemon/a.c", '#include "ctl/term.h"'),
    ("daemon/a.c", "#include <netlink/netlink.h>"),
    ("daemon/a.c", '#include "loop.h"'),
    ("daemon/a.c", '#include "../daemon/loop.h"'),
    ("ctl/a.c", '#include "daemon/loop.h"'),
    ("ctl/a.c", '#include "netmon/netmon.h"'),
    ("ctl/a.c", "#include <event2/event.h>"),
    ("ctl/a.c", '#include "lib/private.h"'),
    ("lib/a.c", '#include "ctl/term.h"'),
    ("lib/a.c", '#include "proto/text.h"'),
    ("lib/a.c", "#include <event2/event.h>"),
    ("proto/a.c", '#include "lib/natd.h"'),
    ("daemon/a.c", '#include "lib/natd.h"'),
    ("ctl/a.c", "#include <uninorm.h>"),
    # Attack 24: a check that a release build leaves out.
    ("proto/a.c", "#include <assert.h>"),
    ("daemon/a.c", "#include <assert.h>"),
]
ALLOWED = [
    ("proto/a.c", '#include "proto/util.h"'),
    ("proto/a.c", "#include <expat.h>"),
    ("proto/a.c", "#include <cjson/cJSON.h>"),
    ("proto/a.c", "#include <mbedtls/md.h>"),
    ("proto/a.c", "#include <uninorm.h>"),
    ("proto/addr.c", "#include <arpa/inet.h>"),
    ("netmon/a.c", "#include <netlink/route/link.h>"),
    ("netmon/a.c", "#include <sys/socket.h>"),
    ("daemon/a.c", '#include "netmon/netmon.h"'),
    ("daemon/a.c", "#include <event2/event.h>"),
    ("ctl/a.c", '#include "proto/idl.h"'),
    ("ctl/a.c", '#include "lib/natd.h"'),
    ("lib/a.c", '#include "lib/private.h"'),
    ("lib/a.c", '#include "proto/json.h"'),
    ("lib/a.c", "#include <cjson/cJSON.h>"),
    ("lib/a.c", "#include <sys/socket.h>"),
    ("ctl/a.c", "#include <libsmartcols/libsmartcols.h>"),
]


def check(run, top, tmp_path, path, line):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"/* a file */\n{line}\n")
    return run(sys.executable, top / CHECKER, tmp_path, check=False)


@pytest.mark.parametrize("path,line", FORBIDDEN)
def test_forbidden_include_is_found(run, top, tmp_path, path, line):
    done = check(run, top, tmp_path, path, line)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{path}:2: ")


@pytest.mark.parametrize("path,line", ALLOWED)
def test_allowed_include_passes(run, top, tmp_path, path, line):
    done = check(run, top, tmp_path, path, line)
    assert (done.returncode, done.stdout) == (0, "")

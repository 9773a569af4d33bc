"""Checks the direction of includes: check_layers.py [TOP].

    ctl -> lib, proto     lib -> proto's JSON       daemon -> proto, netmon
    netmon -> libnl       proto -> proto

lib/ is linked into other people's programs, so it takes only single headers of proto/.
proto/ is without socket, clock, random source and log: its list of <headers> is closed.
The others may use the C library freely, and of the libraries those named here.
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>|(\S.*))')

FOLDERS = {
    "proto": {"proto"},
    "netmon": {"netmon"},
    "daemon": {"daemon", "proto", "netmon"},
    "lib": {"lib"},
    "ctl": {"ctl", "lib", "proto"},
}
# What a folder may include of another one, header by header.
SINGLE = {"lib": {"proto/json.h", "proto/jsontext.h", "proto/util.h"}}
# natctl is built on what libnatd offers to everybody.
PRIVATE = {"lib/private.h": {"lib"}}

# Third-party headers by library; everything else in <> is the C library or the kernel.
LIBRARIES = {
    "libevent": r"event2/|event\.h$|evhttp|evdns|evutil",
    "libcjson": r"cjson/|cJSON",
    "expat": r"expat",
    "mbedtls": r"mbedtls/|psa/",
    "libunistring": r"uni(ctype|gbrk|norm|str)\.h$",
    "libnl": r"netlink/",
    "libsystemd": r"systemd/",
    "inih": r"ini\.h$|INIReader",
    "c-ares": r"ares",
    "libsmartcols": r"libsmartcols",
}
MAY_USE = {
    "proto": {"libcjson", "expat", "mbedtls", "libunistring"},
    "netmon": {"libnl"},
    "daemon": {"libevent", "libcjson", "expat", "mbedtls", "libsystemd", "inih", "c-ares"},
    "lib": {"libcjson"},
    # natctl asks STUN servers by TLS, without natd.
    "ctl": {"libcjson", "libsmartcols", "mbedtls"},
}

PURE = set("""ctype.h endian.h errno.h inttypes.h limits.h math.h stdalign.h
    stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h
    sys/types.h""".split())
# inet_pton() and inet_ntop() only.
EXCEPTIONS = {("proto/addr.c", "arpa/inet.h")}


def library_of(header):
    for name, pattern in LIBRARIES.items():
        if re.match(pattern, header):
            return name
    return None


def faults(folder, path, line):
    """What is wrong with this line, or None."""
    match = INCLUDE.match(line)
    if not match:
        return None
    own, system, odd = match.groups()
    if odd:
        return f"include of {odd!r}, which cannot be checked"
    if own:
        target = own.split("/")[0]
        if "/" not in own or ".." in own:
            return f'"{own}": write the path from the top of the tree'
        allowed = FOLDERS[folder] | SINGLE.get(folder, set())
        if not allowed & {target, own} or folder not in PRIVATE.get(own, {folder}):
            return f'"{own}": {folder}/ may include {", ".join(sorted(allowed))} only'
        return None
    if system == "assert.h":
        return "<assert.h>: what comes from outside is refused, in every kind of build"
    library = library_of(system)
    if library and library not in MAY_USE[folder]:
        return f"<{system}>: {folder}/ does not use {library}"
    if folder == "proto" and not library and system not in PURE \
            and (path, system) not in EXCEPTIONS:
        return f"<{system}>: proto/ has no socket, clock, random source or log"
    return None


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    bad = 0
    for folder in FOLDERS:
        for file in sorted((top / folder).rglob("*.[ch]")):
            path = file.relative_to(top).as_posix()
            for number, line in enumerate(file.read_text().splitlines(), 1):
                fault = faults(folder, path, line)
                if fault:
                    print(f"{path}:{number}: {fault}")
                    bad += 1
    sys.exit(1 if bad else 0)


main()

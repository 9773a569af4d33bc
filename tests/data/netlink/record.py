#!/usr/bin/python3
"""Records rtnetlink messages of this machine's kernel, one per file, into this folder.

Run it in a network namespace of its own, which goes away with it:

    sudo unshare --net /usr/bin/python3 tests/data/netlink/record.py

Each row: file, shell command, message type, text that `ip` would show of the message (an
address, looked for as bytes) or None; the last notification that fits is kept.  Rows whose
command starts with "dump" ask for a table instead.  What each file must parse to is
written down in tests/unit/test_netmon_parse.c.
"""
import ipaddress
import os
import select
import socket
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, DELROUTE = 16, 17, 20, 21, 24, 25
NEWNEIGH, DELNEIGH, NEWRULE, DELRULE = 28, 29, 32, 33
GETLINK, GETADDR, GETRULE = 18, 22, 34
GROUPS = (1, 3, 5, 7, 8, 9, 11, 19)
SOL_NETLINK, ADD_MEMBERSHIP = 270, 1

PREPARE = """
ip link set lo up
echo 2 > /proc/sys/net/ipv6/conf/default/use_tempaddr
"""

STEPS = [
    ("link-veth-down", "ip link add va type veth peer name vb", NEWLINK, b"va\0"),
    ("link-veth-up", "ip link set vb up; ip link set va mtu 1400 up", NEWLINK, b"va\0"),
    ("link-veth-no-carrier", "ip link set vb down", NEWLINK, b"va\0"),
    ("link-tun", "ip tuntap add mode tun name tn; ip link set vb up; ip link set tn up",
     NEWLINK, b"tn\0"),
    ("link-lo", "ip link set lo mtu 65000", NEWLINK, b"lo\0"),
    ("link-left-bridge", "ip link add name brg type bridge; ip link set vb master brg;"
     "ip link set vb nomaster", DELLINK, b"vb\0"),
    ("link-gone", "ip link del brg", DELLINK, b"brg\0"),
    ("addr-4", "ip addr add 192.0.2.10/24 dev va", NEWADDR, "192.0.2.10"),
    ("addr-4-secondary", "ip addr add 192.0.2.11/24 dev va", NEWADDR, "192.0.2.11"),
    ("addr-4-peer", "ip addr add 10.64.1.2 peer 10.64.64.64/32 dev tn", NEWADDR,
     "10.64.1.2"),
    ("addr-4-link", "ip addr add 169.254.3.4/16 dev va", NEWADDR, "169.254.3.4"),
    ("addr-4-gone", "ip addr del 192.0.2.11/24 dev va", DELADDR, "192.0.2.11"),
    ("addr-6", "ip addr add 2001:db8:1::10/64 dev va nodad", NEWADDR, "2001:db8:1::10"),
    ("addr-6-deprecated",
     "ip addr add 2001:db8:1::11/64 dev va nodad valid_lft 600 preferred_lft 0", NEWADDR,
     "2001:db8:1::11"),
    ("addr-6-temporary", "ip addr add 2001:db8:2::1/64 dev va nodad mngtmpaddr;"
     "sleep 2; dump", GETADDR, ("temporary", "2001:db8:2::")),
    ("addr-6-tentative", "ip addr add 2001:db8:3::10/64 dev va; dump", GETADDR,
     ("any", "2001:db8:3::10")),
    ("addr-6-failed", "ip addr add 2001:db8:4::10/64 dev va nodad;"
     "ip addr add 2001:db8:4::10/64 dev vb; sleep 3; dump", GETADDR,
     ("failed", "2001:db8:4::10")),
    ("addr-6-link", "dump", GETADDR, ("any", "fe80::")),
    ("addr-6-peer", "ip addr add fd00:1::1 peer fd00:1::2/128 dev tn nodad", NEWADDR,
     "fd00:1::2"),
    ("route-4", "ip route add default via 192.0.2.1 dev va src 192.0.2.10 metric 100",
     NEWROUTE, "192.0.2.1"),
    ("route-4-gone", "ip route del default via 192.0.2.1 dev va metric 100", DELROUTE,
     "192.0.2.1"),
    ("route-4-on-link", "ip route add default dev tn table 51820", NEWROUTE, None),
    ("route-4-half", "ip route add 0.0.0.0/1 via 192.0.2.1", NEWROUTE, None),
    ("route-4-other-half", "ip route add 128.0.0.0/1 via 192.0.2.1", NEWROUTE, None),
    ("route-4-narrow", "ip route add 198.51.100.0/24 via 192.0.2.1", NEWROUTE, None),
    ("route-4-multipath", "ip route add default metric 7 nexthop via 192.0.2.1 dev va "
     "nexthop via 192.0.2.2 dev va nexthop dev tn", NEWROUTE, "192.0.2.2"),
    ("route-4-via-6", "ip -4 route add default via inet6 fe80::1 dev va metric 8", NEWROUTE,
     None),
    ("route-4-unreachable", "ip route add unreachable default metric 4278198272",
     NEWROUTE, None),
    ("route-4-throw", "ip route add throw default table 100", NEWROUTE, None),
    ("route-4-tos", "ip route add default via 192.0.2.1 tos 0x10 metric 9", NEWROUTE, None),
    ("route-6", "ip route add default via fe80::1 dev va metric 1024 pref high", NEWROUTE,
     "fe80::1"),
    ("route-6-low", "ip route add default via fe80::2 dev va metric 1025 pref low",
     NEWROUTE, "fe80::2"),
    ("route-6-eighth", "ip route add 2000::/3 dev tn", NEWROUTE, "2000::"),
    ("route-6-multipath", "ip -6 route add default metric 7 nexthop via fe80::3 dev va "
     "nexthop via fe80::4 dev vb", NEWROUTE, "fe80::4"),
    ("rule-main", "dump4", GETRULE, ("priority", 32766)),
    ("rule-suppress", "ip rule add pref 32764 lookup main suppress_prefixlength 0",
     NEWRULE, None),
    ("rule-not-mark", "ip rule add pref 32765 not fwmark 0xca6c lookup 51820", NEWRULE,
     None),
    ("rule-not-mark-gone", "ip rule del pref 32765", DELRULE, None),
    ("rule-mark-mask", "ip rule add pref 100 fwmark 0x80000/0xff0000 lookup 201", NEWRULE,
     None),
    ("rule-mark-zero", "ip rule add pref 101 fwmark 0/0xff lookup 201", NEWRULE, None),
    ("rule-from", "ip rule add pref 102 from 192.0.2.0/24 lookup 201", NEWRULE, None),
    ("rule-to", "ip rule add pref 103 not to 192.0.2.0/24 lookup 201", NEWRULE, None),
    ("rule-iif", "ip rule add pref 104 iif va lookup 201", NEWRULE, None),
    ("rule-iif-lo", "ip rule add pref 105 iif lo lookup 201", NEWRULE, None),
    ("rule-oif", "ip rule add pref 106 oif va lookup 201", NEWRULE, None),
    ("rule-uid", "ip rule add pref 107 uidrange 1000-1999 lookup 201", NEWRULE, None),
    ("rule-uid-all", "ip rule add pref 108 uidrange 0-4294967294 lookup 201", NEWRULE,
     None),
    ("rule-port", "ip rule add pref 109 ipproto udp dport 5351 lookup 201", NEWRULE, None),
    ("rule-tos", "ip rule add pref 110 tos 0x10 lookup 201", NEWRULE, None),
    ("rule-goto", "ip rule add pref 111 goto 32766", NEWRULE, None),
    ("rule-unreachable", "ip rule add pref 112 unreachable", NEWRULE, None),
    ("rule-nop", "ip rule add pref 113 nop", NEWRULE, None),
    ("rule-6-table", "ip -6 rule add pref 114 lookup 70000", NEWRULE, None),
    ("neigh-4", "ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev va", NEWNEIGH,
     "192.0.2.1"),
    ("neigh-6", "ip neigh add fe80::1 lladdr 02:00:00:00:00:06 dev va nud stale", NEWNEIGH,
     "fe80::1"),
    ("neigh-4-failed", "ip neigh replace 192.0.2.1 dev va nud failed", NEWNEIGH,
     "192.0.2.1"),
    ("neigh-4-gone", "ip neigh del 192.0.2.1 dev va", DELNEIGH, "192.0.2.1"),
    ("neigh-bridge", "ip link add name brg type bridge; ip link set vb master brg", NEWNEIGH, None),
    ("dump-links", "dumpall", GETLINK, None),
    ("dump-rules-6", "dumpall6", GETRULE, None),
]


def messages(datagram):
    while len(datagram) >= 16:
        length, kind = struct.unpack_from("=IH", datagram)
        yield kind, datagram[:length]
        datagram = datagram[(length + 3) & ~3:]


def needle(text):
    if text is None or isinstance(text, bytes):
        return text
    return ipaddress.ip_address(text).packed


def dump(kind, family):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("=IHHII", 32, kind, 0x301, 7, 0) + bytes([family]) + bytes(15))
        while True:
            datagram = s.recv(65536)
            yield datagram
            if any(k in (2, 3) for k, _ in messages(datagram)):
                return


def fits_dump(message, want):
    what, value = want
    if what == "priority":
        return struct.pack("=HHI", 8, 6, value) in message
    flags = message[18]
    if what == "temporary" and not flags & 0x01 or what == "failed" and not flags & 0x08:
        return False
    return ipaddress.ip_address(value).packed.rstrip(b"\0") in message[24:]


def record(step, listener):
    name, command, kind, want = step
    shell, _, tail = command.rpartition("dump")
    if "dump" in command:
        subprocess.run(shell or ":", shell=True, check=True)
        family = {"": 10, "4": 2, "all": 0, "all6": 10}[tail]
        datagrams = list(dump(kind, family))
        if tail.startswith("all"):
            return b"".join(datagrams)
        found = [m for d in datagrams for k, m in messages(d)
                 if k == kind - 2 and fits_dump(m, want)]
        return found[-1]
    subprocess.run(command, shell=True, check=True)
    found, deadline = None, time.monotonic() + 3
    while time.monotonic() < deadline and select.select([listener], [], [],
                                                        0.3 if found else 3)[0]:
        for k, m in messages(listener.recv(65536)):
            if k == kind and (want is None or needle(want) in m):
                found = m
    return found


def main():
    if len(os.listdir("/sys/class/net")) > 1 and os.path.exists("/proc/net/route"):
        with open("/proc/net/dev") as f:
            if len(f.readlines()) > 3:
                raise SystemExit("not in a fresh namespace: sudo unshare --net ...")
    subprocess.run(PREPARE, shell=True, check=True)
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    listener.bind((0, 0))
    for group in GROUPS:
        listener.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
    for step in STEPS:
        message = record(step, listener)
        while select.select([listener], [], [], 0.1)[0]:
            listener.recv(65536)
        if message is None:
            print("not seen:", step[0])
            continue
        with open(os.path.join(HERE, step[0] + ".bin"), "wb") as f:
            f.write(message)
        print(f"{step[0]:24} {len(message)} bytes")


main()

"""STUN messages with the standard library only, written from RFC 8489: what another author
would send natd, and how he would check its answers.

    m = Message()
    m.put(USERNAME, b"ann")
    m.sign(key, sha256=True)
    answer = Answer(s.recv(2048), key)
"""

import hashlib
import hmac
import ipaddress
import os
import struct
import zlib

COOKIE = 0x2112A442
MAPPED_ADDRESS, CHANGE_REQUEST, USERNAME, INTEGRITY, ERROR_CODE, UNKNOWN = 1, 3, 6, 8, 9, 10
REALM, NONCE, INTEGRITY_SHA256, PASSWORD_ALGORITHM, USERHASH = 0x14, 0x15, 0x1C, 0x1D, 0x1E
XOR_MAPPED_ADDRESS, PASSWORD_ALGORITHMS, SOFTWARE, FINGERPRINT = 0x20, 0x8002, 0x8022, 0x8028
RESPONSE_ORIGIN, OTHER_ADDRESS = 0x802B, 0x802C
MD5, SHA256 = 1, 2


def algorithms(*numbers):
    return b"".join(struct.pack("!HH", n, 0) for n in numbers)


def long_term_key(name, realm, password, algorithm):
    text = f"{name}:{realm}:{password}".encode()
    return (hashlib.md5 if algorithm == MD5 else hashlib.sha256)(text).digest()


def userhash(name, realm):
    return hashlib.sha256(f"{name}:{realm}".encode()).digest()


def _attribute(code, value):
    return struct.pack("!HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _hmac(data, key, sha256):
    """Of the message up to the attribute, with a length as if it ended with it."""
    digest = hashlib.sha256 if sha256 else hashlib.sha1
    length = len(data) - 20 + 4 + digest().digest_size
    return hmac.new(key, data[:2] + struct.pack("!H", length) + data[4:], digest).digest()


class Message:
    def __init__(self, kind=0x0001, ident=None):
        self.kind, self.ident, self.body = kind, ident or os.urandom(12), b""

    def put(self, code, value=b""):
        self.body += _attribute(code, value)
        return self

    def head(self, extra=0):
        return struct.pack("!HHI", self.kind, len(self.body) + extra, COOKIE) + self.ident

    def sign(self, key, sha256):
        code = INTEGRITY_SHA256 if sha256 else INTEGRITY
        return self.put(code, _hmac(self.head() + self.body, key, sha256))

    def seal(self):
        crc = zlib.crc32(self.head(8) + self.body) ^ 0x5354554E
        return self.put(FINGERPRINT, struct.pack("!I", crc))

    def bytes(self):
        return self.head() + self.body


class Answer:
    """.kind, .ident, .attributes: code -> value, the first of each; .signed: which integrity
    attribute was there and right."""

    def __init__(self, data, key=None):
        self.kind, length, cookie = struct.unpack("!HHI", data[:8])
        assert (length, cookie) == (len(data) - 20, COOKIE) and length % 4 == 0
        self.ident, self.attributes, self.signed, at = data[8:20], {}, None, 20
        while at < len(data):
            code, size = struct.unpack("!HH", data[at:at + 4])
            value = data[at + 4:at + 4 + size]
            assert len(value) == size
            if code in (INTEGRITY, INTEGRITY_SHA256):
                assert key and hmac.compare_digest(value, _hmac(data[:at], key, code == INTEGRITY_SHA256))
                self.signed = code
            if code == FINGERPRINT:
                assert at + 8 == len(data)
                assert struct.unpack("!I", value)[0] == zlib.crc32(data[:at]) ^ 0x5354554E
            self.attributes.setdefault(code, value)
            at += 4 + size + -size % 4

    @property
    def error(self):
        value = self.attributes.get(ERROR_CODE)
        return value[2] * 100 + value[3] if value else None

    def address(self, code):
        value = self.attributes[code]
        port, raw = struct.unpack("!H", value[2:4])[0], value[4:]
        if code == XOR_MAPPED_ADDRESS:
            port ^= COOKIE >> 16
            raw = bytes(a ^ b for a, b in zip(raw, struct.pack("!I", COOKIE) + self.ident))
        return str(ipaddress.ip_address(raw)), port

    @property
    def mapped(self):
        return self.address(XOR_MAPPED_ADDRESS)

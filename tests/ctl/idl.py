"""Reads a Varlink interface definition and checks JSON values against it."""

import re

TOKEN = re.compile(r"\s+|#[^\n]*|->|[A-Za-z][A-Za-z0-9_.-]*|\[\]|[?():,]")
INT64 = range(-(1 << 63), 1 << 63)


class Interface:
    """.methods name -> (input, output), .errors name -> struct, .types name -> type.

    A type is ("struct", {field: type}), ("enum", [words]), ("maybe", t), ("array", t)
    or the name of a type.
    """

    def __init__(self, text):
        self.tokens = self.tokenize(text)
        self.types, self.methods, self.errors = {}, {}, {}
        self.expect("interface")
        self.name = self.next()
        while self.tokens:
            kind, name = self.next(), self.next()
            if kind == "type":
                self.types[name] = self.body()
            elif kind == "error":
                self.errors[name] = self.body()
            else:
                assert kind == "method", kind
                given = self.body()
                self.expect("->")
                self.methods[name] = (given, self.body())

    @staticmethod
    def tokenize(text):
        tokens, at = [], 0
        while at < len(text):
            match = TOKEN.match(text, at)
            assert match, text[at:at + 40]
            at = match.end()
            if match[0][0] != "#" and not match[0].isspace():
                tokens.append(match[0])
        return tokens[::-1]

    def next(self):
        return self.tokens.pop()

    def expect(self, token):
        got = self.next()
        assert got == token, (got, token)

    def body(self):
        self.expect("(")
        fields, words = {}, []
        while self.tokens[-1] != ")":
            name = self.next()
            if self.tokens[-1] == ":":
                self.next()
                fields[name] = self.type()
            else:
                words.append(name)
            if self.tokens[-1] == ",":
                self.next()
        self.next()
        return ("enum", words) if words else ("struct", fields)

    def type(self):
        token = self.next()
        if token == "?":
            return ("maybe", self.type())
        if token == "[]":
            return ("array", self.type())
        return token

    def check(self, kind, value, where):
        """Raises AssertionError if the value is not of this type."""
        if kind in ("string", "int", "bool"):
            good = {"string": isinstance(value, str), "bool": isinstance(value, bool),
                    "int": type(value) is int and value in INT64}[kind]
            assert good, f"{where}: {value!r} is not {kind}"
        elif isinstance(kind, str):
            self.check(self.types[kind], value, where)
        elif kind[0] == "maybe":
            if value is not None:
                self.check(kind[1], value, where)
        elif kind[0] == "array":
            assert isinstance(value, list), where
            for i, item in enumerate(value):
                self.check(kind[1], item, f"{where}[{i}]")
        elif kind[0] == "enum":
            assert value in kind[1], f"{where}: {value!r} is not one of {kind[1]}"
        else:
            assert isinstance(value, dict), where
            unknown = value.keys() - kind[1].keys()
            assert not unknown, f"{where}: the interface has no {unknown}"
            for name, field in kind[1].items():
                self.check(field, value.get(name), f"{where}.{name}") \
                    if name in value else self.optional(field, f"{where}.{name}")

    @staticmethod
    def optional(kind, where):
        assert isinstance(kind, tuple) and kind[0] == "maybe", f"{where} is missing"

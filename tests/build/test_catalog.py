"""The message catalogue of the journal has what the code says, and nothing else."""

import re
import shutil

import pytest

ENTRY = re.compile(r"^-- ([0-9a-f]{32})\n((?:[\w-]+: .*\n)+)\n((?:(?!-- ).*\n)+)", re.M)


@pytest.fixture
def ids(top):
    return dict(re.findall(r'^#define MESSAGE_(\w+) "([0-9a-f]{32})"',
                           (top / "daemon/message.h").read_text(), re.M))


@pytest.fixture
def entries(top):
    text = (top / "systemd/natd.catalog").read_text()
    found = ENTRY.findall(text)
    assert len(found) == text.count("\n-- ")
    return {ident: (head, body) for ident, head, body in found}


def test_every_id_is_explained_once(ids, entries, top):
    assert len(ids) >= 10
    assert len(set(ids.values())) == len(ids)
    assert list(entries) == list(ids.values())


def test_every_id_is_used(ids, top):
    code = "".join(path.read_text() for path in (top / "daemon").glob("*.c"))
    assert [name for name in ids if not re.search(rf"\bMESSAGE_{name}\b", code)] == []


def test_entries_use_fields_that_the_log_has(entries, top):
    fields = set(re.findall(r'"(NATD_[A-Z_]+)"', (top / "daemon/log.h").read_text()))
    for head, body in entries.values():
        assert re.search(r"^Subject: .+$", head, re.M) and "Defined-By: natd\n" in head
        assert set(re.findall(r"@(\w+)@", head + body)) <= fields
        assert max(map(len, body.splitlines())) <= 80
        assert len(body.strip().split("\n\n")) >= 2, "what it means, and what to do"


def test_natd_8_names_the_fields(top):
    fields = set(re.findall(r'"(NATD_[A-Z_]+)"', (top / "daemon/log.h").read_text()))
    page = (top / "man/natd.8").read_text().split(".Ss Messages")[1].split(".Ss")[0]
    assert set(re.findall(r"NATD_[A-Z_]+(?!=)\b", page)) == fields


@pytest.mark.skipif(not shutil.which("journalctl"), reason="journalctl is not here")
def test_journalctl_reads_the_catalogue(run, entries, top, tmp_path):
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    shutil.copy(top / "systemd/natd.catalog", folder)
    run("journalctl", "--update-catalog", f"--root={tmp_path}")
    listed = run("journalctl", "--list-catalog", f"--root={tmp_path}").stdout
    assert {line.split()[0] for line in listed.splitlines()} == set(entries)

"""The manual pages are clean: mandoc finds nothing from warnings upwards."""

import shutil

import pytest


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not here")
def test_manual_pages_are_clean(run, top):
    pages = sorted((top / "man").glob("*.[1-8]"))
    assert pages
    done = run("mandoc", "-Tlint", "-Wwarning", *pages, check=False)
    assert (done.returncode, done.stdout) == (0, "")

"""What was taken in as it is: no more, no less, and unchanged."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import as_file, files

from koprogo_agent.fleet import pages

_LISTED = re.compile(r"^\| (\S+) \| .* \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_each_file_is_listed_with_its_checksum_and_used() -> None:
    """A change, a file that nobody names and one that nobody needs are all found."""
    with as_file(files(pages) / "static" / "vendor") as folder:
        listed = dict(_LISTED.findall((folder / "SOURCES.md").read_text("utf-8")))
        there = {path.name: path for path in folder.iterdir()}
        sums = {name: hashlib.sha256(there[name].read_bytes()).hexdigest() for name in listed}
    assert sums == listed
    licenses = {name for name in there if name.endswith("-LICENSE")}
    assert there.keys() == {*listed, *licenses, "SOURCES.md"}
    base = (files(pages) / "templates" / "base.html").read_text("utf-8")
    assert sorted(re.findall(r"/static/vendor/([^\"]+)", base)) == sorted(listed)

"""The table of `docs/security.md` and the rules of the proof name what there is, and all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.attacks.mutations import MUTATIONS
from tests.attacks.proof import ROOT

_DEFINED = re.compile(r"^def (test_\w+)", re.MULTILINE)
_NAMED = re.compile(r"`(test_\w+)`")


def _tests(folder: Path) -> set[str]:
    """The tests of a folder."""
    found = (_DEFINED.findall(path.read_text()) for path in folder.rglob("test_*.py"))
    return {name for names in found for name in names}


def test_the_table_names_every_attack_and_no_other() -> None:
    """Whoever adds a test adds its row."""
    named = set(_NAMED.findall((ROOT / "docs/security.md").read_text()))
    here = _tests(Path(__file__).parent) - set(_DEFINED.findall(Path(__file__).read_text()))
    assert named == here


def test_every_rule_of_the_proof_is_where_it_is_looked_for() -> None:
    """Each text once, and each test: a proof that can no longer be carried out proves nothing."""
    lost = [
        (one.name, edit.file)
        for one in MUTATIONS
        for edit in one.edits
        if (ROOT / edit.file).read_text().count(edit.old) != 1
    ]
    assert lost == []
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS)
    tests = sorted({test for one in MUTATIONS for test in one.tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

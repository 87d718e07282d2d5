"""The proof that no rule is idle: each is taken out in turn, and its tests must fail.

    python -m tests.attacks.proof [NAME…]

Names choose the rules whose names hold one of them; without any it is all of them, which takes
about half an hour. The rules are taken out of a copy of the source tree; first, with all of them in
it, every test must pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.attacks.mutation import Mutation
from tests.attacks.mutations import MUTATIONS

ROOT = Path(__file__).parents[2]
LOG = Path(tempfile.gettempdir()) / "koprogo-proof.log"
SECONDS = 600
TRIES = 3
"""A lab that could not be brought up proves nothing; it is tried again."""
WHERE = "import koprogo_agent, tests.lab; print(koprogo_agent.__file__, tests.lab.__file__)"


class Fate(StrEnum):
    """What became of the tests of a rule."""

    FAILED = "yes"
    SURVIVED = "no"
    BROKEN = "could not run"


@dataclass(frozen=True)
class Result:
    """How often tests ended how, and in how many seconds."""

    tests: int
    failures: int
    errors: int
    seconds: float

    @property
    def fate(self) -> Fate:
        """What it says of a rule that was taken out: every one of its tests must fail."""
        if self.errors or not self.tests:
            return Fate.BROKEN
        return Fate.FAILED if self.failures == self.tests else Fate.SURVIVED


class Copy:
    """The source tree as it is, committed or not, at another place.

    Attributes:
        log: everything that pytest printed there.
    """

    def __init__(self, folder: Path) -> None:
        """Copies it, and makes sure that the copy is what is run."""
        self._folder = folder
        self.log = folder / "pytest.log"
        listed = _run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT)
        for name in listed.split("\0"):
            if name and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        found = _run([sys.executable, "-c", WHERE], Path("/"), self._environment).split()
        if not all(Path(one).is_relative_to(folder) for one in found):
            raise SystemExit(f"not the copy, but {found} would be tested")

    def test(self, names: Sequence[str]) -> Result:
        """Runs tests; again where they could not be begun."""
        for _ in range(TRIES):
            result = self._test(names)
            if not result.errors and result.tests:
                break
        return result

    def without(self, mutation: Mutation) -> Result:
        """Runs a rule's tests while it is taken out."""
        files = {self._folder / edit.file for edit in mutation.edits}
        before = {path: path.read_bytes() for path in files}
        try:
            for edit in mutation.edits:
                edit.apply(self._folder)
            return self.test(sorted(mutation.tests, key=_place))
        finally:
            for path, content in before.items():
                path.write_bytes(content)

    @property
    def _environment(self) -> dict[str, str]:
        # What this shell tells git is no part of any test, with or without a rule.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return {**kept, "PYTHONPATH": str(self._folder)}

    def _test(self, names: Sequence[str]) -> Result:
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *options, *names]
        began = time.monotonic()
        with self.log.open("ab") as log:
            subprocess.run(
                command,
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                timeout=SECONDS,
                check=False,
            )
        return _read(report, time.monotonic() - began)


def main(chosen: Sequence[str]) -> int:
    """Prints the table; 1 if a rule could be taken out unnoticed."""
    mutations = [one for one in MUTATIONS if not chosen or any(word in one.name for word in chosen)]
    with tempfile.TemporaryDirectory(prefix="koprogo-proof-") as folder:
        copy = Copy(Path(folder))
        fates = [_show(copy, one) for one in mutations] if _all_pass(copy, mutations) else []
        shutil.copy2(copy.log, LOG)
    noticed = fates.count(Fate.FAILED)
    _print(f"\n{noticed} of {len(mutations)} rules are noticed when they are missing; log: {LOG}")
    return int(noticed != len(mutations))


def _all_pass(copy: Copy, mutations: Sequence[Mutation]) -> bool:
    """Whether every test passes while all rules are there, file by file."""
    names = sorted({name for one in mutations for name in one.tests}, key=_place)
    good = True
    for file, tests in groupby(names, lambda name: name.partition("::")[0]):
        result = copy.test(list(tests))
        passes = bool(result.tests) and not result.failures and not result.errors
        good = good and passes
        _print(
            f"{'passes' if passes else 'FAILS':<8}{file}  {result.tests}  {result.seconds:.0f} s"
        )
    return good


def _place(test: str) -> tuple[str, int, str]:
    """Where a test is written: those of a module share a lab, and come in this order."""
    file, _, name = test.partition("::")
    return file, (ROOT / file).read_text().index(f"def {name.partition('[')[0]}("), name


def _show(copy: Copy, mutation: Mutation) -> Fate:
    result = copy.without(mutation)
    head = f"{result.fate:<14}{mutation.name:<34}{result.seconds:>4.0f} s"
    for number, test in enumerate(mutation.tests):
        _print(f"{head if number == 0 else '':<54}  {test.removeprefix('tests/')}")
    return result.fate


def _read(report: Path, seconds: float) -> Result:
    if not report.exists():
        return Result(0, 0, 1, seconds)
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest's own
    if suite is None:
        return Result(0, 0, 1, seconds)
    tests, failures, errors = (int(suite.get(one, "0")) for one in ("tests", "failures", "errors"))
    return Result(tests, failures, errors, seconds)


def _run(command: Sequence[str], cwd: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Listens to a real daemon: its log, and the words of every program that it, or one of its, runs.

The agent's own children are seen by Python's audit hooks, in the daemon itself; theirs by looking
at /proc as often as this machine allows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.attacks.field import CODE
from tests.instance import Instance

_HOOK = """
import os, sys

def hear(event, told):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        with open({path!r}, "ab", 0) as out:
            out.write(repr(told[:2]).encode() + b"\\n")

sys.addaudithook(hear)
"""


@dataclass
class Heard:
    """What was heard.

    Attributes:
        log: what the daemon wrote about itself.
        programs: the words of every program that was run.
    """

    log: str = ""
    programs: set[str] = field(default_factory=set)


@contextmanager
def daemon(instance: Instance, folder: Path, *words: str) -> Iterator[Heard]:
    """Runs `koprogo-agent run` inside of the block; what was heard is complete after it."""
    heard, argv, log = Heard(), folder / "argv", folder / "log"
    (folder / "sitecustomize.py").write_text(_HOOK.format(path=str(argv)))
    environment = {**instance.environment, "PYTHONPATH": f"{folder}:{CODE}"}
    program = Path(sys.executable).parent / "koprogo-agent"
    ended = threading.Event()
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [program, "run", *words], env=environment, stdout=out, stderr=out
        ) as process,
    ):
        looking = threading.Thread(target=_look, args=(process.pid, heard.programs, ended))
        looking.start()
        try:
            yield heard
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
            ended.set()
            looking.join()
    heard.log = log.read_text()
    heard.programs.update(argv.read_text().splitlines())
    assert code == 0, heard.log


def _look(ancestor: int, programs: set[str], ended: threading.Event) -> None:
    family = {ancestor}
    while not ended.wait(0.002):
        # Not by pathlib, with which most of the looking would be at processes of others.
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):  # noqa: PTH208
            if pid > ancestor or pid in family:
                _note(Path("/proc", str(pid)), family, programs)


def _note(entry: Path, family: set[int], programs: set[str]) -> None:
    try:
        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        if parent in family or int(entry.name) in family:
            family.add(int(entry.name))
            programs.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    except (OSError, ValueError):
        return  # it has ended meanwhile

"""Draws the README's pictures of a terminal from a recording of the demo.

COLUMNS=100 script -qec "stty cols 100; make demo" demo.log
.venv/bin/python -m tests.demo.drawing demo.log docs/pictures
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.demo.story import BROKEN, WHAT_A_CLIENT_SAW

WIDTH = 100
_ERASED = re.compile(r"^.*(?:\r|\x1b\[2K)", re.DOTALL)
_CURSOR = re.compile(r"\x1b\[\??[0-9;]*[A-HJKhlsu]")
_TURNING = re.compile("[\u2800-\u28ff]")
"""Signs of progress, which the terminal has replaced since."""
_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
_FONT_ELSEWHERE = re.compile(r"\n\s*@font-face \{.*?\}", re.DOTALL)
"""Rich's own font comes from another host: each reader of the README would ask it."""
_RULE = "───"
_TABLE_ENDS = "└"


def main() -> int:
    """Draws both; 2 where the recording is of something else."""
    recording, folder = Path(sys.argv[1]), Path(sys.argv[2])
    lines = what_stays(recording.read_bytes().decode(errors="replace"))
    acts = [number for number, line in enumerate(lines) if BROKEN in line and _RULE in line]
    tables = [number for number, line in enumerate(lines) if WHAT_A_CLIENT_SAW in line]
    if not acts or not tables:
        sys.stderr.write(f"{recording} is no recording of the whole demo\n")
        return 2
    act, table = lines[acts[0] + 1 :], lines[tables[0] :]
    end = next(number for number, line in enumerate(act) if _RULE in line)
    last = next(number for number, line in enumerate(table) if _TABLE_ENDS in line)
    draw(act[:end], folder / "rollback.svg")
    draw(table[: last + 2], folder / "counted.svg")
    return 0


def what_stays(recording: str) -> list[str]:
    """The lines that a terminal shows in the end, with their colours."""
    shown = (_ERASED.sub("", line.rstrip("\r")) for line in recording.split("\n"))
    clean = (_CURSOR.sub("", line).rstrip() for line in shown)
    return [line for line in clean if not _TURNING.search(line)]


def draw(lines: list[str], file: Path) -> None:
    """Draws lines as a terminal shows them."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    text = "\n".join(line for line in lines if line)
    console.print(Text.from_ansi(text))
    drawn = _FONT_ELSEWHERE.sub("", console.export_svg(title="koprogo-agent"))
    file.write_text(drawn.replace("Fira Code, monospace", _FONTS), "utf-8")


if __name__ == "__main__":
    sys.exit(main())

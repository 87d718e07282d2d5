"""`koprogo-agent config migrate`: the configuration as this version writes it."""

from __future__ import annotations

import os

from koprogo_agent import __version__, places
from koprogo_agent.cli import render
from koprogo_agent.cli.exits import NOT_ROOT
from koprogo_agent.cli.options import ConfigPath
from koprogo_agent.errors import NeedsOperator


def migrate(config: ConfigPath = None) -> None:
    """Write what is of an older version as this one writes it; comments and order stay."""
    from koprogo_agent.setup.forward import carry_forward  # noqa: PLC0415 - tomlkit, for once

    file = places.locate(config)
    folder = file.resolve().parent
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise NeedsOperator(
            f"this user may not write to {folder}",
            code=NOT_ROOT,
            advice="type the same behind sudo",
        )
    done = carry_forward(file)
    if done is None:
        render.line(f"nothing to do: {file} is written as {__version__} writes it")
        return
    for edit in done.edits:
        render.line(f"  {edit.said}")
    render.line(f"written: {file}")
    render.line(f"as it was before: {done.kept}")

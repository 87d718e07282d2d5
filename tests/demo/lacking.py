"""What of the demo cannot be shown on this machine, and what to type to see it."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

_NAME = re.compile(r"[A-Za-z0-9._-]+")
BROWSER = "chromium"


def no_dashboard() -> str:
    """Why the association's dashboard is left out; an empty string where it is not."""
    wanted = [
        one.partition(";")[0].strip()
        for one in requires("koprogo-agent") or []
        if "extra == 'fleet'" in one
    ]
    absent = [one for one in wanted if not _is_here(one)]
    if not absent:
        return ""
    return (
        "Python packages of the fleet server are not here; to see it, type:\n"
        f"  {sys.executable} -m pip install {shlex.join(absent)}"
    )


def no_pictures() -> str:
    """Why no pictures of it are taken; an empty string where they are."""
    if find_spec("playwright") is None:
        return (
            "the Python package playwright is not here; to have them, type:\n"
            f"  {sys.executable} -m pip install playwright"
        )
    if shutil.which(BROWSER) is None:
        return f"there is no {BROWSER}; to have them, as root: apt-get install {BROWSER}"
    return ""


def _is_here(requirement: str) -> bool:
    name = _NAME.match(requirement)
    assert name is not None, requirement
    try:
        return bool(version(name[0]))
    except PackageNotFoundError:
        return False

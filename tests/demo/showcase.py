"""The README's pictures of the dashboard: a simulated fleet, ten minutes after a release.

`make pictures` runs it; what the demo itself shows is too small a fleet to look at.
"""

from __future__ import annotations

import secrets
import sys
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.demo.dashboard import WHO, ZONE, census
from tests.demo.pictures import take
from tests.demo.visit import Visit
from tests.fleet.servers import NO_LIMITS, Fleet
from tests.lab.processes import Daemon, wait_until

_INSTANCES = 400
_OLD, _NEW = "v1.4.0", "v1.4.1"
_SHARES = ("--failing", "0.03", "--waiting", "0.03", "--silent", "0.01")
_NOTICE = timedelta(minutes=1)
"""From the first minute to the release."""
_MIDDLE = timedelta(minutes=7)
"""From the release to a minute at which many have it, and many have not."""
_TALLEST = 1240
"""Pixels: as high as they are wide."""
_WARM, _OVER = 60.0, 900.0
"""Seconds within which all are known, and the release is where it can come to."""


def main(folder: Path) -> None:
    """Takes them."""
    with TemporaryDirectory() as name:
        server = Fleet(
            f"sqlite:///{name}/fleet.db", Path(name), {"TIMEZONE": ZONE.key, **NO_LIMITS}
        )
        server.start()
        try:
            _show(server, folder)
        finally:
            server.stop()


def _show(server: Fleet, folder: Path) -> None:
    password = secrets.token_urlsafe(12)
    server.type("user", WHO, answers=f"{password}\n")
    simulation = Daemon(_simulation(server.url), server.folder / "simulated", server.environment)
    try:
        simulation.wait_ready(lambda: sum(census(server).values()) == _INSTANCES, _WARM)
        published = datetime.now(ZONE) + _NOTICE
        old = published - timedelta(days=9)
        server.type("release", _OLD, "--published", old.isoformat())
        server.type("release", _NEW, "--published", published.isoformat())
        wait_until(lambda: _is_over(server), _OVER, "the end of the rollout", 1)
        then = published + _MIDDLE
        for file in take(Visit(server.url, WHO, password, _NEW, then), folder, _TALLEST):
            print(file)  # noqa: T201 - for whoever typed make pictures
    finally:
        simulation.stop()


def _simulation(url: str) -> list[str]:
    program = str(Path(sys.executable).parent / "koprogo-fleet")
    minute = str(_NOTICE / timedelta(minutes=1))
    words = ("--instances", str(_INSTANCES), "--warm", "--minutes", "30", "--url", url)
    return [
        program,
        "simulate",
        *words,
        "--from",
        _OLD,
        "--release",
        _NEW,
        "--at",
        minute,
        *_SHARES,
    ]


def _is_over(server: Fleet) -> bool:
    """Whether hardly anybody is still at it."""
    counted = census(server)
    busy = sum(number for (_, state), number in counted.items() if state == "updating")
    return busy < _INSTANCES / 100 and counted.get((_NEW, "current"), 0) > _INSTANCES / 2


if __name__ == "__main__":
    main(Path(sys.argv[1]))

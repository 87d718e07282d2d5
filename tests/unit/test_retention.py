"""Which backups go: the oldest of each sort, and never one made by hand."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.ports import Dump
from koprogo_agent.settings.sections import Backup
from koprogo_agent.update.retention import DAILY, MANUAL, UPDATE, superfluous

SORTS = st.lists(st.sampled_from([DAILY, UPDATE, MANUAL]), max_size=40)


@given(SORTS, st.integers(1, 9), st.integers(1, 9))
def test_superfluous(sorts: list[str], daily: int, updates: int) -> None:
    """The newest so many of each sort stay."""
    dumps = [
        Dump(Path(f"/backups/{number:04}-{sort}-v1.0.0.dump"), 1, "")
        for number, sort in enumerate(sorts)
    ]
    settings = Backup(keep_daily=daily, keep_updates=updates)
    gone = set(superfluous(dumps, settings))
    for sort, keep in ((DAILY, daily), (UPDATE, updates), (MANUAL, len(dumps))):
        of_sort = [dump for dump in dumps if dump.label.startswith(sort)]
        stays = [dump for dump in of_sort if dump not in gone]
        assert stays == of_sort[-keep:]


def test_what_cannot_be_restored_pushes_nothing_out() -> None:
    """The newest that can be restored stay, and of the others the newest one."""
    dumps = [
        Dump(Path(f"/backups/{number:04}-update-{number}-v1.0.0.dump"), 1, "", why)
        for number, why in enumerate(("", "", "", "no relation", "no relation", "no relation"))
    ]
    gone = set(superfluous(dumps, Backup(keep_updates=2)))
    assert [one for one in dumps if one not in gone] == [dumps[1], dumps[2], dumps[5]]

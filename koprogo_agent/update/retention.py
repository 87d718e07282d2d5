"""Which backups are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from koprogo_agent.ports import Dump
from koprogo_agent.settings.sections import Backup

DAILY = "daily"
UPDATE = "update"
MANUAL = "manual"


def superfluous(dumps: Sequence[Dump], settings: Backup) -> Iterable[Dump]:
    """The backups that go: all but the newest few of each sort. Those made by hand all stay.

    Those that cannot be restored push none out that can be, and of them only the newest stays: by
    hand its data can still be read.
    """
    for sort, keep in ((DAILY, settings.keep_daily), (UPDATE, settings.keep_updates)):
        of_sort = [dump for dump in dumps if dump.label.startswith(f"{sort}-")]
        yield from [dump for dump in of_sort if not dump.unrestorable][:-keep]
        yield from [dump for dump in of_sort if dump.unrestorable][:-1]

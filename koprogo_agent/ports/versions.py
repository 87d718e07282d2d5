"""The agent's own versions on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from koprogo_agent.domain.succession import Trial


class Versions(Protocol):
    """The agent's home: its versions, and which of them runs.

    Every change is durable before a method returns.
    """

    @property
    def own(self) -> str:
        """The version that this process runs from."""

    @property
    def current(self) -> str | None:
        """The version that is started next, or None where that cannot be read."""

    @property
    def trial(self) -> Trial | None:
        """What is written of a trial, or None."""

    @property
    def put_aside(self) -> frozenset[str]:
        """The versions that failed here, by the word of the rescue too; none is tried again."""

    def room(self, version: str) -> Path:
        """An empty folder for a version that is to be brought here."""

    def assemble(self, version: str) -> None:
        """Makes the version's environment out of the wheels in its folder.

        Raises:
            StepFailed: they do not fit together, or not this machine (code `agent.assemble`).
        """

    def try_out(self, version: str, journal: Path) -> None:
        """Has the version itself look whether it can work here, with the operator's configuration.

        Args:
            version: one that was assembled.
            journal: a copy of the journal, which it may change.

        Raises:
            StepFailed: it cannot, or it did not end in time (code `agent.unfit`).
        """

    def begin_trial(self, new: str) -> None:
        """The new version is started next, and this one again if it is not blessed."""

    def bless(self, old: str) -> None:
        """This version stays; the one before is kept, and none besides."""

    def step_back(self, old: str) -> None:
        """This version ends its trial by itself: the one before is started next."""

    def end_trial(self) -> None:
        """There is no trial any more; none already is success."""

    def forget(self, version: str) -> None:
        """Removes a version that does not run; absent already is success."""


class ImageContents(Protocol):
    """What lies in an image, taken out without running it."""

    def unpack(self, reference: str, folder: str, target: Path) -> None:
        """Copies the files below a folder of a local image, durable before it returns.

        Raises:
            StepFailed: what is there is no tree of plain files, or too large (code
                `image.contents`).
            RetryLater: the engine does not answer.
        """

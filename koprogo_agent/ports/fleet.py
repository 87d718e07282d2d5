"""The association's fleet server, as an instance sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from koprogo_agent.wire.answer import Answer, Rejection


class Fleet(Protocol):
    """Takes reports. Whatever it is or says, nothing else may depend on it."""

    def instance(self) -> str:
        """This instance's random name, made with its key the first time.

        Raises:
            NeedsOperator: the key can be neither read nor made (code `fleet.identity`).
        """

    def signature(self, body: bytes) -> Mapping[str, str]:
        """The header fields with which a report would be sent now.

        Raises:
            NeedsOperator: as `instance`.
        """

    def send(self, body: bytes) -> Answer | Rejection:
        """Sends a report, and gives what the server says to it.

        Raises:
            RetryLater: the server does not answer (code `fleet.unreachable`), or not as it should
                (`fleet.failed`).
            NeedsOperator: as `instance`.
        """

    def forget(self) -> Rejection | None:
        """Asks the server to erase what it keeps of this instance; None when it has.

        Then its key is gone, too: whoever reports again is another instance.

        Raises:
            RetryLater: as `send`.
            NeedsOperator: as `instance`.
        """

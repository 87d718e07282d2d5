"""Whether the server can be reached at the address that instances report to, as seen from itself.

When nothing comes any more, this tells a fault of ours (proxy, certificate, name) from a fleet that
went silent.
"""

from __future__ import annotations

from http import HTTPStatus

import httpx

EVERY = 60.0
_SECONDS = 10.0


class SelfCheck:
    """Asks for the server's own health, from outside where that can be.

    Attributes:
        fault: why it could not be reached, or an empty string.
    """

    def __init__(self, public_url: str) -> None:
        self._address = f"{public_url}/healthz"
        self.fault = ""

    async def look(self) -> None:
        """Asks once."""
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.get(self._address)
        except httpx.HTTPError as error:
            self.fault = str(error) or type(error).__name__
            return
        fine = answer.status_code == HTTPStatus.OK
        self.fault = "" if fine else f"it answers {answer.status_code}"

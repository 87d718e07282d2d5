"""An instance as the fleet sees it: a key, a number that rises, and what it says."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from koprogo_agent.fleet.domain.instances import Instance, first
from koprogo_agent.wire import INSTANCES, REPORTS
from koprogo_agent.wire.report import Report, StateName, Transition, encode, instance_of
from koprogo_agent.wire.signing import Request, sign

_SECONDS = 30.0


class Said(NamedTuple):
    """What the server answered."""

    status: int
    document: dict[str, Any]

    @property
    def code(self) -> str:
        """Why it was not taken."""
        return str(self.document["code"])


@dataclass
class Machine:
    """One instance.

    Attributes:
        url: the fleet's address.
        key: its own.
        sequence: number of its last report.
        run: of the agent.
    """

    url: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sequence: int = 1_795_000_000
    run: str = "0" * 16

    @property
    def name(self) -> str:
        """Its random name."""
        return instance_of(self.key.public_key().public_bytes_raw())

    def report(self, **members: Any) -> Report:  # noqa: ANN401 - of a report
        """The next one; what it holds may be said otherwise."""
        self.sequence += 1
        told: dict[str, Any] = {
            "instance": self.name,
            "sequence": self.sequence,
            "run": self.run,
            "agent": "0.1.0",
            "state": StateName.CURRENT,
            "channel": "stable",
            "installed": "v1.0.0",
        }
        return Report(**(told | members))

    def request(self, body: bytes, now: datetime | None = None) -> Request:
        """A signed report with this content."""
        request = Request("POST", self.url + REPORTS, body)
        sign(request, self.key, now or datetime.now(UTC))
        return request

    def says(self, **members: Any) -> Said:  # noqa: ANN401 - of a report
        """Sends the next report."""
        return send(self.request(encode(self.report(**members))))

    def leaves(self) -> Said:
        """Asks to be forgotten."""
        request = Request("DELETE", f"{self.url}{INSTANCES}/{self.name}")
        sign(request, self.key, datetime.now(UTC))
        return send(request)


def heard(number: int, at: int, **stand: Any) -> Instance:  # noqa: ANN401 - of a stand
    """An instance of which the first report came at a moment."""
    report = Report(
        instance=f"{number:032x}",
        sequence=1,
        run="0" * 16,
        agent="0.1.0",
        state=StateName.CURRENT,
        channel="stable",
        installed="v1.0.0",
    )
    made = first(report, at).instance
    return replace(made, stand=replace(made.stand, **stand))


def transition(number: int, **members: Any) -> Transition:  # noqa: ANN401 - of a transition
    """Something that has changed."""
    told: dict[str, Any] = {
        "number": number,
        "at": 1_795_000_000 + number,
        "state": StateName.CURRENT,
        "agent": "0.1.0",
        "installed": "v1.0.0",
    }
    return Transition(**(told | members))


def send(request: Request) -> Said:
    """Sends whatever it is, and gives what is answered."""
    asked = urllib.request.Request(  # noqa: S310 - a server of ours
        request.url, request.body or None, request.headers, method=request.method
    )
    try:
        with urllib.request.urlopen(asked, timeout=_SECONDS) as answer:  # noqa: S310
            return Said(answer.status, json.loads(answer.read() or b"{}"))
    except urllib.error.HTTPError as error:
        with error:
            return Said(error.code, json.loads(error.read() or b"{}"))

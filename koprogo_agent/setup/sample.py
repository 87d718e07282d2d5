"""A report as it might be: what people see before they decide whether to send any."""

from __future__ import annotations

import json

from koprogo_agent import __version__
from koprogo_agent.wire.report import (
    Operation,
    Pending,
    Report,
    StateName,
    Transition,
    encode,
)

_NOON = 1_795_694_400
_OPERATION = Operation(
    kind="update",
    tag="v1.2.0",
    outcome="rolled_back",
    began=_NOON - 90,
    ended=_NOON,
    seen=_NOON - 120,
    step="gate",
    code="gate.failed",
    waited_ms=8_700,
    turned_away=0,
    away_ms=0,
)
_REPORT = Report(
    instance="0123456789abcdef" * 2,
    sequence=_NOON + 41,
    run="0123456789abcdef",
    agent=__version__,
    state=StateName.ROLLED_BACK,
    channel="stable",
    installed="v1.1.0",
    digest="0123456789abcdef" * 4,
    operation=_OPERATION,
    pending=Pending(
        tag="v1.2.0", gate="quarantine", step="gate", code="gate.failed", until=_NOON + 3600
    ),
    polled=_NOON + 60,
    transitions=(
        Transition(
            number=_NOON,
            at=_NOON,
            state=StateName.ROLLED_BACK,
            agent=__version__,
            installed="v1.1.0",
            operation=_OPERATION,
            down=_NOON - 20,
        ),
    ),
    down=_NOON - 20,
    fault="container.restarting",
    token="a-token-of-the-association",  # noqa: S106 - an example of one
)


def sample() -> str:
    """One with every member that there is, over several lines."""
    return json.dumps(json.loads(encode(_REPORT)), indent=2)

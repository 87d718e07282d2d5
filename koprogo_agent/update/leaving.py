"""When an operation may be left by a person or the daemon, to be gone on with later."""

from __future__ import annotations

from koprogo_agent.domain.plan import Action, Step

_USERS_WAIT = frozenset({Step.HOLD, Step.POINT, Step.RESTORE, Step.MIGRATE, Step.SWITCH, Step.GATE})


def may_leave(last: Action | None) -> bool:
    """Whether an operation may be left after this action.

    The journal would allow it anywhere. But behind these steps users are shut out, or served by
    what has not passed the gate yet, and where no daemon runs nobody would come to their help.
    """
    return last is None or last.step not in _USERS_WAIT

"""An agent that may be killed, or kills itself: `python -m tests.crashing VERB [INSTANT]`.

VERB is `update`, as somebody types it, or `tick`, as the daemon does when it starts. At INSTANT,
such as `back before switch`, it gets the signal that nobody can catch. It prints the instants that
it passes, so that another process may choose one between them.
"""

from __future__ import annotations

import os
import signal
import sys

from koprogo_agent.settings import load
from koprogo_agent.update.requests import Requests
from koprogo_agent.wiring import open_agent
from tests.instance import Seen

BEGUN = "begun"


def main(verb: str, instant: str) -> None:
    """Acts, until it is done or killed."""
    seen = Seen()
    with open_agent(load(None), seen, lambda: False) as agent, agent.lock():

        def die(boundary: str, action: str) -> None:
            live = agent.engine.journal.live()
            passed = f"{live.state.course} {boundary} {action}" if live is not None else ""
            sys.stdout.write(f"{passed}\n")
            sys.stdout.flush()
            if passed and passed == instant:
                os.kill(os.getpid(), signal.SIGKILL)

        seen.at = die
        sys.stdout.write(f"{BEGUN}\n")
        sys.stdout.flush()
        if verb == "tick":
            agent.engine.tick()
        else:
            Requests(agent.engine).update(None)


if __name__ == "__main__":
    main(sys.argv[1], "".join(sys.argv[2:]))

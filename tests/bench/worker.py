"""The agent in a process of its own, open as the daemon has it: one tick for each line it reads.

Run as `python -m tests.bench.worker`; configured by the environment, as the agent is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from koprogo_agent import logs
from koprogo_agent.settings import load
from koprogo_agent.wiring import open_agent
from tests.instance import Seen


def main() -> None:
    """Ticks until the input ends; each answer is a line of JSON."""
    settings = load(Path(os.environ["KOPROGO_AGENT_CONFIG"]))
    logs.configure("error")
    seen = Seen()
    with open_agent(settings, seen, lambda: False) as agent:
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            seen.seconds.clear()
            seen.facts.clear()
            began = time.monotonic()
            with agent.lock():
                ran = agent.engine.tick()
            answer = {
                "seconds": time.monotonic() - began,
                "outcome": str(ran.outcome) if ran else "",
                "cause": str(ran.operation.state.cause) if ran else "",
                "steps": seen.seconds,
                "facts": seen.facts,
            }
            print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    main()

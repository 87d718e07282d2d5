"""The program that sends one message: `adapters.notify` starts it, and nobody imports it.

It needs none of what the daemon is made of, and starts twice as fast without.
"""

from __future__ import annotations

import json
import sys

import apprise


def main() -> int:
    """Sends the message on standard input; prints the numbers of the addresses that failed."""
    message = json.load(sys.stdin)
    failed = []
    for number, url in enumerate(message["urls"], start=1):
        channel = apprise.Apprise()
        if not (channel.add(url) and channel.notify(message["body"], message["title"])):
            failed.append(str(number))
    sys.stdout.write(" ".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

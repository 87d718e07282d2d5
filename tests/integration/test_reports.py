"""An instance and its fleet server: what is heard, and that nothing depends on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.pace import Pace
from koprogo_agent.wire.report import instance_of
from koprogo_agent.wire.signing import Request, verify
from tests.fleets import Doing, Server, saying, silent, taking
from tests.instance import Instance
from tests.lab.recipes import Kind
from tests.scenes import installed, writer
from tests.services import PROMPT, service

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> Iterator[Server]:
    """One that takes every report."""
    with Server() as served:
        served.does = taking()
        yield served


@pytest.fixture
def reporting(instance: Instance, server: Server) -> Instance:
    """Its operator wants the association to know."""
    return instance.changed(
        source={"interval": 1},
        rehearsal={"when": "never"},
        fleet={"reports": True, "url": server.url},
    )


def said(instance: Instance, code: Exit, *words: str) -> str:
    """Types a verb of `report`, and gives what was printed; never a traceback."""
    done = instance.type("report", *words)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout if code is Exit.DONE else done.stderr


def told(server: Server) -> list[dict[str, Any]]:
    """Every transition that was told, in the order in which they happened."""
    seen = {
        one["number"]: one
        for request in server.seen
        for one in json.loads(request.body)["transitions"]
    }
    return [seen[number] for number in sorted(seen)]


def has_ended(server: Server, tag: str) -> bool:
    """Whether it was told that an operation with this release has ended."""
    return tag in {one["operation"]["tag"] for one in told(server) if "operation" in one}


def test_nobody_is_told_unless_it_was_chosen(instance: Instance, server: Server) -> None:
    """And whoever asks is shown what would be said, and how to choose it."""
    unasked = instance.changed(source={"interval": 1}, fleet={"url": server.url})
    with service(unasked) as daemon:
        daemon.wait_for("STATUS=current")
        daemon.stop()
    assert json.loads(said(unasked, Exit.DONE, "show"))["installed"] == installed(instance)
    assert "reports = true" in said(unasked, Exit.OPERATOR, "send")
    assert server.seen == []


def test_what_is_shown_is_what_is_sent(reporting: Instance, server: Server) -> None:
    """With a signature that holds; the number alone is another."""
    lines = said(reporting, Exit.DONE, "show", "--signed").splitlines()
    headers = dict(line.split(": ", 1) for line in lines[:-1])
    shown = Request("POST", f"{server.url}/api/v1/reports", lines[-1].encode(), headers)
    name = instance_of(verify(shown, datetime.now(UTC)))
    assert "has taken the report" in said(reporting, Exit.DONE, "send")
    sent = json.loads(server.seen[-1].body)
    assert sent["instance"] == name
    assert {**json.loads(lines[-1]), "sequence": 0, "transitions": []} == {
        **sent,
        "sequence": 0,
        "transitions": [],
    }


def test_an_update_is_heard_as_it_happens(reporting: Instance, server: Server) -> None:
    """That it began, that the release runs, and how it ended; status and doctor know of it."""
    with service(reporting) as daemon:
        server.wait_for(1)
        release = reporting.lab.publisher.publish(Kind.GOOD)
        daemon.wait_for(f"STATUS=current: {release.tag}")
        daemon.wait(lambda: has_ended(server, release.tag), "the end of it to be told")
        daemon.stop()
    began, runs, ended = told(server)[-3:]
    assert (began["state"], began["installed"]) != (runs["state"], runs["installed"])
    assert (runs["state"], runs["installed"]) == ("updating", release.tag)
    assert (ended["state"], ended["operation"]["outcome"]) == ("current", "committed")
    assert ended["operation"]["tag"] == release.tag
    assert "\n  reports" in reporting.type("status").stdout
    assert "✓ reports" in reporting.type("doctor").stdout


def test_a_release_that_fails_is_heard_with_the_reason(reporting: Instance, server: Server) -> None:
    """In codes, without the words of the machine."""
    with service(reporting) as daemon:
        server.wait_for(1)
        release = reporting.lab.publisher.publish(Kind.BROKEN_AT_START)
        daemon.wait(lambda: has_ended(server, release.tag), "the end of it to be told")
        daemon.stop()
    last = json.loads(server.seen[-1].body)
    assert last["operation"]["outcome"] == "cancelled"  # found beside the old version
    assert (last["pending"]["tag"], last["pending"]["gate"]) == (release.tag, "quarantine")
    everything = b"".join(request.body for request in server.seen).decode()
    assert reporting.lab.name not in everything
    assert str(reporting.root) not in everything


@pytest.mark.parametrize("does", [silent, saying(500), saying(302, b"", Location="/")])
def test_whatever_the_server_does_updates_go_on(
    reporting: Instance, server: Server, does: Doing
) -> None:
    """Neither an update nor users wait for it, and the agent stops at once.

    A server that takes no report is left alone between two attempts. How many fit into an update
    depends on the machine, the pause between them does not.
    """
    server.does = does
    with writer(reporting.lab.stack), service(reporting) as daemon:
        server.wait_for(1)
        release = reporting.lab.publisher.publish(Kind.GOOD)
        daemon.wait_for(f"STATUS=current: {release.tag}")
        assert daemon.stop() < PROMPT
    assert installed(reporting) == release.tag
    shortest = Pace(180).failed().pause(chance=0)
    assert all(then - first >= shortest for first, then in pairwise(server.times))
    assert daemon.logs("tick.bug") == daemon.logs("report.bug") == []


def test_who_wants_to_be_forgotten_is(
    instance: Instance, reporting: Instance, server: Server
) -> None:
    """Once it reports no more; by its own signed word, and its key goes with it."""
    name = json.loads(said(reporting, Exit.DONE, "show"))["instance"]
    assert "reports = false" in said(reporting, Exit.OPERATOR, "forget")
    silenced = instance.changed(fleet={"url": server.url})
    server.does = saying(204)
    assert "nothing of this instance" in said(silenced, Exit.DONE, "forget")
    last = server.seen[-1]
    assert (last.method, last.url) == ("DELETE", f"{server.url}/api/v1/instances/{name}")
    assert instance_of(verify(last, datetime.now(UTC))) == name
    assert json.loads(said(silenced, Exit.DONE, "show"))["instance"] != name

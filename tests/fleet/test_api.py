"""The API does what its description says, whatever it is asked, and tells what the pages show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.schemas import BaseSchema

from koprogo_agent.fleet.api.openapi import PREFIX, document
from koprogo_agent.fleet.asking import ORDERS
from tests.fleet.filled import NAME, NEW, ODD, OLD, Filled, fill
from tests.fleet.servers import NO_LIMITS, Fleet
from tests.fleet.visitors import PASSWORD, Visitor
from tests.lab.processes import wait_until

EXAMPLES = 20
CHECKS = {
    "allow_header_conformance",
    "content_type_conformance",
    "ignored_auth",
    "negative_data_rejection",
    "not_a_server_error",
    "positive_data_acceptance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A fleet of one of everything."""
    folder = tmp_path_factory.mktemp("filled")
    fleet = Fleet(f"sqlite:///{folder}/fleet.db", folder, NO_LIMITS)
    yield fill(fleet)
    fleet.kill()


@pytest.fixture(scope="module")
def ann(filled: Filled) -> Visitor:
    """Somebody of the staff, who has come in."""
    made = Visitor(filled.fleet)
    made.sees("/login", name=NAME, password=PASSWORD)
    return made


@pytest.fixture(scope="module")
def described(filled: Filled, ann: Visitor) -> BaseSchema:
    """The description, as the server gives it, and how much of it is tried."""
    (secret,) = ann.cookies
    config = schemathesis.Config.from_dict(
        {
            "seed": 1,
            "auth": {"openapi": {"session": {"api_key": secret.value}}},
            "generation": {"deterministic": True, "max-examples": EXAMPLES, "database": "none"},
            "phases": {"stateful": {"enabled": False}},
        }
    )
    url = f"{filled.fleet.url}{PREFIX}/openapi.json"
    return schemathesis.openapi.from_url(url, config=config)


def test_it_does_what_its_description_says(described: BaseSchema) -> None:
    """Whatever is asked, well or badly: status, content and headers are as described."""
    said = list(from_schema(described).execute())
    assert [event for event in said if isinstance(event, NonFatalError | FatalError)] == []
    ended = [event for event in said if isinstance(event, ScenarioFinished)]
    checks = [one for event in ended for each in event.recorder.checks.values() for one in each]
    wrong = {str(one.failure_info.failure) for one in checks if one.failure_info}
    assert wrong == set()
    assert {one.name for one in checks} >= CHECKS
    everything = {
        f"{method.upper()} {path}"
        for path, methods in described.raw_schema["paths"].items()
        for method in methods
    }
    assert {event.recorder.label for event in ended} == everything


def asked(ann: Visitor, path: str, **query: str) -> Any:  # noqa: ANN401 - what JSON can hold
    """What the API says."""
    return json.loads(ann.sees(f"{PREFIX}{path}?{urlencode(query)}").text)


@pytest.mark.parametrize(
    "path", ["/fleet", "/adoption", "/releases", f"/releases/{NEW}", "/instances", "/attention"]
)
def test_a_stranger_is_told_to_log_in(filled: Filled, path: str) -> None:
    """And nothing else; everybody may read how the API is asked."""
    seen = Visitor(filled.fleet).sees(PREFIX + path)
    assert (seen.status, json.loads(seen.text)["code"]) == (401, "session.missing")
    assert Visitor(filled.fleet).sees(f"{PREFIX}/openapi.json").status == 200


def test_the_description_names_the_cookie_of_this_server(filled: Filled, ann: Visitor) -> None:
    """Over TLS it has a prefix with which it is no other host's."""
    del filled
    said = asked(ann, "/openapi.json")["components"]["securitySchemes"]["session"]["name"]
    assert said == next(iter(ann.cookies)).name == "session"
    secure = document("__Host-session")["components"]["securitySchemes"]["session"]
    assert secure["name"] == "__Host-session"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/instances/{'0' * 32}", 404, "instance.unknown"),
        ("/nowhere", 404, "address.unknown"),
        ("/releases/x", 400, "version.grammar"),
        ("/instances?state=nowhere", 400, "filter.value"),
        ("/fleet?at=yesterday", 400, "query.value"),
    ],
)
def test_what_cannot_be_answered_has_a_reason(
    ann: Visitor, path: str, status: int, code: str
) -> None:
    """A status and a code for programs, a line for people."""
    seen = ann.sees(PREFIX + path)
    said = json.loads(seen.text)
    assert (seen.status, said["code"]) == (status, code)
    assert said["message"]


def test_a_wrong_method_is_told_the_right_ones(ann: Visitor) -> None:
    """Those of all that answers at this address, also of what instances send."""
    seen = ann.sees(f"{PREFIX}/instances/{'0' * 32}", x="a form")
    assert (seen.status, seen.headers["allow"]) == (405, "DELETE, GET, HEAD")
    assert json.loads(seen.text)["code"] == "address.method"


def test_programs_are_told_what_people_see(ann: Visitor) -> None:
    """The same numbers of the same moment's fleet."""
    page = " ".join(ann.sees("/").text.split())
    for one in asked(ann, "/fleet")["versions"]:
        address = f'href="/instances?installed={one["name"] or "-"}"'
        assert re.search(
            rf'{re.escape(address)}>[^<]*</a></th> <td class="number">{one["count"]}<', page
        )
    # What was named by a command reaches a running server with its next round.
    named = f"/releases/{NEW}"
    wait_until(lambda: bool(asked(ann, named)["named"]), 60, "the release to be named")
    release = asked(ann, named)
    assert [one["count"] for one in release["failures"]] == [10]
    assert release["hold"]
    assert (NEW in ann.sees("/attention").text, release["security"]) == (True, True)
    assert [one["tag"] for one in asked(ann, "/releases")][:2] == [NEW, OLD]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"state": "held"}, 1),
        ({"cloned": "yes"}, 1),
        ({"known": "verified"}, 1),
        ({"installed": NEW}, 40),
        ({"installed": "-"}, 1),
        ({"installed": ODD}, 1),
        ({"tag": NEW, "step": "gate", "code": "gate.unhealthy"}, 10),
        ({"gate": "window"}, 1),
        ({"state": "held", "gate": "window"}, 0),
    ],
)
def test_instances_are_found_by_what_they_have(
    ann: Visitor, query: dict[str, str], count: int
) -> None:
    """Everything asked must hold; the page finds the same."""
    found = asked(ann, "/instances", **query)
    page = ann.sees(f"/instances?{urlencode(query)}").text
    shown = re.findall(r'<a href="/instances/([0-9a-f]{32})"', page)
    assert found["matching"] == count
    assert [one["instance"]["id"] for one in found["rows"]] == shown
    assert len(shown) == count


@pytest.mark.parametrize("sort", ORDERS)
def test_each_instance_is_on_one_page_though_others_report(
    ann: Visitor, filled: Filled, sort: str
) -> None:
    """Whoever was there from the beginning is told once."""
    here = {one["instance"]["id"] for one in every_row(ann, sort)}
    told = []
    for number, row in enumerate(every_row(ann, sort)):
        told.append(row["instance"]["id"])
        if number % 20 == 0:
            filled.another("new")
    assert len(told) == len(set(told)) > 80
    assert here <= set(told)


def every_row(ann: Visitor, sort: str) -> Iterator[dict[str, Any]]:
    """Of all pages, each asked for when the one before was read."""
    after: str | None = ""
    while after is not None:
        page = asked(ann, "/instances", sort=sort, after=after)
        yield from page["rows"]
        after = page["next"]

"""The hold where routes are many, users are of every kind, and parts fall in the middle of it.

One stack goes through all of it. Its operator has given the backend several routers with priorities
of their own, and the ingress a second entry point with TLS.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus

import pytest
from axe_playwright_python.sync_playwright import Axe

from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.holding import let_through
from tests.fleet.browsers import chromium
from tests.instance import PATIENT_GATE, Instance, Seen
from tests.lab.client import Client, Tally
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.processes import free_port, wait_until
from tests.lab.recipes import Kind
from tests.lab.rooms import crash_room, end_room, remove_room, rooms
from tests.lab.stack import QUICK
from tests.lab.users import Crowd, Http2User, Reader
from tests.lab.web_socket import WebSocketUser

pytestmark = pytest.mark.real

FEW = 6
"""Connections of the client: more would open more to the database than it grants."""
CROWD = 400
UNNOTICED = 1.0
"""Seconds that a request may take on a busy machine."""
MOST_LIVES = 6
"""Connections of a socket: to the old version, by the room, to the new one; and some in vain."""
MOMENT = 8.0
"""Seconds until a part that has fallen is there again: Traefik alone takes up to 4 to see it."""

Fall = Callable[[Lab, str], None]

ROUTES = """
services:
  traefik:
    command:
      - "--providers.docker=true"
      - "--providers.docker.exposedbydefault=false"
      - "--providers.docker.constraints=!Label(`traefik.hidden`,`true`)"
      - "--entrypoints.web.address=:80"
      - "--entrypoints.websecure.address=:443"
    ports: ["127.0.0.1:${HTTPS_PORT}:443"]
  backend:
    labels:
      - "traefik.http.routers.backend.entrypoints=web"
      - "traefik.http.routers.backend.priority=10"
      - "traefik.http.routers.rows.rule=Host(`${API_DOMAIN}`) && PathPrefix(`/api/v1/rows`)"
      - "traefik.http.routers.rows.entrypoints=web"
      - "traefik.http.routers.rows.priority=500"
      - "traefik.http.routers.rows.middlewares=rate-limit"
      - "traefik.http.routers.secure.rule=Host(`${API_DOMAIN}`)"
      - "traefik.http.routers.secure.entrypoints=websecure"
      - "traefik.http.routers.secure.priority=2"
      - "traefik.http.routers.secure.tls=true"
"""


@pytest.fixture(scope="module")
def lab(lab_engine: Engine) -> Iterator[Lab]:
    """A lab with a port for TLS."""
    with Lab(lab_engine, settings={**QUICK, "HTTPS_PORT": str(free_port())}) as lab:
        yield lab


@pytest.fixture(scope="module")
def instance(lab: Lab) -> Instance:
    """An agent that has installed the first release with the operator's own routes."""
    lab.stack.write_env(lab.publisher.publish(Kind.GOOD).version)
    override = lab.root / "routes.yml"
    override.write_text(ROUTES)
    instance = Instance.create(
        lab,
        stack={"overrides": [str(override)]},
        gate=PATIENT_GATE,
        rehearsal={"when": "never"},
    )
    with instance.engine() as engine:
        ran = engine.tick()
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
    return instance


def update(instance: Instance, kind: Kind, seen: Seen) -> Tally:
    """Brings a good release while somebody reads and writes; nothing is lost, no room is left."""
    lab = instance.lab
    lab.publisher.publish(kind)
    client = Client(lab.stack, rate=40, writes=0.3, connections=FEW)
    with client, instance.engine(seen) as engine:
        ran = engine.tick()
    assert ran is not None, seen.failures
    assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
    assert not client.lost(lab.stack)
    assert not client.tally().repeated
    assert rooms(lab) == {}
    return client.tally()


def at(instant: tuple[str, str], act: Callable[[], object]) -> Seen:
    """A watcher that acts once, before or after a step."""
    done: list[object] = []

    def interfere(boundary: str, action: str) -> None:
        if (boundary, action) == instant and not done:
            done.append(instant)
            act()

    return Seen(at=interfere)


@contextmanager
def another_stack(lab: Lab) -> Iterator[Reader]:
    """A service of another Compose project behind the same ingress, and somebody who reads it."""
    labels = {
        "com.docker.compose.project": f"{lab.name}-other",
        "traefik.enable": "true",
        "traefik.http.routers.other.rule": "Host(`other.test`)",
        "traefik.http.services.other.loadbalancer.server.port": "80",
    }
    with closing(lab.engine.client()) as client:
        page = client.containers.get(lab.stack.containers()["frontend"])
        (network,) = page.attrs["NetworkSettings"]["Networks"]
        other = client.containers.run(
            page.attrs["Image"],
            name=f"{lab.name}-other",
            labels=labels,
            network=network,
            detach=True,
        )
        try:
            with Reader(lab.stack, "other.test") as reader:
                yield reader
        finally:
            other.remove(force=True)


@pytest.mark.parametrize(
    ("kind", "way"), [(Kind.GOOD, "beside"), (Kind.GOOD_WITH_MIGRATION, "wait")]
)
def test_many_routes_and_another_stack(instance: Instance, kind: Kind, way: str) -> None:
    """No request fails on any route, HTTP/2 among them; users of the other stack do not wait."""
    lab, seen = instance.lab, Seen()
    with (
        another_stack(lab) as theirs,
        Http2User(lab.stack, int(lab.stack.settings["HTTPS_PORT"])) as secure,
    ):
        tally = update(instance, kind, seen)
    assert seen.facts["hold"]["way"] == way
    assert tally.failed == 0
    assert set(secure.answers) == {"200 2"}
    assert theirs.failed == 0
    assert max(theirs.waits) < UNNOTICED


@pytest.mark.parametrize("kind", [Kind.GOOD, Kind.GOOD_WITH_MIGRATION])
def test_a_web_socket(instance: Instance, kind: Kind) -> None:
    """It is cut off and can be opened again, during a hold too; no other request fails."""
    with WebSocketUser(instance.lab.stack) as socket:
        wait_until(lambda: socket.echoes > 0, 30, "the socket to be open")
        tally = update(instance, kind, Seen())
        echoes = socket.echoes
        wait_until(lambda: socket.echoes > echoes + 5, 30, "the socket to be open again")
    assert tally.failed == 0
    assert {life.status for life in socket.lives} == {HTTPStatus.SWITCHING_PROTOCOLS}
    assert 1 < len(socket.lives) <= MOST_LIVES


def test_a_crowd_waits(instance: Instance) -> None:
    """All are let go at once, through the application's own rate limit, and none is refused."""
    crowd = Crowd(instance.lab.stack, CROWD)
    tally = update(instance, Kind.GOOD_WITH_MIGRATION, at(("before", "switch"), crowd.come))
    crowd.leave()
    assert tally.failed == 0
    assert crowd.statuses == {HTTPStatus.OK: CROWD}


def test_users_who_go_away_while_they_wait(instance: Instance) -> None:
    """They disturb nobody."""
    crowd = Crowd(instance.lab.stack, CROWD // 4, patience=0.2)

    def come_and_go() -> None:
        crowd.come()
        crowd.leave()

    tally = update(instance, Kind.GOOD_WITH_MIGRATION, at(("before", "switch"), come_and_go))
    assert crowd.statuses == {0: CROWD // 4}
    assert tally.failed == 0


@pytest.mark.parametrize("fall", [crash_room, end_room, remove_room])
@pytest.mark.parametrize("step", ["switch", "gate"])
def test_a_room_that_falls(instance: Instance, fall: Fall, step: str) -> None:
    """It is there again within seconds, closed, and the hold goes on."""
    lab = instance.lab
    fell: list[float] = []

    def act() -> None:
        fell.append(time.monotonic())
        fall(lab, "backend")

    tally = update(instance, Kind.GOOD_WITH_MIGRATION, at(("before", step), act))
    assert_failed_for_a_moment(tally, fell[0])


def restart(lab: Lab) -> None:
    """`docker restart` of the ingress."""
    with closing(lab.engine.client()) as client:
        client.containers.get(lab.stack.containers()["traefik"]).restart(timeout=2)


def kill(lab: Lab) -> None:
    """The ingress dies of itself; the engine starts it again."""
    with closing(lab.engine.client()) as client:
        state = client.containers.get(lab.stack.containers()["traefik"]).attrs["State"]
    os.kill(state["Pid"], signal.SIGKILL)


@pytest.mark.parametrize("fall", [restart, kill])
def test_an_ingress_that_falls(instance: Instance, fall: Callable[[Lab], None]) -> None:
    """Its users are cut off, as they are without a hold; those who come again wait."""
    fell: list[float] = []

    def act() -> None:
        fell.append(time.monotonic())
        fall(instance.lab)

    tally = update(instance, Kind.GOOD_WITH_MIGRATION, at(("before", "switch"), act))
    assert_failed_for_a_moment(tally, fell[0])


def assert_failed_for_a_moment(tally: Tally, fell: float) -> None:
    """Only what came within seconds of the fall fails, or what was waiting then."""
    late = [one for one in tally.samples if not one.ok and one.started > fell + MOMENT]
    assert not late, f"{tally.failed} failed, the last {late[-1].started - fell:.1f} s after"


LANGUAGES = ("fr-BE", "nl-BE", "de-BE", "en-GB")
TITLES = {
    "fr": "Mise à jour en cours",
    "nl": "Er wordt een update geïnstalleerd",
    "de": "Aktualisierung läuft",
    "en": "Update in progress",
}


@pytest.fixture
def late_room(instance: Instance) -> Iterator[str]:
    """The address of a room whose door is closed, and whose limit passes at once."""
    with instance.engine() as engine:
        world, project = engine.world, engine.settings.stack.project
        backend = instance.lab.stack.containers()["backend"]
        world.images.pull(engine.settings.hold.image, lambda _: None)
        world.rooms.put_up(project, "backend", backend, 0.1)
        wait_until(lambda: world.rooms.seen(project)[0].answers, 30, "the room to answer")
        world.rooms.close(project, "backend")
        address = world.stack.address(rooms(instance.lab)["backend"])
        assert address is not None
        yield f"http://{address}:8080/"
        let_through(world, engine.settings)


def test_the_page_after_the_limit(late_room: str) -> None:
    """In the language of the browser, on a phone and in the dark; programs get JSON."""
    with chromium() as browser:
        for language in LANGUAGES:
            window = browser.new_context(
                locale=language, color_scheme="dark", viewport={"width": 360, "height": 700}
            )
            page = window.new_page()
            answer = page.goto(late_room)
            assert answer is not None
            assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            assert answer.headers["retry-after"] == "15"
            short = language[:2]
            assert page.locator("html").get_attribute("lang") == short
            assert page.get_by_role("heading").inner_text() == page.title() == TITLES[short]
            assert "$" not in page.content()
            assert page.evaluate("document.scrollingElement.scrollWidth") == 360
            # To load itself again is what the page is for.
            assert {one["id"] for one in Axe().run(page).response["violations"]} <= {"meta-refresh"}
            window.close()
    request = urllib.request.Request(late_room, headers={"Accept": "application/json"})  # noqa: S310
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)  # noqa: S310
    assert json.load(raised.value)["retry_after_seconds"] == 15

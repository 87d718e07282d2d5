"""Two stacks behind one Traefik, which is a compose project of its own."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.domain.states import Outcome
from tests.instance import Instance, Seen, words_of_init
from tests.lab.client import Client
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.processes import free_port, wait_until
from tests.lab.recipes import Kind
from tests.lab.stack import QUICK, compose_program

pytestmark = pytest.mark.real

NEIGHBOUR = "neighbour.test"


@dataclass
class Edge:
    """The project of the ingress, with somebody else's stack behind it.

    Attributes:
        project: its name.
        port: where users come in.
        missed: what the neighbour's users got instead of their page.
    """

    project: str
    port: int
    missed: list[str] = field(default_factory=list)

    def ask(self, host: str) -> int:
        """The status of an answer; 0 where there is none."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            try:
                connection.request("GET", "/", headers={"Host": host})
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 0

    @contextmanager
    def visited(self) -> Iterator[None]:
        """The neighbour's users ask twenty times a second."""
        over = threading.Event()

        def visit() -> None:
            while not over.wait(0.05):
                if (status := self.ask(NEIGHBOUR)) != http.HTTPStatus.OK:
                    self.missed.append(str(status))

        visitor = threading.Thread(target=visit)
        visitor.start()
        try:
            yield
        finally:
            over.set()
            visitor.join()


@pytest.fixture(scope="module")
def lab(lab_engine: Engine) -> Iterator[Lab]:
    """A stack without an ingress of its own."""
    with Lab(lab_engine, settings=QUICK) as made:
        made.install(made.publisher.publish())
        yield made


@pytest.fixture(scope="module")
def edge(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Its ingress, which comes from another project; the neighbour shows a page."""
    client = lab.engine.client()
    own = client.containers.get(f"{lab.stack.name}-traefik")
    page = client.containers.get(f"{lab.stack.name}-frontend").attrs["Config"]["Image"]
    (network,) = own.attrs["NetworkSettings"]["Networks"]
    made = Edge(f"{lab.stack.name}-edge", free_port())
    compose: dict[str, Any] = {
        "services": {
            "proxy": {
                "image": own.attrs["Config"]["Image"],
                "command": [
                    "--providers.docker=true",
                    "--providers.docker.exposedbydefault=false",
                    "--entrypoints.web.address=:80",
                ],
                "ports": [f"127.0.0.1:{made.port}:80"],
                "volumes": [
                    f"{lab.engine.host.removeprefix('unix://')}:/var/run/docker.sock:ro",
                ],
                "networks": ["stack"],
            },
            "page": {
                "image": page,
                "labels": {
                    "traefik.enable": "true",
                    "traefik.http.routers.page.rule": f"Host(`{NEIGHBOUR}`)",
                    "traefik.http.services.page.loadbalancer.server.port": "80",
                },
                "networks": ["stack"],
            },
        },
        "networks": {"stack": {"external": True, "name": network}},
    }
    file = tmp_path_factory.mktemp("edge") / "compose.yml"
    file.write_text(json.dumps(compose))
    own.remove(force=True)
    words = [compose_program(), "-p", made.project, "-f", str(file)]
    environment = {"DOCKER_HOST": lab.engine.host, "DOCKER_CONFIG": str(lab.docker_config)}
    subprocess.run([*words, "up", "-d"], env=environment, check=True, capture_output=True)
    try:
        wait_until(lambda: made.ask(NEIGHBOUR) == http.HTTPStatus.OK, 60, "the neighbour's page")
        yield made
    finally:
        subprocess.run([*words, "down"], env=environment, check=True, capture_output=True)
        client.close()


@pytest.fixture(scope="module")
def agent(lab: Lab) -> Instance:
    """Its agent, which knows nothing of that yet."""
    return Instance.create(lab)


def test_config_init_finds_the_way_in(
    lab: Lab, edge: Edge, agent: Instance, tmp_path: Path
) -> None:
    """The other project's Traefik, by the labels of this one and a network that both are on."""
    file = tmp_path / "config.toml"
    instance = agent.changed(trust={"directory": str(tmp_path / "trust")})
    done = instance.type(*words_of_init(lab, file))
    assert done.returncode == 0, done.stdout + done.stderr
    written = tomllib.loads(file.read_text())
    stack, (probe,) = written["stack"], written["probe"]
    assert (stack["ingress"], stack["ingress_project"]) == (["proxy"], edge.project)
    assert probe["url"] == f"http://127.0.0.1:{edge.port}/api/v1/health"


@pytest.mark.parametrize("kind", [Kind.GOOD, Kind.GOOD_WITH_MIGRATION])
def test_updates_behind_it(lab: Lab, edge: Edge, agent: Instance, kind: Kind) -> None:
    """No request fails, neither here nor at the neighbour's; the ingress is left alone."""
    stack = {"ingress": ["proxy"], "ingress_project": edge.project}
    gate = {"samples": 2, "interval": 0.5, "deadline": 90, "max_deadline": 120}
    instance = agent.changed(stack=stack, gate=gate, rehearsal={"when": "never"})
    seen = Seen()
    with instance.engine() as engine:
        engine.tick()
    client = lab.engine.client()
    before = client.containers.get(f"{edge.project}-proxy-1").attrs["State"]["StartedAt"]
    users = Client(replace(lab.stack, http_port=edge.port), rate=20, writes=0.3, connections=6)
    with edge.visited(), users, instance.engine(seen) as engine:
        lab.publisher.publish(kind)
        ran = engine.tick()
    after = client.containers.get(f"{edge.project}-proxy-1").attrs["State"]["StartedAt"]
    client.close()
    assert ran is not None, seen.failures
    assert ran.outcome is Outcome.COMMITTED, seen.failures
    assert seen.facts["hold"]["way"] == ("beside" if kind is Kind.GOOD else "wait")
    assert users.tally().failed == 0
    assert not users.lost(lab.stack)
    assert edge.missed == []
    assert before == after

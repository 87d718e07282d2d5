"""The probe that `config init` proposes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from koprogo_agent.domain.traefik import Routing
from koprogo_agent.ports import HttpProbe
from koprogo_agent.settings import Settings, load
from koprogo_agent.setup.document import write
from koprogo_agent.setup.probes import keys, propose
from koprogo_agent.setup.stacks import Door

(USUAL,) = Settings.model_fields["probe"].default
ROUTES = {"backend": Routing(("old.example.org", "api.example.org"), 8080)}
DOORS = tuple(
    Door("traefik", f"127.0.0.1:{port}", is_traefik=True, networks=frozenset())
    for port in (80, 443)
)


class Answering:
    """An ingress that answers well at one address, for one host."""

    def __init__(self, url: str, host: str) -> None:
        self.asked: list[HttpProbe] = []
        self._good = (url, host)

    def ask(self, probe: HttpProbe) -> str | None:
        """Whether it is that one."""
        self.asked.append(probe)
        return None if (probe.url, probe.host) == self._good else "answered 404, expected 200"


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:443/api/v1/health", "http://127.0.0.1:80/api/v1/health"]
)
def test_what_answers_is_proposed(url: str, tmp_path: Path) -> None:
    """And the file with it is read as the usual probe that asks there as well."""
    found = propose(USUAL, ROUTES, DOORS, Answering(url, "api.example.org"))
    assert found is not None
    assert found == USUAL.model_copy(update={"url": url, "host": "api.example.org"})
    text = write({}, [keys(found)])
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert tomllib.loads(text)["probe"][0]["contains"] == {"status": "ok"}
    assert load(file).probe == (found,)


def test_tls_comes_first() -> None:
    """Where both answer, users are sent to TLS."""
    answering = Answering("", "")
    propose(USUAL, ROUTES, DOORS, answering)
    assert [one.url.split(":")[0] for one in answering.asked] == ["https"] * 4 + ["http"] * 4


@pytest.mark.parametrize(
    ("routes", "doors"), [({}, DOORS), (ROUTES, ()), ({"backend": Routing((), 8080)}, DOORS)]
)
def test_what_is_not_known_is_not_guessed(
    routes: dict[str, Routing], doors: tuple[Door, ...]
) -> None:
    """No route, no port, no host: nothing is asked and nothing proposed."""
    answering = Answering("", "")
    assert propose(USUAL, routes, doors, answering) is None
    assert not answering.asked

"""A provider, and a server that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.providers import (
    Provider,
    serving,
)
from tests.fleet.servers import Fleet
from tests.fleet.sign_on.visits import ANN, comes, started


@pytest.fixture
def provider() -> Iterator[Provider]:
    """One that does everything right."""
    with serving(Provider()) as made:
        yield made


@pytest.fixture
def fleet(provider: Provider, tmp_path: Path) -> Iterator[Fleet]:
    """A server that has not asked the provider for anything yet, with Ann on the staff."""
    yield from started(provider, tmp_path)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Provider]]:
    """A server and a provider that know each other already."""
    with serving(Provider()) as provider:
        for fleet in started(provider, tmp_path_factory.mktemp("lasting")):
            assert "You are logged in." in comes(fleet).text
            yield fleet, provider


@pytest.fixture
def known(lasting: tuple[Fleet, Provider]) -> Iterator[tuple[Fleet, Provider]]:
    """The same, and the provider is itself again afterwards."""
    fleet, provider = lasting
    yield fleet, provider
    provider.person = {"email": ANN}
    provider.signs_with = provider.key
    provider.denies = ""
    for each in (provider.claims, provider.headers, provider.answers):
        each.clear()

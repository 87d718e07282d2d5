"""A server on each kind of database; PostgreSQL is started once for all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine, text

from koprogo_agent.fleet.store.database import connect
from koprogo_agent.fleet.store.migrate import migrate
from tests.fleet.machines import Machine
from tests.fleet.servers import Fleet, postgresql


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server."""
    # pytest's own folders are closed to the user under whom it runs.
    with TemporaryDirectory(prefix="koprogo-fleet-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with postgresql(Path(folder) / "postgres") as url:
            yield url


DATABASES = ("sqlite", "postgresql")


def new_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of a database of this kind in which there is nothing."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/fleet.db"
    url: str = request.getfixturevalue("postgres_url")
    name = f"fleet_{secrets.token_hex(4)}"
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database in which there is nothing."""
    return new_database(request, tmp_path)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A database with the schema, and nothing in it."""
    made = connect(database)
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def fleet(database: str, tmp_path: Path) -> Iterator[Fleet]:
    """A server that has just begun."""
    made = Fleet(database, tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module", params=DATABASES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """One for several tests that do not mind what the others have sent."""
    folder = tmp_path_factory.mktemp("fleet")
    limits = {"ENROLMENTS_PER_ADDRESS": "1000", "REPORTS_PER_ADDRESS": "10000"}
    made = Fleet(new_database(request, folder), folder, limits)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def machine(fleet: Fleet) -> Machine:
    """An instance that has not reported yet."""
    return Machine(fleet.url)

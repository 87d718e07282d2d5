"""A server on each kind of database; PostgreSQL is started once for all."""

from __future__ import annotations

import secrets
import shutil
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


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the schema, to be copied: to migrate takes longer than most tests do."""
    made = tmp_path_factory.mktemp("schema") / "fleet.db"
    _migrated(f"sqlite:///{made}")
    return made


@pytest.fixture(scope="session")
def postgres_schema(postgres_url: str) -> str:
    """The name of such a database."""
    name = empty_postgres(postgres_url)
    _migrated(f"{postgres_url.rpartition('/')[0]}/{name}")
    return name


def _migrated(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    engine.dispose()


def empty_postgres(url: str, template: str = "template1") -> str:
    """The name of a new database, which is as another one."""
    name = f"fleet_{secrets.token_hex(4)}"
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return name


def new_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of a database of this kind with the schema, and nothing in it."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_schema"), folder / "fleet.db")
        return f"sqlite:///{folder}/fleet.db"
    url: str = request.getfixturevalue("postgres_url")
    name = empty_postgres(url, request.getfixturevalue("postgres_schema"))
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with the schema, and nothing in it."""
    return new_database(request, tmp_path)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """The same, opened."""
    made = connect(database)
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

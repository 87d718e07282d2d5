"""One server for all tests of the database adapter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from koprogo_agent.adapters.postgres import ContainerPostgres
from tests.integration.postgres.server import (
    IMAGE,
    SCHEMA,
    Postgres,
    server,
)
from tests.lab import images
from tests.lab.engine import Engine


@pytest.fixture(scope="package")
def engine(lab_engine: Engine) -> Iterator[Engine]:
    """An engine that holds the lab's PostgreSQL image."""
    image = images.postgres()
    said = image.settings
    changes = [
        f'ENTRYPOINT ["{said.entrypoint[0]}"]',
        f'CMD ["{said.command[0]}"]',
        "VOLUME /var/lib/postgresql/data",
        *(f"ENV {line}" for line in said.env),
    ]
    client = lab_engine.client()
    client.api.import_image_from_file(str(image.layers[0].blob), repository=IMAGE, changes=changes)
    yield lab_engine
    client.images.remove(IMAGE, force=True)
    client.close()


@pytest.fixture(scope="package")
def running(engine: Engine) -> Iterator[Postgres]:
    """The server that most tests share."""
    with server(engine, "koprogo_db") as one:
        yield one


@pytest.fixture
def stack(running: Postgres) -> Postgres:
    """The shared server with an application's database of 20,000 rows."""
    running.fresh()
    running.sql(SCHEMA.format(20_000))
    return running


@pytest.fixture
def adapter(engine: Engine) -> ContainerPostgres:
    """What is tested."""
    return ContainerPostgres(engine.host)

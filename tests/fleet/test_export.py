"""`koprogo-fleet export`: all that is kept, or all of one instance, and no hash."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from koprogo_agent.cli.fleet.main import run
from koprogo_agent.fleet.store import export, schema
from koprogo_agent.wire.report import Operation, Pending
from tests.fleet.machines import Machine, transition
from tests.fleet.servers import NO_LIMITS, Fleet

OPERATION = Operation(kind="update", tag="v1.1.0", outcome="rolled_back", began=1, ended=2)
PENDING = Pending(tag="v1.1.0", gate="quarantine")


@pytest.fixture
def machine(fleet: Fleet) -> Machine:
    """An instance of which something is kept in each table that can name it; another has less."""
    made = Machine(fleet.url)
    token = fleet.type("token", "building 12").strip()
    fleet.type("user", "ann", answers="correct horse battery\n")
    fleet.type("release", "v1.1.0")
    told = (transition(2, operation=OPERATION), transition(1))
    assert made.says(token=token, transitions=told, operation=OPERATION, pending=PENDING)
    assert Machine(fleet.url).says(transitions=(transition(1),)).status == 200
    return made


def lines(text: str) -> list[dict[str, Any]]:
    """JSON Lines, read."""
    return [json.loads(line) for line in text.splitlines()]


def secrets(fleet: Fleet) -> list[str]:
    """The hashes that the database holds."""
    with fleet.tables() as engine, engine.connect() as connection:
        columns = (schema.token.c.sha256, schema.staff.c.hash)
        return [one for column in columns for one in connection.scalars(select(column))]


def test_all_that_is_kept(fleet: Fleet, machine: Machine) -> None:
    """As documents: what was said in JSON is no text in JSON."""
    said = fleet.type("export")
    rows = lines(said)
    assert Counter(row["table"] for row in rows) == {
        "instance": 2,
        "transition": 3,
        "arrival": 1,
        "token": 1,
        "release": 1,
        "tally": 1,
    }
    (mine,) = (row for row in rows if row.get("id") == machine.name)
    assert mine["operation"] == {
        "kind": "update",
        "tag": "v1.1.0",
        "outcome": "rolled_back",
        "began": 1,
        "ended": 2,
    }
    assert mine["pending"]["gate"] == "quarantine"
    assert secrets(fleet)
    assert [one for one in secrets(fleet) if one in said] == []


def test_all_of_one_instance(fleet: Fleet, machine: Machine) -> None:
    """The answer to whoever asks what is kept of it; nothing of any other."""
    rows = lines(fleet.type("export", "--instance", machine.name))
    named = {"instance": "id", "transition": "instance", "arrival": "instance", "token": "used_by"}
    assert {row["table"] for row in rows} == set(named)
    assert {row[named[row["table"]]] for row in rows} == {machine.name}
    assert [row["note"] for row in rows if row["table"] == "token"] == ["building 12"]
    assert fleet.type("export", "--instance", "0" * 32) == ""


def test_a_folder_with_a_file_for_each_table(
    fleet: Fleet, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For nobody else to read; nothing that is there is written over."""
    folder = tmp_path / "taken" / "along"
    fleet.type("export", str(folder))
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {f"{table.name}.jsonl" for table in export.TABLES}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert machine.name in {row["id"] for row in lines(files["instance.jsonl"].read_text())}
    before = {name: path.read_bytes() for name, path in files.items()}
    for name, value in fleet.environment.items():
        monkeypatch.setenv(name, value)
    assert run(["export", str(folder)]) == 5
    assert {name: path.read_bytes() for name, path in files.items()} == before


def test_more_than_is_read_at_once(tmp_path: Path) -> None:
    """Each row comes once, in the order of its key."""
    fleet = Fleet(f"sqlite:///{tmp_path}/fleet.db", tmp_path, NO_LIMITS)
    fleet.type("migrate")
    names = [f"v1.0.{number}" for number in range(2500)]
    rows = [{"tag": name, "published": 1, "security": False} for name in names]
    with fleet.tables() as engine, engine.begin() as connection:
        connection.execute(schema.release.insert(), rows)
    tags = [row["tag"] for row in lines(fleet.type("export"))]
    assert tags == sorted(names)


def test_it_is_of_one_moment(engine: Engine) -> None:
    """What comes while it is read is left for the next one."""
    before = {"tag": "v1.0.0", "published": 1, "security": False}
    with engine.begin() as connection:
        connection.execute(schema.release.insert(), before)
    rows = export.export(engine)
    assert next(rows).row == before
    with engine.begin() as connection:
        connection.execute(schema.outage.insert(), {"began": 1, "ended": 2})
    assert list(rows) == []
    assert [one.table for one in export.export(engine)] == ["release", "outage"]


def test_every_table_is_given_or_held_back() -> None:
    """Whoever makes one decides it."""
    assert {*export.TABLES, *export.HELD_BACK} == set(schema.metadata.sorted_tables)
    assert not set(export.TABLES) & set(export.HELD_BACK)

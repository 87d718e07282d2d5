"""What the server is hosted with: its unit, its stack, and what both are installed from."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.fleet.settings import FleetSettings
from koprogo_agent.wire.report import encode
from tests.fleet.machines import Machine, Said, send
from tests.fleet.servers import Fleet
from tests.lab.stack import compose_program

REPOSITORY = Path(__file__).parents[2]
HOSTING = REPOSITORY / "hosting"
UNIT = "koprogo-fleet.service"
ENV = {"FLEET_NAME": "fleet.example.org", "FLEET_MAIL": "a@example.org"}
PASSWORD = {"FLEET_DATABASE_PASSWORD": "secret"}
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def said_in_unit(name: str) -> str:
    """The one value of a setting."""
    (value,) = re.findall(rf"^{name}=(.*)$", (HOSTING / UNIT).read_text(), re.MULTILINE)
    return str(value)


def test_the_unit_is_confined() -> None:
    """By systemd's own measure, in which less is better."""
    words = ("systemd-analyze", "--no-pager", "--offline=true", "security", HOSTING / UNIT)
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert exposure, told
    assert float(exposure[1]) <= 1.3


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """Where its program is there."""
    unit, program = tmp_path / UNIT, "/bin/true"
    unit.write_text((HOSTING / UNIT).read_text().replace(said_in_unit("ExecStart"), program))
    words = ("systemd-analyze", "--man=no", "verify", unit)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_has_the_default_database_in_its_folder() -> None:
    """Where else it may not write."""
    folder = f"sqlite:////var/lib/{said_in_unit('StateDirectory')}/"
    assert str(FleetSettings.model_fields["database"].default).startswith(folder)


def test_what_one_types_runs_as_the_service_does() -> None:
    """Else it would look at another database, or make one that the service cannot write."""
    typed = (HOSTING / "koprogo-fleet").read_text()
    for name in ("DynamicUser", "StateDirectory", "UMask", "EnvironmentFile"):
        assert f"--property={name}={said_in_unit(name)}" in typed
    assert f"--property=User={UNIT.removesuffix('.service')}" in typed
    assert said_in_unit("ExecStart").removesuffix(" serve") in typed


def compose(folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What compose makes of the stack with this .env."""
    (folder / "compose.yaml").write_text((HOSTING / "compose.yaml").read_text())
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    words = (compose_program(), "config", "--format", "json")
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def services(tmp_path: Path) -> dict[str, Any]:
    """Those of the stack."""
    done = compose(tmp_path, ENV | PASSWORD)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize("missing", sorted(ENV | PASSWORD))
def test_compose_says_what_is_missing(tmp_path: Path, missing: str) -> None:
    """And where it goes."""
    done = compose(tmp_path, {k: v for k, v in (ENV | PASSWORD).items() if k != missing})
    assert done.returncode != 0
    assert f"required variable {missing} is missing a value: in .env" in done.stderr


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    """None gains a right, writes where it need not, or takes the machine's memory."""
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["mem_limit"])


def test_only_the_proxy_is_reached_from_outside(services: dict[str, Any]) -> None:
    """And the database by the server alone."""
    assert [name for name, one in services.items() if "ports" in one] == ["proxy"]
    networks = {name: set(one["networks"]) for name, one in services.items()}
    assert networks == {"proxy": {"front"}, "server": {"front", "back"}, "database": {"back"}}


def test_the_lock_holds_what_the_tests_run_with() -> None:
    """All that the server needs, and each in the version of requirements-dev.lock."""
    hosted = dict(PIN.findall((REPOSITORY / "requirements-fleet.lock").read_text()))
    tested = dict(PIN.findall((REPOSITORY / "requirements-dev.lock").read_text()))
    assert hosted.items() <= tested.items()
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = extras["dependencies"] + extras["optional-dependencies"]["fleet"]
    assert {re.split(r"[\[<>=]", one)[0] for one in wanted} <= hosted.keys()


def passed_on(fleet: Fleet, address: str) -> Said:
    """The first report of an instance, which a proxy says comes from this address."""
    machine = Machine(fleet.url)
    request = machine.request(encode(machine.report()))
    return send(replace(request, headers={**request.headers, "X-Forwarded-For": address}))


@pytest.mark.parametrize(
    ("trusted", "codes"), [("127.0.0.1", [200, 429, 200]), ("192.0.2.1", [200, 429, 429])]
)
def test_the_limits_count_the_address_that_the_proxy_passes_on(
    tmp_path: Path, trusted: str, codes: list[int]
) -> None:
    """And that nobody else does."""
    fleet = Fleet(
        f"sqlite:///{tmp_path}/fleet.db",
        tmp_path,
        settings={"ENROLMENTS_PER_ADDRESS": "1"},
        others={"FORWARDED_ALLOW_IPS": trusted},
    )
    fleet.start()
    addresses = ("198.51.100.1", "198.51.100.1", "198.51.100.2")
    told = [passed_on(fleet, address).status for address in addresses]
    fleet.stop()
    assert told == codes

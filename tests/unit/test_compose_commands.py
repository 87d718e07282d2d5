"""What is typed to compose, and what its words mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.adapters.compose import commands, failures, variables
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import Project, Variable

PROGRAM = ("docker", "compose")
PROJECT = Project(
    name="koprogo",
    directory=Path("/opt/koprogo"),
    files=(Path("/opt/koprogo/base.yml"), Path("/var/lib/koprogo-agent/pins.yml")),
    env_files=(Path("/opt/koprogo/.env"),),
    environment={"IMAGE_TAG": "v1.2.3"},
)
BASE = (
    "docker compose --ansi never --project-name koprogo --project-directory /opt/koprogo"
    " --file /opt/koprogo/base.yml --file /var/lib/koprogo-agent/pins.yml"
    " --env-file /opt/koprogo/.env"
)


def test_up_neither_builds_nor_pulls() -> None:
    """What runs was pulled before, by digest; nothing else may come in by the way."""
    typed = " ".join(commands.up(PROGRAM, PROJECT, ()))
    assert typed == f"{BASE} up --detach --no-build --pull never"


def test_up_of_named_services_leaves_their_dependencies_alone() -> None:
    """Bringing the backend up does not touch the database."""
    typed = " ".join(commands.up(PROGRAM, PROJECT, ("backend", "frontend")))
    assert typed == f"{BASE} up --detach --no-build --pull never --no-deps -- backend frontend"


def test_create_starts_nothing() -> None:
    """Containers can be made ready while the fence is up."""
    typed = " ".join(commands.create(PROGRAM, PROJECT, ("ingress",)))
    assert typed == f"{BASE} up --no-start --no-build --pull never --no-deps -- ingress"


def test_a_one_off_has_a_name_that_a_later_agent_finds() -> None:
    """The name depends on nothing but project and service."""
    name = commands.one_off_name("koprogo", "backend")
    typed = " ".join(commands.run(PROGRAM, PROJECT, "backend", ("migrate", "--all"), name))
    assert typed == (
        f"{BASE} run --detach --no-deps --no-TTY --name koprogo-backend-koprogo-agent-once"
        " --label traefik.enable=false -- backend migrate --all"
    )


def test_questions_ask_for_json() -> None:
    """The model and the variables are read by a machine."""
    assert " ".join(commands.config(PROGRAM, PROJECT)) == f"{BASE} config --format json"
    assert " ".join(commands.variables(PROGRAM, PROJECT)) == (
        f"{BASE} config --variables --format json"
    )


def test_compose_gets_what_it_needs_of_the_environment_and_no_more() -> None:
    """A secret of the daemon stays outside; the engine is always the agent's."""
    own = {"PATH": "/bin", "HOME": "/root", "DOCKER_HOST": "tcp://elsewhere", "SECRET": "hush"}
    own |= {"DOCKER_CONFIG": "/etc/docker", "IMAGE_TAG": "latest"}
    given = commands.environment(PROJECT, commands.passed_on(own), "unix:///run/docker.sock")
    assert {name: one for name, one in given.items() if not name.startswith("COMPOSE_")} == {
        "PATH": "/bin",
        "HOME": "/root",
        "DOCKER_CONFIG": "/etc/docker",
        "DOCKER_HOST": "unix:///run/docker.sock",
        "IMAGE_TAG": "v1.2.3",
    }


def test_compose_s_own_variables_are_as_where_nobody_sets_them() -> None:
    """Not the daemon's, and not the env file's, which Compose takes where its environment has none.

    COMPOSE_PROFILES alone is the operator's: it chooses services.
    """
    passed = commands.passed_on({"COMPOSE_FILE": "other.yml", "COMPOSE_REMOVE_ORPHANS": "1"})
    given = commands.environment(PROJECT, passed, "unix:///run/docker.sock")
    assert given["COMPOSE_REMOVE_ORPHANS"] == "false"
    assert given["COMPOSE_FILE"] == ""
    assert given["COMPOSE_PROJECT_NAME"] == PROJECT.name
    assert given["COMPOSE_PARALLEL_LIMIT"] == "-1"
    assert "COMPOSE_PROFILES" not in given


@pytest.mark.parametrize(
    ("printed", "major"),
    [("2.24.6\n", 2), ("v5.6.1", 5), ("2.40.3-desktop.1", 2), ("1.29.2", 1), ("", None)],
)
def test_the_version_is_understood_however_it_is_written(printed: str, major: int | None) -> None:
    """Distributions add a `v` or a suffix."""
    assert commands.major(printed) == major


UNHEALTHY = b"""\
time="2026-11-23T05:06:17Z" level=warning msg="The \\"cret\\" variable is not set."
 Container koprogo-db-1 Started
 Container koprogo-db-1 Error dependency db failed to start
dependency failed to start: container koprogo-db-1 is unhealthy
"""


def test_the_last_words_are_without_progress_and_warnings() -> None:
    """A warning may repeat a piece of a password: `$` in an env file begins a variable."""
    said = failures.last_words(UNHEALTHY)
    assert said == "dependency failed to start: container koprogo-db-1 is unhealthy"


def test_a_panic_is_one_line() -> None:
    """Compose panics on some files; the trace helps nobody."""
    said = failures.last_words(b"panic: interface conversion\n\ngoroutine 1 [running]:\nmain()\n")
    assert said == "panic: interface conversion"


def test_a_missing_variable_is_named() -> None:
    """With the words that the release wrote about it."""
    error = failures.of_files(
        b"error while interpolating services.web.environment.PASS:"
        b" required variable PASS is missing a value: the SMTP password\n"
    )
    assert isinstance(error, NeedsOperator)
    assert error.code == "compose.variable_missing"
    assert error.message == "the compose files need a value for PASS (the SMTP password)"
    assert error.advice == "add a line PASS=value to the env file"


def test_a_missing_variable_goes_into_the_operators_file() -> None:
    """Its name is said."""
    printed = b"required variable PASS is missing a value: the SMTP password\n"
    error = failures.of_files(printed, (Path("/opt/koprogo/.env"),))
    assert error.advice == "add a line PASS=value to /opt/koprogo/.env"


@pytest.mark.parametrize(
    "printed",
    [
        b"env file /opt/koprogo/mail.env not found: stat /opt/koprogo/mail.env: no such file",
        b"Failed to load /opt/koprogo/mail.env: open /opt/koprogo/mail.env: no such file",
    ],
)
def test_a_missing_env_file_is_the_operators_to_write(printed: bytes) -> None:
    """It is not a fault of the release that a file of this machine is not there."""
    error = failures.of_files(printed)
    assert isinstance(error, NeedsOperator)
    assert "the env file /opt/koprogo/mail.env is not there" in error.message
    assert "write /opt/koprogo/mail.env" in error.advice


def test_any_other_fault_of_the_files_is_the_releases() -> None:
    """In compose's words."""
    error = failures.of_files(b"validating base.yml: services.web.imag false schema\n")
    assert isinstance(error, StepFailed)
    assert error.code == "compose.invalid"
    assert "services.web.imag false schema" in error.message


def test_what_failed_at_the_start_is_told_apart() -> None:
    """An image that went, a full disk, and a container that does not start."""
    gone = failures.of_start(b"Error response from daemon: No such image: ghcr.io/k/api:1\n")
    full = failures.of_start(b"Error response from daemon: write /x: no space left on device\n")
    unhealthy = failures.of_start(UNHEALTHY)
    assert (type(gone), gone.code) == (RetryLater, "image.absent")
    assert (type(full), full.code) == (RetryLater, "disk.full")
    assert (type(unhealthy), unhealthy.code) == (StepFailed, "compose.up_failed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$BARE-x", [("BARE", "", False)]),
        ("a$${NOT} $$NOT", []),
        ("${TAG:-latest} ${TAG2-old}", [("TAG", "latest", False), ("TAG2", "old", False)]),
        ("${NEED:?say why} ${NEED2?}", [("NEED", "", True), ("NEED2", "", True)]),
        ("${PLUS:+yes}", [("PLUS", "", False)]),
        ("${OUT:-${IN:-z}}!", [("OUT", "${IN:-z}", False), ("IN", "z", False)]),
        ("http://${HOST}:${PORT:-80}/", [("HOST", "", False), ("PORT", "80", False)]),
        ("${OPEN", [("OPEN", "", False)]),
    ],
)
def test_variables_are_read_by_composes_rules(
    text: str, expected: list[tuple[str, str, bool]]
) -> None:
    """Compose before 2.26 does not list them (Ubuntu 24.04 came with 2.24)."""
    found = [(one.name, one.default, one.required) for one in variables.in_text(text)]
    assert found == expected


def test_comments_use_no_variables_and_files_add_up(tmp_path: Path) -> None:
    """A variable is required where any use requires it."""
    base, override = tmp_path / "base.yml", tmp_path / "override.yml"
    base.write_text("# ${GONE:?}\nimage: a:${TAG}\n")
    override.write_text("  # ${GONE}\nimage: a:${TAG:?}\nx: ${A:-1}\n")
    assert variables.scanned((base, override)) == (
        Variable("A", "1", required=False, optional=True),
        Variable("TAG", "", required=True),
    )


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("${X}", True),
        ("${X:-}", False),
        ("${X-}", False),
        ("${X:+yes}", False),
        ("${X:-1}", False),
        ("${X:?why}", True),
        ("${X} ${X:-}", False),
        ("${X:-} ${X:?why}", True),
    ],
)
def test_what_needs_a_value(tmp_path: Path, text: str, *, needs: bool) -> None:
    """Not what the files have a value for, be it an empty one: KoproGo's files are full of them."""
    file = tmp_path / "compose.yml"
    file.write_text(f"x: {text}\n")
    (found,) = variables.scanned((file,))
    assert found.needs_value is needs
    listed = Variable("X", found.default, found.required)
    assert variables.with_optional((listed,), (file,)) == (found,)


@pytest.mark.parametrize("printed", [b"NAME REQUIRED\n", b"[]", b'{"A": {}}', b""])
def test_what_is_no_list_of_variables_is_not_taken_for_one(printed: bytes) -> None:
    """The first Composes that listed variables could only print a table."""
    assert variables.listed(printed) is None

"""The compose command line: what is typed, and in which environment. Nothing is run here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from koprogo_agent.ports import Project

_PASSED_ON = ("PATH", "HOME", "DOCKER_CONFIG")
_NEVER_FETCH = ("--no-build", "--pull", "never")
_VERSION = re.compile(r"v?(\d+)\.\d+")
OLDEST_MAJOR = 2
NETWORKS_SERVICE = "koprogo-agent-networks"

_NEUTRAL = {
    "COMPOSE_ANSI": "never",
    "COMPOSE_COMPATIBILITY": "false",
    "COMPOSE_CONVERT_WINDOWS_PATHS": "false",
    "COMPOSE_DISABLE_ENV_FILE": "false",
    "COMPOSE_ENV_FILES": "",
    "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
    "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
    "COMPOSE_FILE": "",
    "COMPOSE_IGNORE_ORPHANS": "false",
    "COMPOSE_MENU": "false",
    "COMPOSE_PARALLEL_LIMIT": "-1",
    "COMPOSE_PATH_SEPARATOR": ":",
    "COMPOSE_PROGRESS": "auto",
    "COMPOSE_REMOVE_ORPHANS": "false",
    "COMPOSE_STATUS_STDOUT": "false",
}
"""Default values of Compose's own variables.

Compose also reads them from the env file, unless they are set in its environment. The operator may
have set them there for manual commands; the agent's commands must not depend on them.
COMPOSE_PROFILES stays the operator's: it selects services, as the compose files do. Compose files
from elsewhere (`include` of a git or OCI address) are refused: they are not signed. Source:
"Configure pre-defined environment variables in Docker Compose", and `setEnvWithDotEnv` of
docker/compose.
"""

Program = tuple[str, ...]
PROGRAMS: tuple[Program, ...] = (("docker", "compose"), ("docker-compose",))
"""Ways to call Compose, best first: the plugin is what Docker's own packages install."""


def passed_on(own: Mapping[str, str]) -> dict[str, str]:
    """What compose gets of the agent's own environment: how to find its plugin and credentials.

    With more, a variable of the daemon could fill in a `${VARIABLE}` of the compose files.
    """
    return {name: own[name] for name in _PASSED_ON if name in own}


def environment(project: Project, passed: Mapping[str, str], host: str) -> dict[str, str]:
    """The whole environment of a command; the project cannot choose another engine.

    Nor can its env files change what a command does (`_NEUTRAL`).
    """
    own = {**_NEUTRAL, "COMPOSE_PROJECT_NAME": project.name, "DOCKER_HOST": host}
    return {**project.environment, **passed, **own}


def version(program: Program) -> list[str]:
    """Prints the version of Compose."""
    return [*program, "version", "--short"]


def major(printed: str) -> int | None:
    """The major version in what `version` printed, or None where it is not a version."""
    found = _VERSION.match(printed.strip())
    return int(found[1]) if found else None


def config(program: Program, project: Project) -> list[str]:
    """Prints the resolved model."""
    return [*_base(program, project), "config", "--format", "json"]


def hashes(program: Program, project: Project) -> list[str]:
    """Prints the hash of each service's definition, by which compose tells what has changed."""
    return [*_base(program, project), "config", "--hash", "*"]


def variables(program: Program, project: Project) -> list[str]:
    """Prints the variables that the files use; Compose before 2.26 cannot."""
    return [*_base(program, project), "config", "--variables", "--format", "json"]


def up(program: Program, project: Project, services: Sequence[str]) -> list[str]:
    """Creates, recreates and starts.

    Never with `--remove-orphans`: an operator may run containers of their own from another file
    in the same folder, which compose counts to the same project. Services that a release drops
    are discarded by name. From Compose 2.24 on, `--no-deps` recreates nothing by itself; before,
    it did so once with what depends on others, when plain `up` had made it.
    """
    return [*_base(program, project), "up", "--detach", *_NEVER_FETCH, *_only(services)]


def create(program: Program, project: Project, services: Sequence[str]) -> list[str]:
    """Creates and recreates without starting; `compose create` would include dependencies."""
    return [*_base(program, project), "up", "--no-start", *_NEVER_FETCH, *_only(services)]


def networks(program: Program, project: Project) -> list[str]:
    """Creates the networks of a service that has no containers, and is defined on standard input.

    Compose then makes those anew whose definition has changed, and touches no container.
    """
    return [*_base(program, project), *_NETWORKS_FILE, *_NETWORKS_UP]


def networks_dry_run(program: Program, project: Project) -> list[str]:
    """Prints what `networks` would do; Compose before 2.17 cannot."""
    return [*_base(program, project), *_NETWORKS_FILE, "--dry-run", *_NETWORKS_UP]


_NETWORKS_FILE = ("--file", "-")
_NETWORKS_UP = ("up", "--no-start", *_NEVER_FETCH, "--no-deps", "--", NETWORKS_SERVICE)


def networks_service(networks: Sequence[str]) -> bytes:
    """The compose file that defines that service; its image is never looked for."""
    service = {"image": "none", "networks": list(networks), "deploy": {"replicas": 0}}
    return json.dumps({"services": {NETWORKS_SERVICE: service}}).encode()


def run(
    program: Program, project: Project, service: str, command: Sequence[str], name: str
) -> list[str]:
    """Starts a one-off container, to which Traefik does not route; returns while it runs."""
    options = _one_off(name)
    return [*_base(program, project), "run", *options, "--", service, *command]


def beside(
    program: Program, project: Project, service: str, environment: Mapping[str, str]
) -> list[str]:
    """Starts a container beside a service's own, to which Traefik does not route."""
    options = _one_off(beside_name(project.name, service))
    changed = [word for item in sorted(environment.items()) for word in ("--env", "=".join(item))]
    return [*_base(program, project), "run", *options, *changed, "--", service]


def _one_off(name: str) -> list[str]:
    # It has its service's labels, and would get requests if it has no health check.
    unrouted = ("--label", "traefik.enable=false")
    return ["--detach", "--no-deps", "--no-TTY", "--name", name, *unrouted]


def beside_name(project_name: str, service: str) -> str:
    """The name of the container beside a service's own; always the same, as `one_off_name`."""
    return f"{project_name}-{service}-koprogo-agent-beside"


def one_off_name(project_name: str, service: str) -> str:
    """The name of the agent's one-off container of a service.

    Always the same, so that what a killed agent left behind is found, and cannot run twice.
    """
    return f"{project_name}-{service}-koprogo-agent-once"


def _base(program: Program, project: Project) -> list[str]:
    return [
        *program,
        *("--ansi", "never"),
        *("--project-name", project.name),
        *("--project-directory", str(project.directory)),
        *(part for path in project.files for part in ("--file", str(path))),
        *(part for path in project.env_files for part in ("--env-file", str(path))),
    ]


def _only(services: Sequence[str]) -> list[str]:
    return ["--no-deps", "--", *services] if services else []

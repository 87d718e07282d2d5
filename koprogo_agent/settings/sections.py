"""The sections of the configuration file, each key with its default and its meaning."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from koprogo_agent.settings.values import (
    AbsolutePath,
    Count,
    DailyTime,
    Name,
    Port,
    ProjectName,
    RepositoryPath,
    Seconds,
    VariableName,
    WindowText,
    check_source_url,
)


class Section(BaseModel):
    """What all sections are: frozen, and without a key that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Source(Section):
    """Where releases come from."""

    ca_file: AbsolutePath | None = Field(
        None, description="PEM file with the only authorities that may vouch for the git server"
    )
    allow_protocols: tuple[Literal["https", "http", "ssh", "git", "file"], ...] = Field(
        ("https",), min_length=1, description="protocols that git may use at all"
    )
    url: str = Field(
        "https://github.com/gilmry/koprogo.git",
        description="git repository whose signed tags are the releases, without a password in it",
    )
    trust_branch: Name = Field(
        "trust", description="branch with the trust roots and the freshness document"
    )
    interval: Seconds = Field(180, ge=1, description="seconds from one poll to the next")
    timeout: Seconds = Field(60, description="seconds after which one git command is given up")
    max_bytes: int = Field(
        64 * 1024 * 1024, ge=64 * 1024, description="most bytes that one fetch may bring"
    )

    @field_validator("url")
    @classmethod
    def _url_is_allowed(cls, url: str, info: ValidationInfo) -> str:
        check_source_url(url, info.data.get("allow_protocols"))
        return url


class Trust(Section):
    """Whose releases are accepted."""

    directory: AbsolutePath = Field(
        Path("/etc/koprogo-agent/trust"),
        description="folder with root.json, the trust root of this machine; root's alone to write",
    )
    require_freshness: bool = Field(
        default=True,
        description="false installs releases also while nobody vouches that they are the newest",
    )
    require_manifest: bool = Field(
        default=True, description="false also accepts signed tags that carry no release manifest"
    )
    product: Name = Field("koprogo", description="product that a manifest must be for")
    channel: Name = Field("stable", description="channel whose releases are installed")


class Stack(Section):
    """The compose project that the agent keeps current."""

    project: ProjectName = Field(
        "koprogo", description="name of the compose project, as `docker compose ls` shows it"
    )
    directory: AbsolutePath = Field(
        Path("/opt/koprogo"),
        description="folder that a release's files are laid in, as the repository has them",
    )
    compose_files: tuple[RepositoryPath, ...] = Field(
        (
            "infrastructure/_shared/docker-compose/docker-compose.base.yml",
            "infrastructure/monosite/vps/production/docker-compose.override.yml",
        ),
        min_length=1,
        description="compose files of the release in order, as paths in the repository",
    )
    env_files: tuple[AbsolutePath, ...] = Field(
        (Path("/opt/koprogo/infrastructure/monosite/vps/production/.env"),),
        description="your env files with the values for the compose files; read, never written",
    )
    overrides: tuple[AbsolutePath, ...] = Field(
        (), description="your own compose files, put after the release's; read, never written"
    )
    image_tag_variable: str = Field(
        "IMAGE_TAG",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="variable of the compose files that chooses the version of the images",
    )
    image_tag: str = Field(
        "{version}",
        pattern=r"^(?:[A-Za-z0-9_.-]|\{tag\}|\{version\}){1,128}$",
        description="its value: {version} becomes 1.2.3, {tag} becomes v1.2.3",
    )
    ingress: tuple[Name, ...] = Field(
        ("traefik",), description="services through which users come in"
    )
    ingress_project: ProjectName | None = Field(
        None,
        description="compose project of the ingress, where that is another one: it is asked, never"
        " stopped or changed",
    )
    writers: tuple[Name, ...] = Field(
        ("backend",), min_length=1, description="services that write to the database"
    )
    docker_host: str | None = Field(
        None,
        pattern=r"^(?:unix|tcp|npipe)://",
        description="address of the Docker engine; unset means the engine's usual socket",
    )

    @property
    def own_ingress(self) -> tuple[str, ...]:
        """The services of this project that users come in through: those that may be stopped."""
        return () if self.ingress_project else self.ingress


class Database(Section):
    """The PostgreSQL that is copied, backed up and put back."""

    service: Name = Field("postgres", description="service that runs PostgreSQL")


class Migration(Section):
    """How a release changes the database's schema."""

    kind: Literal["start", "command", "service"] = Field(
        "start",
        description='"start": the service migrates when it starts; "command": a command in its'
        ' image does; "service": it is a service of its own that migrates and ends',
    )
    service: Name = Field("backend", description="service that migrates")
    command: tuple[str, ...] = Field((), description='what to run with kind = "command"')
    timeout: Seconds = Field(1800, description="seconds after which a migration has failed")
    path: RepositoryPath = Field(
        "backend/migrations",
        description="folder of the migrations in the repository; a manifest's own wins",
    )

    @model_validator(mode="after")
    def _command_belongs_to_its_kind(self) -> Self:
        if (self.kind == "command") != bool(self.command):
            raise ValueError('command must be given with kind = "command", and only then')
        return self


class Gate(Section):
    """When a stack counts as healthy."""

    samples: Count = Field(3, description="good looks in a row that make a stack healthy")
    interval: Seconds = Field(2, description="seconds from one look to the next")
    closed_interval: Seconds = Field(
        0.1,
        description="the same between good looks while users wait, where it is shorter",
    )
    deadline: Seconds = Field(180, description="seconds within which it must be healthy")
    max_deadline: Seconds = Field(
        1800, description="the same while the database is seen to work on a migration"
    )
    max_restarts: int = Field(
        2, ge=0, le=1000, description="restarts of one container after which it has failed"
    )

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.samples * self.interval > self.deadline:
            raise ValueError("deadline is too short for samples x interval; make it longer")
        if self.max_deadline < self.deadline:
            raise ValueError("max_deadline must not be shorter than deadline")
        return self


class Probe(Section):
    """One HTTP question that a healthy stack answers."""

    name: Name = Field(description="what messages call it")
    service: Name | None = Field(
        None, description="service that is asked directly, at its container's address"
    )
    port: Port | None = Field(None, description="port in that container")
    path: str = Field("/", pattern=r"^/\S*$", description="path that is asked for there")
    url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@]+$",
        description="where users ask the same; asked once the ingress is open",
    )
    host: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9.:\[\]-]+$",
        description="Host header to send, where the ingress or the service goes by it",
    )
    status: int = Field(200, ge=100, le=599, description="status code of a good answer")
    contains: dict[str, str] = Field(
        {}, description="members that the JSON answer must have, with these values"
    )

    @model_validator(mode="after")
    def _asks_somewhere(self) -> Self:
        if (self.service is None) != (self.port is None):
            raise ValueError("service and port go together; give both or neither")
        if self.service is None and self.url is None:
            raise ValueError("nothing to ask; give service and port, or url, or all three")
        return self


class Soak(Section):
    """Watching after an update is done."""

    duration: float = Field(
        300, ge=0, le=86400, description="seconds to go on watching; 0 watches no longer"
    )
    interval: Seconds = Field(15, description="seconds from one look to the next")


class Hold(Section):
    """Keeping users from noticing that containers are exchanged."""

    image: str = Field(
        "docker.io/library/haproxy:3.0-alpine"
        "@sha256:7c8dac975b9def049d6585b7efe865486acaa7b6ec5e74eec45f08fde8bb2ad4",
        pattern=r"^[a-z0-9][\w./:@-]+$",
        description="image of the waiting room: HAProxy 2.6 or later with Lua, and wget",
    )
    limit: Seconds = Field(
        45,
        le=600,
        description="seconds for which a request waits at most; then it gets a page that says so",
    )
    beside: bool = Field(
        default=True,
        description="whether the new version may serve beside the old one, where no schema changes;"
        " false: requests wait",
    )
    connections: Count = Field(
        4, description="database connections that must be free for the new version beside the old"
    )
    environment: dict[str, str] = Field(
        {"DB_POOL_MAX_CONNECTIONS": "2", "DB_POOL_MIN_CONNECTIONS": "1"},
        description="environment of the new version while it serves beside the old one only",
    )
    ingress_memory: int = Field(
        384,
        ge=0,
        description="MB that the ingress may take at least from the first hold on, as each request"
        " that waits costs it some; 0 leaves its limit alone",
    )


class Rehearsal(Section):
    """Trying a release on a copy of the data before anything stops."""

    when: Literal["always", "schema", "never"] = Field(
        "always", description='"schema" rehearses only releases that change the schema'
    )
    timeout: Seconds = Field(
        900, description="seconds within which the release must be healthy in the rehearsal"
    )
    leave_out: tuple[Name, ...] = Field(
        (), description="services that do not come along, although the writers depend on them"
    )
    environment: dict[VariableName, str] = Field(
        {}, description="environment variables that the writers get in the rehearsal only"
    )


class Backup(Section):
    """Verified dumps of the database, for disasters."""

    directory: AbsolutePath = Field(
        Path("/var/lib/koprogo-agent/backups"), description="folder in which they are kept"
    )
    before_update: bool = Field(default=True, description="one before every update")
    daily_at: DailyTime = Field(
        time(3, 30), description='local time of the daily one, as "03:30"; "" means none'
    )
    keep_daily: Count = Field(7, description="how many daily ones are kept")
    keep_updates: Count = Field(3, description="how many from before updates are kept")


class Policy(Section):
    """When the agent acts by itself."""

    automatic: bool = Field(
        default=True,
        description="false only reports releases; install them by `koprogo-agent update`",
    )
    windows: tuple[WindowText, ...] = Field(
        (), description='local hours in which updates may begin, as "Mon-Fri 22:00-06:00"'
    )
    drift: Literal["repair", "report", "heal"] = Field(
        "repair",
        description="what to do when the stack is not as it was installed;"
        ' "repair": put right what takes it down or runs an older release, at most 3 times an hour;'
        ' "heal": every difference; "report": nothing',
    )
    poll_stale_after: Seconds = Field(
        3600, description="seconds without a successful poll after which the state is stale"
    )


class Notify(Section):
    """Whom to tell."""

    urls: tuple[SecretStr, ...] = Field(
        (), description="Apprise addresses, such as mailto:// or ntfy://; kept secret"
    )

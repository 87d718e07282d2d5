"""A compose project in a folder of its own, driven through the port `Stack`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from koprogo_agent.adapters.compose import ComposeStack
from koprogo_agent.domain.gate import Container
from koprogo_agent.ports import Project
from tests.lab.engine import Engine
from tests.lab.processes import wait_until
from tests.lab.stack import compose_program

SLEEP = ["sh", "-c", "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done"]
HEALTHY = {"test": ["CMD", "true"], "interval": "0.2s", "retries": 1}


@dataclass
class Bench:
    """A compose project in a folder of its own, and the adapter to drive it with."""

    project: Project
    stack: ComposeStack
    client: docker.DockerClient
    image: str
    services: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the project."""
        return self.project.name

    @property
    def own(self) -> dict[str, Any]:
        """The engine's filter for what belongs to the project."""
        return {"label": [f"com.docker.compose.project={self.name}"]}

    @property
    def one_offs(self) -> dict[str, Any]:
        """The engine's filter for the project's one-off containers."""
        return {"label": [*self.own["label"], "com.docker.compose.oneoff=True"]}

    def service(self, name: str, **entry: Any) -> None:  # noqa: ANN401 - as in a compose file
        """Write a service, which sleeps unless it says otherwise, into the compose file."""
        base = {"image": f"{self.image}:1", "entrypoint": [], "command": SLEEP, "init": True}
        self.services[name] = base | entry
        self.write(self.project.files[0], {"services": self.services})

    def write(self, path: Path, content: Mapping[str, Any]) -> Path:
        """Write a compose file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def up(self, project: Project | None = None, *services: str) -> dict[str, str]:
        """Bring it up; gives the container's id for each service."""
        self.stack.up(project or self.project, services)
        return {name: one.id for name, one in self.look().items()}

    def look(self) -> dict[str, Container]:
        """The containers by service."""
        return {one.service: one for one in self.stack.containers(self.name)}

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the engine does by itself."""
        wait_until(condition, 20, what)


def stack_of(engine: Engine, **environment: str) -> ComposeStack:
    """The adapter, with the Compose that the development dependencies bring."""
    path = f"{Path(compose_program()).parent}:{os.environ['PATH']}"
    return ComposeStack(engine.host, {"PATH": path, "HOME": "/nonexistent"} | environment, 30)


def unseen() -> None:
    """Nobody watches a one-off."""

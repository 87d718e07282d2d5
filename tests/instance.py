"""An agent configured for a lab's stack: the real command line and the real engine on it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from koprogo_agent.domain.plan import Action
from koprogo_agent.errors import Failure
from koprogo_agent.settings import Settings, load
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.operation import Facts
from koprogo_agent.wiring import open_agent
from tests.lab.lab import Lab
from tests.lab.stack import COMPOSE_FILES, MIGRATIONS
from tests.lab.typist import type_in

QUICK_GATE = {"samples": 2, "interval": 0.5, "deadline": 25, "max_deadline": 60}
PATIENT_GATE = {**QUICK_GATE, "deadline": 90, "max_deadline": 120}
"""For slow machines, and for busy ones: a first installation follows the lab's own beginning."""


@dataclass
class Seen:
    """A watcher that remembers what it was told, and can interfere at a step's boundary."""

    actions: list[str] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    at: Callable[[str, str], None] = lambda _boundary, _action: None

    def begins(self, action: Action, tag: str) -> None:  # noqa: ARG002 - the port's
        """Remembers the action."""
        self.actions.append(str(action))
        self.at("before", str(action))

    def goes_on(self, note: str, done: int, total: int) -> None:
        """Progress is not remembered."""

    def finished(self, action: Action, seconds: float, facts: Facts) -> None:
        """Remembers what was learned and how long it took."""
        self.facts[str(action)] = facts
        self.seconds[str(action)] = seconds
        self.at("after", str(action))

    def broke(self, action: Action, failure: Failure) -> None:  # noqa: ARG002 - the port's
        """Remembers the failure."""
        self.failures.append(failure)


@dataclass(frozen=True)
class Instance:
    """One agent.

    Attributes:
        lab: the lab whose stack it keeps.
        tree: the stack's folder.
        config: its configuration file.
    """

    lab: Lab
    tree: Path
    config: Path

    @classmethod
    def create(cls, lab: Lab, **sections: Mapping[str, Any]) -> Instance:
        """Writes configuration and trust for a lab; `sections` change keys of the sections."""
        root = lab.root / "agent"
        trust = root / "trust"
        trust.mkdir(parents=True, mode=0o755)
        (trust / "root.json").write_bytes(lab.association.files["root/1.json"])
        tree = lab.stack.tree
        tree.mkdir(parents=True, exist_ok=True)
        return cls(lab, tree, root / "config.toml").changed(**sections)

    def give_root(self, raw: bytes) -> None:
        """Gives the machine another trust root, as an operator does."""
        (self.root / "trust" / "root.json").write_bytes(raw)

    def changed(self, **sections: Mapping[str, Any]) -> Instance:
        """The same instance with other values in its configuration."""
        merged = {
            name: {**values} for name, values in _defaults(self.lab, self.root, self.tree).items()
        }
        for name, values in sections.items():
            merged[name] = {**merged.get(name, {}), **values}
        text = _toml(merged, _probe(self.lab))
        name = hashlib.sha256(text.encode()).hexdigest()[:8]
        config = self.root / f"config-{name}.toml"
        config.write_text(text)
        return replace(self, config=config)

    @property
    def root(self) -> Path:
        """The agent's folders lie below it."""
        return self.lab.root / "agent"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the agent runs."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.lab.root),
            "LC_ALL": "C.UTF-8",
            "DOCKER_HOST": self.lab.engine.host,
            "DOCKER_CONFIG": str(self.lab.docker_config),
            "KOPROGO_AGENT_CONFIG": str(self.config),
        }

    @property
    def settings(self) -> Settings:
        """The settings as the agent reads them."""
        return load(self.config)

    @contextmanager
    def engine(self, watcher: Seen | None = None) -> Iterator[Engine]:
        """The engine in this process."""
        os.environ.update({k: v for k, v in self.environment.items() if k != "HOME"})
        with open_agent(self.settings, watcher or Seen(), lambda: False) as agent:
            yield agent.engine

    def type(self, *words: str, seconds: int = 240) -> subprocess.CompletedProcess[str]:
        """What somebody types at a terminal: `koprogo-agent WORDS`."""
        return type_in(("koprogo-agent", *words), self.environment, self.lab.root, seconds)


def words_of_init(lab: Lab, file: Path) -> tuple[str, ...]:
    """What an operator types to have a file written for a lab's stack; beside it lies the root."""
    root = file.with_name("given.json")
    root.write_bytes(lab.association.files["root/1.json"])
    return (
        *("config", "init", "--yes", "--config", str(file), "--project", lab.name),
        *("--docker-host", lab.engine.host, "--env-file", str(lab.stack.env_file)),
        *("--source-url", lab.origin.url, "--source-ca", str(lab.origin.ca_file)),
        *("--trust-root", str(root)),
    )


def _defaults(lab: Lab, root: Path, tree: Path) -> dict[str, dict[str, Any]]:
    room = lab.publisher.room
    return {
        "source": {"url": lab.origin.url, "ca_file": str(lab.origin.ca_file)},
        "trust": {"directory": str(root / "trust")},
        "stack": {
            "project": lab.stack.project,
            "directory": str(tree),
            "compose_files": list(COMPOSE_FILES),
            "env_files": [str(lab.stack.env_file)],
            "image_tag": "{version}",
            "ingress": [lab.stack.ingress.service],
            "writers": ["backend"],
            "docker_host": lab.engine.host,
        },
        "hold": {"image": f"{room.repository}@{room.digest}"},
        "migration": {"path": MIGRATIONS},
        "gate": dict(QUICK_GATE),
        "soak": {"duration": 0},
        "rehearsal": {"timeout": 60},
        "backup": {"directory": str(root / "backups"), "daily_at": ""},
        "policy": {},
        "state": {"directory": str(root / "state"), "run_directory": str(root / "run")},
    }


def _probe(lab: Lab) -> dict[str, Any]:
    return {
        "name": "health",
        "service": "backend",
        "port": 8080,
        "path": "/api/v1/health",
        "url": f"{lab.stack.url}/api/v1/health",
        "host": lab.stack.api_domain,
        "contains": {"status": "ok"},
    }


def _toml(sections: Mapping[str, Mapping[str, Any]], probe: Mapping[str, Any]) -> str:
    lines: list[str] = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    lines += ["[[probe]]", *(f"{key} = {_value(value)}" for key, value in probe.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A TOML value: JSON's, but for tables."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)

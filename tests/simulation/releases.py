"""The release manager of the fake world: writes compose files, builds images, signs and tags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypedDict, Unpack

from koprogo_agent.domain.armour import Purpose
from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.cosignatures import write_cosignatures
from koprogo_agent.domain.manifest import BEGIN, END
from koprogo_agent.domain.tags import TagRef
from tests.simulation.clock import EPOCH
from tests.simulation.images import Program, Registry
from tests.simulation.origin import KEY, Origin, tag_object
from tests.simulation.signing import sign

BACKEND = "registry.example/koprogo/backend"
FRONTEND = "registry.example/koprogo/frontend"
COMPOSE_FILES = ("compose/base.yml", "compose/production.yml")
INGRESS_FILE = "compose/haproxy.cfg"
MIGRATIONS = "backend/migrations"

FIXED: Mapping[str, Program] = {
    "proxy:2": Program("server", start_seconds=0.0),
    "postgres:15": Program("postgres"),
    "storage:1": Program("server"),
    "bootstrap:1": Program("shot"),
}
"""The images that releases do not choose."""

_UP = {"restart": "unless-stopped"}
_CHECKED = {**_UP, "healthcheck": {"test": ["CMD", "ask"]}}


def services(more: Mapping[str, Any]) -> dict[str, Any]:
    """The services of the base file."""
    on_database = {"depends_on": {"postgres": {"condition": "service_healthy"}}}
    return {
        "ingress": {
            **_UP,
            "image": "proxy:2",
            "depends_on": {"backend": {"condition": "service_healthy"}},
            "volumes": [{"type": "bind", "source": "./haproxy.cfg", "target": "/etc/haproxy.cfg"}],
        },
        "postgres": {**_CHECKED, "image": "postgres:15"},
        "storage": {**_CHECKED, "image": "storage:1"},
        "bootstrap": {
            "restart": "no",
            "image": "bootstrap:1",
            "depends_on": {"storage": {"condition": "service_healthy"}},
        },
        "backend": {
            **_CHECKED,
            **on_database,
            "image": BACKEND + ":${IMAGE_TAG}",
            "environment": {"JWT_SECRET": "${JWT_SECRET}", "TZ": "${TZ:-Europe/Brussels}"},
        },
        "frontend": {**_UP, "image": FRONTEND + ":${IMAGE_TAG}"},
        **{name: dict(one) for name, one in more.items()},
    }


MIGRATOR: Mapping[str, Any] = {
    "migrator": {
        "restart": "no",
        "image": BACKEND + ":${IMAGE_TAG}",
        "command": ["migrate"],
        "depends_on": {"postgres": {"condition": "service_healthy"}},
    }
}
"""The service that migrates, for stacks that have one."""


class Traits(TypedDict, total=False):
    """How a release is out of the ordinary.

    Attributes:
        schema: whether it brings a migration.
        backend: how its backend behaves, as fields of `Program`.
        manifest: members of the manifest that are otherwise.
        works_with: older versions that work on its schema.
        legacy: whether it has no manifest.
        key: who signs the tag.
        cosigners: who vouches for the manifest besides.
        environment: variables that its backend needs besides.
        ingress: content of the ingress's configuration.
        frontend: the release from which it takes its frontend unchanged.
    """

    schema: bool
    backend: Mapping[str, Any]
    manifest: Mapping[str, Any]
    works_with: Sequence[str]
    legacy: bool
    key: str
    cosigners: Sequence[str]
    environment: Mapping[str, str]
    ingress: str
    frontend: str


@dataclass
class Publisher:
    """Publishes releases, each on what the last sound one left.

    Attributes:
        migrations: that the next release builds on.
        common: what all backends have in common, as `migrates_at_start`.
        more: further services of the compose files.
        restart: the restart policy of what is to stay up.
    """

    origin: Origin
    registry: Registry
    migrations: tuple[int, ...] = (1,)
    counter: int = 0
    common: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    restart: str = "unless-stopped"

    def publish(self, version: str, **traits: Unpack[Traits]) -> TagRef:
        """Publishes a release; a sound one is what the next builds on."""
        self.counter += 1
        added = (self.counter * 10,) if traits.get("schema") else ()
        migrations = (*self.migrations, *added)
        behaviour = {**self.common, **traits.get("backend", {})}
        images = {
            BACKEND: Program("backend", version, migrations, **behaviour),
            FRONTEND: Program("server", traits.get("frontend", version)),
        }
        for name, one in images.items():
            for tag in (version, f"v{version}"):
                self.registry.publish(name, tag, one)
        files = self._files(traits)
        folder = {f"{MIGRATIONS}/{one:04}.sql": f"-- {one}\n".encode() for one in migrations}
        commit = self.origin.commit({**files, **folder}, version)
        manifest = self._manifest(version, commit, images, files)
        manifest["migrations"]["works_with"] = list(traits.get("works_with", ()))
        manifest |= traits.get("manifest", {})
        line = encode(manifest)
        block = "" if traits.get("legacy") else f"\n{BEGIN}\n{line.decode()}\n{END}\n"
        cosigners = traits.get("cosigners", ())
        block += write_cosignatures([sign(one, Purpose.RELEASE, line) for one in cosigners])
        message = f"KoproGo {version}\n{block}"
        if not behaviour.get("exits") and behaviour.get("migration", "runs") == "runs":
            self.migrations = migrations
        raw = tag_object(f"v{version}", commit, message, traits.get("key", KEY))
        return self.origin.tag(f"v{version}", raw)

    def withdraw(self, version: str) -> dict[str, Program]:
        """Takes the backend's image of a release out of the registry."""
        return self.registry.withdraw(self.registry.published[f"{BACKEND}:v{version}"])

    def _files(self, traits: Traits) -> dict[str, bytes]:
        base = services(self.more)
        for one in base.values():
            one["restart"] = "no" if one["restart"] == "no" else self.restart
        base["backend"]["environment"] |= traits.get("environment", {})
        production = {"services": {"backend": {"mem_limit": "1g"}}}
        return {
            COMPOSE_FILES[0]: json.dumps({"services": base}).encode(),
            COMPOSE_FILES[1]: json.dumps(production).encode(),
            INGRESS_FILE: f"# {traits.get('ingress', 'plain')}\n".encode(),
        }

    def _manifest(
        self,
        version: str,
        commit: str,
        images: Mapping[str, Program],
        files: Mapping[str, bytes],
    ) -> dict[str, Any]:
        return {
            "format": 1,
            "product": "koprogo",
            "channel": "stable",
            "version": version,
            "counter": self.counter,
            "commit": commit,
            "images": {
                name.rpartition("/")[2]: {"repository": name, "digest": one.digest}
                for name, one in images.items()
            },
            "files": {path: hashlib.sha256(text).hexdigest() for path, text in files.items()},
            "migrations": {"path": MIGRATIONS, "works_with": []},
            "upgrade_from": [">=1.0.0"],
            "agent_min": "0.1.0",
            "severity": "routine",
            "issued": f"{EPOCH:%Y-%m-%dT%H:%M:%SZ}",
            "expires": f"{EPOCH + timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}",
        }

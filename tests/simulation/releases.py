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
    "haproxy:3": Program("room"),
}
"""The images that releases do not choose."""

_HEALTHY = {"condition": "service_healthy"}
_ENDED = {"condition": "service_completed_successfully"}
_UP = {"restart": "unless-stopped"}
_CHECKED = {**_UP, "healthcheck": {"test": ["CMD", "ask"]}}


def routed(service: str, port: int) -> dict[str, str]:
    """The labels by which Traefik routes to a service."""
    return {
        "traefik.enable": "true",
        f"traefik.http.routers.{service}.rule": f"Host(`{service}.example`)",
        f"traefik.http.services.{service}.loadbalancer.server.port": str(port),
    }


def services(more: Mapping[str, Any]) -> dict[str, Any]:
    """The services of the base file."""
    storage = {"S3_ENDPOINT": "http://storage:9000"}
    return {
        "ingress": {
            "mem_limit": 128,
            **_UP,
            "image": "proxy:2",
            "depends_on": {"backend": _HEALTHY},
            "volumes": [{"type": "bind", "source": "./haproxy.cfg", "target": "/etc/haproxy.cfg"}],
        },
        "postgres": {**_CHECKED, "image": "postgres:15"},
        "storage": {**_CHECKED, "image": "storage:1"},
        "bootstrap": {
            "restart": "no",
            "image": "bootstrap:1",
            "depends_on": {"storage": _HEALTHY},
            "environment": storage,
        },
        "backend": {
            **_CHECKED,
            "depends_on": {"postgres": _HEALTHY, "storage": _HEALTHY},
            "image": BACKEND + ":${IMAGE_TAG}",
            "labels": routed("backend", 8080),
            "environment": {"JWT_SECRET": "${JWT_SECRET}", "TZ": "${TZ:-Europe/Brussels}"}
            | storage,
        },
        "frontend": {
            **_UP,
            "image": FRONTEND + ":${IMAGE_TAG}",
            "labels": routed("frontend", 80),
        },
        **{name: dict(one) for name, one in more.items()},
    }


MIGRATOR: Mapping[str, Any] = {
    "migrator": {
        "restart": "no",
        "image": BACKEND + ":${IMAGE_TAG}",
        "command": ["migrate"],
        "depends_on": {"postgres": _HEALTHY},
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
        networks: the networks of the compose files.
        needs: further services that the backend depends on.
        awaits: further services for whose end the backend waits.
        restart: the restart policy of what is to stay up.
        routed: whether the ingress routes by labels, as Traefik does, or has fixed routes.
    """

    origin: Origin
    registry: Registry
    migrations: tuple[int, ...] = (1,)
    counter: int = 0
    common: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()
    restart: str = "unless-stopped"
    routed: bool = True

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
            if one["restart"] == "unless-stopped":
                one["restart"] = self.restart
            if not self.routed:
                one.pop("labels", None)
        base["backend"]["environment"] |= traits.get("environment", {})
        base["backend"]["depends_on"] |= dict.fromkeys(self.needs, _HEALTHY)
        base["backend"]["depends_on"] |= dict.fromkeys(self.awaits, _ENDED)
        production = {"services": {"backend": {"mem_limit": "1g"}}}
        return {
            COMPOSE_FILES[0]: json.dumps(
                {"services": base, "networks": dict(self.networks)}
            ).encode(),
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

"""The scratch project of a rehearsal: what comes along, in which order, and what never does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from koprogo_agent.domain.rehearsal import (
    RehearsalTerms,
    prompt_check,
    scratch_model,
)
from koprogo_agent.domain.scratch_files import HostPaths, ReleaseFiles

ROOT = "/opt/koprogo"
STAGED = "/var/lib/agent/releases/v1/files"
HEALTHY = {"condition": "service_healthy"}
ENDED = {"condition": "service_completed_successfully"}
CHECK = {"test": ["CMD", "ask"], "interval": "30s", "timeout": "10s", "retries": 3}

KOPROGO: dict[str, Any] = {
    "services": {
        "traefik": {
            "image": "traefik:3",
            "restart": "unless-stopped",
            "ports": [{"target": 80, "published": "80"}],
            "volumes": [
                {
                    "type": "bind",
                    "source": "/var/run/docker.sock",
                    "target": "/var/run/docker.sock",
                    "read_only": True,
                }
            ],
        },
        "postgres": {
            "image": "postgres:15",
            "restart": "unless-stopped",
            "container_name": "koprogo-postgres",
            "command": ["postgres", "-c", "shared_preload_libraries=pg_stat_statements"],
            "volumes": [{"type": "volume", "source": "postgres_data", "target": "/data"}],
            "healthcheck": {**CHECK, "interval": "10s", "retries": 5},
        },
        "minio": {
            "image": "minio:1",
            "restart": "unless-stopped",
            "container_name": "koprogo-minio",
            "volumes": [{"type": "volume", "source": "minio_data", "target": "/data"}],
            "healthcheck": CHECK,
        },
        "minio-bootstrap": {"image": "mc:1", "depends_on": {"minio": HEALTHY}},
        "backend": {
            "image": "backend@sha256:1",
            "restart": "unless-stopped",
            "container_name": "koprogo-backend",
            "labels": {"traefik.enable": "true"},
            "environment": {"PASSWORD": "a$b", "STORAGE_PROVIDER": "s3"},
            "depends_on": {"postgres": HEALTHY, "minio": HEALTHY},
            "volumes": [{"type": "volume", "source": "uploads", "target": "/app/uploads"}],
            "deploy": {"resources": {"limits": {"memory": "384M"}}},
            "healthcheck": {**CHECK, "start_period": "40s"},
            "networks": {"koprogo": {"aliases": ["api"], "ipv4_address": "10.0.0.2"}},
        },
        "frontend": {
            "image": "frontend@sha256:1",
            "restart": "unless-stopped",
            "depends_on": {"backend": HEALTHY},
        },
    },
    "volumes": {
        "postgres_data": {"name": "production_postgres_data"},
        "minio_data": {"name": "data", "external": True},
    },
    "networks": {"koprogo": {"name": "production", "external": True}},
}
"""The shape of KoproGo's stack."""

TERMS = RehearsalTerms(
    database="postgres",
    writers=("backend",),
    release=ReleaseFiles(ROOT, STAGED, frozenset({"conf/app.toml", "schema.sql"})),
)


def with_services(**more: dict[str, Any]) -> dict[str, Any]:
    """KoproGo's model with more services, or others."""
    return {**KOPROGO, "services": {**KOPROGO["services"], **more}}


def backend_with(**keys: object) -> dict[str, Any]:
    """KoproGo's model with other keys of the backend."""
    return with_services(backend={**KOPROGO["services"]["backend"], **keys})


def made(model: dict[str, Any], terms: RehearsalTerms = TERMS) -> dict[str, Any]:
    """The services of the compose file."""
    entries: dict[str, Any] = scratch_model(model, terms).document["services"]
    return entries


def test_koprogo() -> None:
    """The storage and what makes its bucket come along; the ingress and the frontend do not."""
    model = scratch_model(KOPROGO, TERMS)
    assert set(model.document["services"]) == {"postgres", "minio", "minio-bootstrap", "backend"}
    assert sorted(model.before[0]) == ["minio", "postgres"]
    assert model.before[1:] == (("minio-bootstrap",),)
    assert model.writers == ("backend",)
    assert model.one_shots == {"minio-bootstrap"}
    assert model.running == {"postgres", "minio", "backend"}


def test_alone() -> None:
    """One network without a way out, fresh volumes; no ports, names, labels, restarts."""
    document = scratch_model(KOPROGO, TERMS).document
    assert document["networks"] == {"scratch": {"internal": True}}
    assert document["volumes"] == {"postgres_data": {}, "minio_data": {}, "uploads": {}}
    backend = document["services"]["backend"]
    assert backend["environment"]["PASSWORD"] == "a$$b"
    assert backend["mem_limit"] == "384M"
    assert backend["restart"] == "no"
    assert set(backend["labels"]) == {"be.koprogo.agent.rehearsal"}
    assert not {"ports", "container_name", "depends_on", "deploy"} & backend.keys()


def test_reached_by_every_name() -> None:
    """By aliases and container names too, as in production."""
    entries = made(KOPROGO)
    assert entries["backend"]["networks"]["scratch"]["aliases"] == ["api", "koprogo-backend"]
    assert entries["minio"]["networks"]["scratch"]["aliases"] == ["koprogo-minio"]
    linked = made(backend_with(links=["minio:s3"]))
    assert linked["minio"]["networks"]["scratch"]["aliases"] == ["koprogo-minio", "s3"]


def test_dependencies_of_dependencies() -> None:
    """All that is needed comes along, however far; one-shots that others need end first."""
    model = with_services(
        minio={**KOPROGO["services"]["minio"], "depends_on": {"keys": ENDED}},
        keys={"image": "keys:1", "restart": "no", "depends_on": {"vault": HEALTHY}},
        vault={"image": "vault:1", "restart": "always"},
    )
    found = scratch_model(model, TERMS)
    order = [name for level in found.before for name in level]
    assert order.index("vault") < order.index("keys") < order.index("minio")
    assert order.index("minio") < order.index("minio-bootstrap")
    assert found.awaited == {"keys"}


@pytest.mark.parametrize(
    "service",
    [
        {"image": "x", "depends_on": {"backend": HEALTHY}},
        {"image": "x", "depends_on": {"minio": HEALTHY, "frontend": HEALTHY}},
        {"image": "x", "depends_on": {"minio": HEALTHY}, "restart": "always"},
        {"image": "x", "depends_on": {"minio": HEALTHY}, "healthcheck": CHECK},
        {"image": "x"},
    ],
)
def test_what_does_not_prepare_stays(service: dict[str, Any]) -> None:
    """What comes after the writers, needs more than comes along, stays up, or needs nothing."""
    assert "other" not in made(with_services(other=service))


def test_one_shots_in_a_row() -> None:
    """One that depends on another bootstrap comes along after it."""
    policy = {"image": "mc:1", "depends_on": {"minio-bootstrap": ENDED}}
    assert scratch_model(with_services(policy=policy), TERMS).before[2] == ("policy",)


def test_left_out() -> None:
    """What the operator leaves out, and what only it needs, stays away."""
    terms = replace(TERMS, leave_out=frozenset({"minio"}), environment={"STORAGE_PROVIDER": "$x"})
    entries = made(KOPROGO, terms)
    assert set(entries) == {"postgres", "backend"}
    assert entries["backend"]["environment"] == {"PASSWORD": "a$$b", "STORAGE_PROVIDER": "$$x"}
    assert "environment" not in entries["postgres"]


def test_a_service_that_migrates() -> None:
    """It is not started with the others; what depends on it starts between it and the writers."""
    model = with_services(
        migrator={"image": "backend@sha256:1", "depends_on": {"postgres": HEALTHY}},
        cache={"image": "cache:1", "restart": "always", "depends_on": {"migrator": ENDED}},
        backend={
            **KOPROGO["services"]["backend"],
            "depends_on": {"migrator": ENDED, "cache": HEALTHY},
        },
    )
    found = scratch_model(model, replace(TERMS, migration="migrator"))
    assert found.before == (("postgres",),)
    assert found.after == (("cache",),)
    assert "migrator" in found.document["services"]
    assert not found.one_shots


def test_several_writers() -> None:
    """What stands between two writers starts with them."""
    gateway = {"image": "g", "restart": "always", "depends_on": {"backend": HEALTHY}}
    worker = {"image": "w", "restart": "always", "depends_on": {"gateway": HEALTHY}}
    found = scratch_model(
        with_services(gateway=gateway, worker=worker), replace(TERMS, writers=("backend", "worker"))
    )
    assert found.writers == ("backend", "worker", "gateway")


@pytest.mark.parametrize(
    ("source", "read_only", "expected"),
    [
        (f"{ROOT}/conf", False, ("bind", f"{STAGED}/conf")),
        (f"{ROOT}/schema.sql", True, ("bind", f"{STAGED}/schema.sql")),
        (f"{ROOT}/secrets/key.pem", True, ("bind", f"{ROOT}/secrets/key.pem")),
        ("/etc/ssl", True, ("bind", "/etc/ssl")),
        ("/etc/my.cnf", False, ("bind", "/etc/my.cnf")),
        ("/srv/documents", False, ("volume", "bind-")),
        ("/run/docker.sock", True, None),
        ("/var/run", True, None),
        ("/", True, None),
        ("/opt/docker-proxy/api.sock", True, None),
        ("/opt/socket", True, None),
    ],
)
def test_bind_mounts(source: str, *, read_only: bool, expected: tuple[str, str] | None) -> None:
    """Release files from the release, files read-only, what is written in a volume, no sockets."""
    mount = {"type": "bind", "source": source, "target": "/t", "read_only": read_only}
    host = HostPaths(frozenset({"/etc/my.cnf"}), frozenset({"/opt/socket"}))
    backend = made(backend_with(volumes=[mount]), replace(TERMS, host=host))["backend"]
    if expected is None:
        assert "volumes" not in backend
        return
    (found,) = backend["volumes"]
    assert found["type"] == expected[0]
    assert found["source"].startswith(expected[1])
    assert found["target"] == "/t"
    assert found["type"] == "volume" or found["read_only"] is True


def test_folder_written_by_one_and_read_by_another() -> None:
    """They share the scratch volume as they share the folder."""
    mount = {"type": "bind", "source": "/srv/documents", "target": "/t"}
    reader = {
        "image": "x",
        "restart": "always",
        "volumes": [{**mount, "read_only": True}],
    }
    model = backend_with(volumes=[mount], depends_on={"postgres": HEALTHY, "reader": HEALTHY})
    model["services"]["reader"] = reader
    entries = made(model)
    (written,), (read,) = entries["backend"]["volumes"], entries["reader"]["volumes"]
    assert read == {**written, "read_only": True}


def test_configs_and_secrets() -> None:
    """They come along, those of the release from the release; what Swarm keeps does not."""
    model = backend_with(
        configs=[{"source": "app", "target": "/app.toml"}],
        secrets=[{"source": one} for one in ("token", "password", "swarm", "way-out")],
    )
    model["configs"] = {"app": {"name": "p_app", "file": f"{ROOT}/conf/app.toml"}}
    model["secrets"] = {
        "token": {"name": "p_token", "file": "/etc/koprogo/token"},
        "password": {"name": "p_password", "environment": "PASSWORD"},
        "swarm": {"name": "swarm", "external": True},
        "way-out": {"file": "/var/run/docker.sock"},
    }
    document = scratch_model(model, TERMS).document
    assert document["configs"] == {"app": {"file": f"{STAGED}/conf/app.toml"}}
    assert document["secrets"] == {
        "token": {"file": "/etc/koprogo/token"},
        "password": {"environment": "PASSWORD"},
    }
    backend = document["services"]["backend"]
    assert backend["configs"] == [{"source": "app", "target": "/app.toml"}]
    assert [one["source"] for one in backend["secrets"]] == ["token", "password"]


def test_folders_of_one_volume() -> None:
    """A folder inside a volume becomes a volume: in a fresh one it would be missing."""
    mount = {"type": "volume", "source": "data", "target": "/t", "volume": {"subpath": "a"}}
    other = {**mount, "target": "/u", "volume": {"subpath": "b"}}
    document = scratch_model(backend_with(volumes=[mount, other]), TERMS).document
    first, second = document["services"]["backend"]["volumes"]
    assert first["source"] != second["source"]
    assert {first["source"], second["source"]} < set(document["volumes"])


def test_shared_network_namespace() -> None:
    """A sidecar stays with its service, if that comes along; no other network mode does."""
    sidecar = {"image": "x", "restart": "always", "network_mode": "service:postgres"}
    host = {"image": "x", "restart": "always", "network_mode": "host"}
    depends = {"postgres": HEALTHY, "sidecar": HEALTHY, "host": HEALTHY}
    model = backend_with(depends_on=depends)
    model["services"] |= {"sidecar": {**sidecar, "container_name": "beside"}, "host": host}
    entries = made(model)
    assert entries["sidecar"]["network_mode"] == "service:postgres"
    assert "beside" in entries["postgres"]["networks"]["scratch"]["aliases"]
    assert entries["host"]["networks"] == {"scratch": {}}


def test_health_checks_come_every_second() -> None:
    """With the patience that they had: start period and retries together."""
    entries = made(KOPROGO)
    check = {"test": ["CMD", "ask"], "timeout": "10s", "interval": "1s"}
    assert entries["minio"]["healthcheck"] == {**check, "retries": 90}
    assert entries["backend"]["healthcheck"] == {**check, "retries": 130}
    quick = {"test": ["CMD", "ask"], "interval": "500ms"}
    assert prompt_check(quick) == quick
    assert prompt_check({"test": ["CMD", "ask"], "interval": "1m30s"})["retries"] == 270
    assert prompt_check({"disable": True}) == {"disable": True}
    assert prompt_check({}) == {}

"""The scratch project of any release: properties that hold for every compose model."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from koprogo_agent.domain.rehearsal import ScratchModel, scratch_model
from tests.unit.test_scratch_model import HEALTHY, ROOT, TERMS

_NAMES = st.sampled_from(["postgres", "backend", "minio", "bootstrap", "cache", "traefik"])
_SOURCES = st.sampled_from(
    ["/var/run/docker.sock", "/run/x", "/", "/srv/a", "/etc/b", f"{ROOT}/conf", "/opt/c.sock"]
)
_MOUNTS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("bind"), "source": _SOURCES, "target": st.just("/t")},
        optional={"read_only": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"type": st.just("volume"), "target": st.just("/v")},
        optional={"source": st.sampled_from(["data", "logs"]), "read_only": st.booleans()},
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["npipe", "cluster"]), "target": st.just("/n")}),
)
_SERVICES = st.fixed_dictionaries(
    {"image": st.just("image:1")},
    optional={
        "ports": st.just([{"target": 80, "published": "80"}]),
        "container_name": st.just("fixed"),
        "privileged": st.sampled_from([True]),
        "devices": st.just(["/dev/sda"]),
        "network_mode": st.sampled_from(["host", "bridge", "service:minio", "container:x"]),
        "networks": st.just({"outside": {"aliases": ["a"], "ipv4_address": "10.0.0.1"}}),
        "pid": st.just("host"),
        "ipc": st.just("host"),
        "extra_hosts": st.just(["host.docker.internal=host-gateway"]),
        "cap_add": st.just(["SYS_ADMIN", "NET_ADMIN", "CHOWN"]),
        "security_opt": st.just(["seccomp=unconfined", "no-new-privileges:true"]),
        "logging": st.just({"driver": "syslog"}),
        "restart": st.sampled_from(["no", "always", "unless-stopped"]),
        "labels": st.just({"traefik.enable": "true"}),
        "post_start": st.just([{"command": "x", "privileged": True}]),
        "volumes_from": st.just(["container:production"]),
        "volumes": st.lists(_MOUNTS, max_size=4),
        "depends_on": st.dictionaries(_NAMES, st.just(HEALTHY), max_size=4),
    },
)
_MODELS = st.fixed_dictionaries(
    {
        "services": st.fixed_dictionaries({"postgres": _SERVICES, "backend": _SERVICES}).flatmap(
            lambda known: st.dictionaries(_NAMES, _SERVICES).map(lambda more: {**more, **known})
        ),
        "volumes": st.just({"data": {"external": True, "name": "production"}, "logs": {}}),
        "networks": st.just({"outside": {"external": True, "name": "production"}}),
    }
)
_FORBIDDEN = {
    *("ports", "container_name", "privileged", "devices", "pid", "ipc", "extra_hosts", "dns"),
    *("logging", "volumes_from", "depends_on", "deploy", "build", "env_file"),
}


@given(_MODELS)
def test_nothing_leads_out(model: dict[str, Any]) -> None:
    """Whatever the release says, no scratch service has a way to production or out of it."""
    document = scratch_model(model, TERMS).document
    assert document["networks"] == {"scratch": {"internal": True}}
    assert all(volume == {} for volume in document.get("volumes", {}).values())
    for service in document["services"].values():
        assert not _FORBIDDEN & service.keys()
        assert set(service["labels"]) == {"be.koprogo.agent.rehearsal"}
        assert set(service.get("cap_add", ())) <= {"CHOWN"}
        assert set(service.get("security_opt", ())) <= {"no-new-privileges:true"}
        shared = service.get("network_mode")
        assert shared is None or shared.removeprefix("service:") in document["services"]
        assert shared or set(service["networks"]) == {"scratch"}
        assert all("privileged" not in hook for hook in service.get("post_start", ()))
        for mount in service.get("volumes", ()):
            assert mount["type"] in {"bind", "volume"}
            assert mount["type"] == "volume" or mount["read_only"] is True
            assert mount["type"] == "bind" or mount.get("source") in {
                None,
                *document.get("volumes", {}),
            }
    assert "sock" not in json.dumps(document)


@given(_MODELS)
def test_everything_comes_up_once(model: dict[str, Any]) -> None:
    """Each service that comes along is started in exactly one place, dependencies first."""
    found: ScratchModel = scratch_model(model, TERMS)
    order = [name for level in (*found.before, *found.after) for name in level]
    order += found.writers
    assert sorted(order) == sorted(found.document["services"])

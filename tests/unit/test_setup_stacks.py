"""What runs, by the labels that Compose leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from koprogo_agent.setup.stacks import Running, describe, doors_of, projects

BASE = "infrastructure/_shared/docker-compose/docker-compose.base.yml"
OVERRIDE = "infrastructure/monosite/vps/production/docker-compose.override.yml"


def container(
    service: str, files: str, folder: str = "/srv/koprogo", address: str = "", **more: str
) -> dict[str, Any]:
    """A container as the engine lists it, with a port at an address of this machine, if given."""
    known = {
        "project": "koprogo",
        "service": service,
        "project.config_files": files,
        "project.working_dir": folder,
        **more,
    }
    published = {"IP": address, "PublicPort": 443} if address else {}
    return {
        "Labels": {f"com.docker.compose.{name}": value for name, value in known.items()},
        "Ports": [{"PrivatePort": 443, "Type": "tcp", **published}],
    }


def test_koprogo_is_known_by_the_paths_of_its_repository() -> None:
    """Whatever folder it was started in, the stack's folder is the one above those paths."""
    files = f"/srv/koprogo/{BASE},/srv/koprogo/{OVERRIDE}"
    folder = "/srv/koprogo/infrastructure/_shared/docker-compose"
    found = projects([container("backend", files, folder), container("postgres", files, folder)])
    assert found == [
        Running(
            project="koprogo",
            services=("backend", "postgres"),
            open=(),
            directory=Path("/srv/koprogo"),
            compose_files=(BASE, OVERRIDE),
            env_files=(Path(folder) / ".env",),
        )
    ]
    assert found[0].is_koprogo


def test_another_stack_lies_where_its_files_do() -> None:
    """Relative names are those of the folder that it was started in."""
    files = "docker-compose.yml,/srv/koprogo/ours/extra.yml"
    (found,) = projects([container("web", files)])
    assert found.directory == Path("/srv/koprogo")
    assert found.compose_files == ("docker-compose.yml", "ours/extra.yml")
    assert not found.is_koprogo


def test_containers_without_compose_are_no_stack() -> None:
    """Nor those of a project that names no files, as Swarm's."""
    assert projects([{"Labels": None}, {"Labels": {"com.docker.compose.project": "x"}}]) == []


def test_only_env_files_that_are_there_are_named(tmp_path: Path) -> None:
    """Those that were given at the start win over the folder's own."""
    (tmp_path / "there.env").touch()
    given = container(
        "web", f"{tmp_path}/compose.yml", **{"project.environment_file": "there.env,gone.env"}
    )
    given["Labels"]["com.docker.compose.project.working_dir"] = str(tmp_path)
    (found,) = projects([given])
    assert describe(found)["env_files"] == [str(tmp_path / "there.env")]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ({"traefik": "::"}, None),
        ({"proxy": "::", "backend": "::", "postgres": "127.0.0.1"}, ["proxy"]),
        ({"backend": "::"}, None),
    ],
)
def test_the_way_in_is_found_where_it_has_another_name(
    addresses: dict[str, str], expected: list[str] | None
) -> None:
    """A name that no service has would close nothing while the schema changes."""
    made = [container(name, "compose.yml", address=one) for name, one in addresses.items()]
    (found,) = projects(made)
    assert describe(found).get("ingress") == expected


def routed(service: str, project: str, network: str, **labels: str) -> dict[str, Any]:
    """A container on a network, with labels of Traefik's where given."""
    made = container(service, f"/srv/{project}/compose.yml", f"/srv/{project}", project=project)
    made["Labels"] |= {key.replace("__", "."): value for key, value in labels.items()}
    made["Ports"] = []
    made["NetworkSettings"] = {"Networks": {network: {}}}
    return made


def opened(made: dict[str, Any], port: int, ip: str = "0.0.0.0") -> dict[str, Any]:  # noqa: S104
    """The same container, reached at a port of this machine."""
    made["Ports"] = [{"PrivatePort": 80, "PublicPort": port, "IP": ip, "Type": "tcp"}]
    return made


BACKEND = {"traefik__http__routers__api__rule": "Host(`api.example.org`)"}


@pytest.mark.parametrize(
    ("network", "image", "expected"),
    [
        ("web", "traefik:v3.7", {"ingress": ["proxy"], "ingress_project": "edge"}),
        ("web", "nginx:1", {}),
        ("other", "traefik:v3.7", {}),
    ],
)
def test_the_way_in_may_be_traefik_of_another_project(
    network: str, image: str, expected: dict[str, Any]
) -> None:
    """Several stacks behind one Traefik: it must be Traefik, and on a network with the stack."""
    proxy = opened(routed("proxy", "edge", network), 443) | {"Image": image}
    among = projects([routed("backend", "immo", "web", **BACKEND), proxy])
    found = next(one for one in among if one.project == "immo")
    described = describe(found, among)
    assert {k: v for k, v in described.items() if k.startswith("ingress")} == expected
    doors = [one.address for one in doors_of(described, among)]
    assert doors == (["127.0.0.1:443"] if expected else [])


def test_doors_are_where_this_machine_reaches_them() -> None:
    """Whatever they are bound to; each once, though the engine lists IPv4 and IPv6."""
    proxy = opened(routed("traefik", "koprogo", "web"), 80)
    proxy["Ports"] += [{**proxy["Ports"][0], "IP": "::"}, {**proxy["Ports"][0], "IP": "192.0.2.1"}]
    (found,) = projects([proxy])
    assert [one.address for one in found.doors] == ["127.0.0.1:80", "192.0.2.1:80"]

"""What runs, by the labels that Compose leaves."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.setup.stacks import Running, describe, projects

BASE = "infrastructure/_shared/docker-compose/docker-compose.base.yml"
OVERRIDE = "infrastructure/monosite/vps/production/docker-compose.override.yml"


def labels(service: str, files: str, folder: str = "/srv/koprogo", **more: str) -> dict[str, str]:
    """What Compose writes on a container."""
    known = {
        "project": "koprogo",
        "service": service,
        "project.config_files": files,
        "project.working_dir": folder,
        **more,
    }
    return {f"com.docker.compose.{name}": value for name, value in known.items()}


def test_koprogo_is_known_by_the_paths_of_its_repository() -> None:
    """Whatever folder it was started in, the stack's folder is the one above those paths."""
    files = f"/srv/koprogo/{BASE},/srv/koprogo/{OVERRIDE}"
    folder = "/srv/koprogo/infrastructure/_shared/docker-compose"
    found = projects([labels("backend", files, folder), labels("postgres", files, folder)])
    assert found == [
        Running(
            project="koprogo",
            services=("backend", "postgres"),
            directory=Path("/srv/koprogo"),
            compose_files=(BASE, OVERRIDE),
            env_files=(Path(folder) / ".env",),
        )
    ]
    assert found[0].is_koprogo


def test_another_stack_lies_where_its_files_do() -> None:
    """Relative names are those of the folder that it was started in."""
    files = "docker-compose.yml,/srv/koprogo/ours/extra.yml"
    (found,) = projects([labels("web", files)])
    assert found.directory == Path("/srv/koprogo")
    assert found.compose_files == ("docker-compose.yml", "ours/extra.yml")
    assert not found.is_koprogo


def test_containers_without_compose_are_no_stack() -> None:
    """Nor those of a project that names no files, as Swarm's."""
    assert projects([{}, {"com.docker.compose.project": "x"}]) == []


def test_only_env_files_that_are_there_are_named(tmp_path: Path) -> None:
    """Those that were given at the start win over the folder's own."""
    (tmp_path / "there.env").touch()
    given = labels(
        "web", f"{tmp_path}/compose.yml", **{"project.environment_file": "there.env,gone.env"}
    )
    given["com.docker.compose.project.working_dir"] = str(tmp_path)
    (found,) = projects([given])
    assert describe(found)["env_files"] == [str(tmp_path / "there.env")]

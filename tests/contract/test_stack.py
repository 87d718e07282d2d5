"""The port `Stack`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.domain.drift import CONFIG_HASH
from koprogo_agent.domain.gate import Health
from koprogo_agent.domain.overlay import RELEASE_LABEL
from koprogo_agent.errors import NeedsOperator, StepFailed
from koprogo_agent.ports import Project, Stack
from tests.contract.ground import Ground, more, one


def changed_frontend(ground: Ground) -> Project:
    """The project, whose frontend is defined otherwise."""
    return more(ground, '{"services": {"frontend": {"environment": {"NEW": "1"}}}}')


def test_containers(ground: Ground, stack: Stack) -> None:
    """One for each service, with compose's hash and the agent's label; other projects have none."""
    ground.wait_for(lambda: one(ground, "backend").health is Health.HEALTHY)
    containers = stack.containers(ground.project.name)
    services = set(stack.render(ground.project)["services"])
    assert {container.service for container in containers} == services
    assert len(containers) == len(services)
    backend = one(ground, "backend")
    assert backend.labels[CONFIG_HASH]
    assert backend.labels[RELEASE_LABEL] == "v1.0.0"
    assert (backend.state, backend.health, backend.restarts) == ("running", Health.HEALTHY, 0)
    assert "@sha256:" in backend.image
    assert backend.image_id.startswith("sha256:")
    ended = one(ground, ground.one_shot)
    assert (ended.state, ended.exit_code) == ("exited", 0)
    assert {container.service for container in containers if container.may_end} == {ended.service}
    assert stack.containers("no-such-project") == ()


def test_hashes(ground: Ground, stack: Stack) -> None:
    """Those of the containers, and another one where the definition is another."""
    hashes = stack.hashes(ground.project)
    containers = stack.containers(ground.project.name)
    assert {one.service: one.labels[CONFIG_HASH] for one in containers} == hashes
    changed = stack.hashes(changed_frontend(ground))
    assert {name for name in hashes if hashes[name] != changed[name]} == {"frontend"}


def test_examine(ground: Ground, stack: Stack) -> None:
    """A healthcheck can be run at any moment; what does not run, or has none, passes none."""
    ids, name = ground.ids, ground.project.name
    stack.stop(name, ["backend"])
    assert not stack.examine(ids["backend"])
    stack.start(name, ["backend"])
    ground.wait_for(lambda: stack.examine(ids["backend"]))
    assert not stack.examine(ids[ground.one_shot])
    assert not stack.examine("0" * 64)


def test_up_of_the_same_changes_nothing(ground: Ground, stack: Stack) -> None:
    """However often."""
    ids = ground.ids
    stack.up(ground.project)
    stack.up(ground.project, ["backend", "frontend"])
    assert ground.ids == ids


def test_up_makes_anew_only_what_changed(ground: Ground, stack: Stack) -> None:
    """Another environment makes another container; the hash tells it, and back again."""
    ids, before = ground.ids, one(ground, "frontend")
    changed = changed_frontend(ground)
    stack.up(changed, ["backend"])
    assert ground.ids == ids
    stack.up(changed)
    assert {name for name, found in ground.ids.items() if found != ids[name]} == {"frontend"}
    assert one(ground, "frontend").labels[CONFIG_HASH] != before.labels[CONFIG_HASH]
    stack.up(ground.project)
    assert one(ground, "frontend").labels[CONFIG_HASH] == before.labels[CONFIG_HASH]


def test_stop_and_start(ground: Ground, stack: Stack) -> None:
    """The containers stay; doing it twice, or to what does not exist, is no fault."""
    ids, name = ground.ids, ground.project.name
    for _ in range(2):
        stack.stop(name, [ground.ingress, "backend", "no-such-service"])
    assert [one(ground, service).state for service in (ground.ingress, "backend")] == ["exited"] * 2
    assert stack.address(ids["backend"]) is None
    for _ in range(2):
        stack.start(name, ["backend", ground.ingress, "no-such-service"])
    assert ground.ids == ids
    assert one(ground, "backend").state == "running"
    assert stack.address(ids["backend"])


def test_up_starts_what_was_stopped(ground: Ground, stack: Stack) -> None:
    """The same container."""
    ids = ground.ids
    stack.stop(ground.project.name, ["frontend"])
    stack.up(ground.project, ["frontend"])
    assert ground.ids == ids
    assert one(ground, "frontend").state == "running"


def test_raise_memory_limit(ground: Ground, stack: Stack) -> None:
    """The container runs on; a limit is never lowered, and none is set where there was none."""
    name, ids, before = ground.project.name, ground.ids, ground.memory_limit(ground.ingress)
    assert before
    for asked in (before + 64, before, 0):
        stack.raise_memory_limit(name, [ground.ingress, ground.one_shot], asked)
        assert ground.memory_limit(ground.ingress) == before + 64
        assert ground.memory_limit(ground.one_shot) == 0
    stack.raise_memory_limit("no-such-project", [ground.ingress], before + 999)
    assert ground.memory_limit(ground.ingress) == before + 64
    assert ground.ids == ids


def test_discard_and_create(ground: Ground, stack: Stack) -> None:
    """Gone, twice; then made, and not started."""
    ids = ground.ids
    for _ in range(2):
        stack.discard(ground.project.name, ["frontend"])
    assert "frontend" not in ground.ids
    stack.create(ground.project, ["frontend"])
    assert one(ground, "frontend").state == "created"
    assert ground.ids["frontend"] != ids["frontend"]
    stack.up(ground.project)


def test_create_makes_only_what_differs(ground: Ground, stack: Stack) -> None:
    """What is as it should be runs on; what is made anew waits to be started."""
    before = {each.service: each for each in stack.containers(ground.project.name)}
    stack.create(changed_frontend(ground), sorted(before))
    after = {each.service: each for each in stack.containers(ground.project.name)}
    assert {name for name in before if before[name].id != after[name].id} == {"frontend"}
    assert after["frontend"].state == "created"
    assert after["backend"].state == "running"
    stack.start(ground.project.name, ["frontend"])
    assert one(ground, "frontend").state == "running"
    stack.up(ground.project)


def test_run(ground: Ground, stack: Stack) -> None:
    """A one-off ends with its exit code, and leaves nothing that counts as a service's."""
    ids = ground.ids
    told: list[None] = []
    ended = stack.run(ground.project, ground.one_shot, (), 60, lambda: told.append(None))
    assert ended.exit_code == 0
    assert told
    with pytest.raises(StepFailed) as raised:
        stack.run(ground.project, "frontend", (), 2, lambda: None)
    assert raised.value.code == "run.timeout"
    assert ground.ids == ids


def test_render(ground: Ground, stack: Stack) -> None:
    """Variables and relative paths are resolved."""
    services = stack.render(replace(ground.project, files=ground.project.files[:-1]))["services"]
    assert services["backend"]["image"].endswith(ground.image_tag)
    mounts = services[ground.ingress]["volumes"]
    sources = [Path(mount["source"]) for mount in mounts if mount["type"] == "bind"]
    assert sources
    assert all(source.is_absolute() for source in sources)


def test_invalid_files(ground: Ground, stack: Stack) -> None:
    """They are the release's fault."""
    with pytest.raises(StepFailed) as raised:
        stack.render(more(ground, '{"services": ['))
    assert raised.value.code == "compose.invalid"


def test_a_file_that_is_not_there(ground: Ground, stack: Stack) -> None:
    """It is the operator's to write: those of the release are always there."""
    absent = Path("/nowhere/own.yml")
    with pytest.raises(NeedsOperator) as raised:
        stack.render(replace(ground.project, files=(*ground.project.files, absent)))
    assert raised.value.code == "compose.file_missing"
    assert str(absent) in raised.value.message


def test_profiles(ground: Ground, stack: Stack) -> None:
    """A service with profiles is there only while the operator's env file switches one on."""
    text = '{"services": {"tool": {"image": "tool:1", "profiles": ["a", "b"]}}}'
    project, env_file = more(ground, text), ground.project.env_files[-1]
    assert "tool" not in stack.render(project)["services"]
    kept = env_file.read_text()
    env_file.write_text(f"{kept}COMPOSE_PROFILES=x,b\n")
    try:
        assert "tool" in stack.render(project)["services"]
    finally:
        env_file.write_text(kept)


NEEDS_TOOL = {"condition": "service_started"}
REFUSED: dict[str, dict[str, object]] = {
    "an override of what is not there": {"gone": {"deploy": {"replicas": 2}}},
    "a need of what is not there": {"one": {"image": "x", "depends_on": {"gone": NEEDS_TOOL}}},
    "one name for two containers": {"one": {"image": "x", "container_name": "nm", "scale": 2}},
    "one name for two services": {
        "one": {"image": "x", "container_name": "nm"},
        "two": {"image": "x", "container_name": "nm"},
    },
    "two counts": {"one": {"image": "x", "scale": 1, "deploy": {"replicas": 2}}},
}


@pytest.mark.parametrize("services", REFUSED.values(), ids=REFUSED)
def test_services_that_compose_refuses(
    ground: Ground, stack: Stack, services: dict[str, object]
) -> None:
    """It does so when it reads the files."""
    with pytest.raises(StepFailed) as raised:
        stack.render(more(ground, json.dumps({"services": services})))
    assert raised.value.code == "compose.invalid"


@pytest.mark.parametrize("required", [True, False])
def test_a_need_of_what_is_switched_off(ground: Ground, stack: Stack, *, required: bool) -> None:
    """It may be missing where the files say that it is not required."""
    need = {**NEEDS_TOOL, "required": required}
    services = {
        "tool": {"image": "tool:1", "profiles": ["off"]},
        "one": {"image": "one:1", "depends_on": {"tool": need}},
    }
    project = more(ground, json.dumps({"services": services}))
    if required:
        with pytest.raises(StepFailed):
            stack.render(project)
    else:
        assert "tool" not in stack.render(project)["services"]


def late_services(ground: Ground, **services: object) -> Project:
    """The project with more services, which do what the bootstrap does."""
    image = one(ground, ground.one_shot).image
    plain = {"image": image, "restart": "no", "entrypoint": ["sleep", "300"]}
    made = {name: {**plain, **dict(one)} for name, one in services.items()}  # type: ignore[call-overload]
    return more(ground, json.dumps({"services": made}))


def late_ids(ground: Ground, service: str) -> set[str]:
    """The ids of a service's containers."""
    containers = ground.engine.world.stack.containers(ground.project.name)
    return {one.id for one in containers if one.service == service}


@pytest.fixture
def late(ground: Ground, stack: Stack) -> Iterator[tuple[str, ...]]:
    """The names of services that a test may add; they are gone afterwards."""
    names = ("late", "sidecar", "reader", "follower")
    yield names
    stack.discard(ground.project.name, names)


@pytest.mark.usefixtures("late")
def test_replicas(ground: Ground, stack: Stack) -> None:
    """As many as asked for; fewer leave the first, and the count is no part of the definition."""

    def counted(count: int) -> Project:
        return late_services(ground, late={"deploy": {"replicas": count}})

    hashes = {stack.hashes(counted(count))["late"] for count in (0, 1, 2)}
    assert len(hashes) == 1
    stack.up(counted(1), ["late"])
    first = late_ids(ground, "late")
    stack.up(counted(2), ["late"])
    assert len(late_ids(ground, "late")) == 2
    stack.up(counted(1), ["late"])
    assert late_ids(ground, "late") == first
    stack.up(counted(0), ["late"])
    assert late_ids(ground, "late") == set()


def with_dependents(ground: Ground, **changed: object) -> Project:
    """A service, and what has its network or its volumes, or is to be restarted with it."""
    return late_services(
        ground,
        late=changed,
        sidecar={"network_mode": "service:late"},
        reader={"volumes_from": ["late"]},
        follower={"depends_on": {"late": {**NEEDS_TOOL, "restart": True}}},
    )


def test_what_a_service_needs_of_others(ground: Ground, stack: Stack) -> None:
    """What shares with another service depends on it; only a namespace brings a restart."""
    model = stack.render(with_dependents(ground))["services"]
    restarts = {
        name: model[name]["depends_on"]["late"].get("restart", False)
        for name in ("sidecar", "reader", "follower")
    }
    assert restarts == {"sidecar": True, "reader": False, "follower": True}


def test_dependents_in_the_same_run(ground: Ground, stack: Stack, late: tuple[str, ...]) -> None:
    """Where one is made anew, so is what shares with it; its follower is restarted."""
    stack.up(with_dependents(ground), late)
    before = {name: late_ids(ground, name) for name in late}
    stack.up(with_dependents(ground), late)
    assert {name: late_ids(ground, name) for name in late} == before
    changed = with_dependents(ground, environment={"NEW": "1"})
    stack.create(changed, late)
    kept = {name for name in late if late_ids(ground, name) == before[name]}
    assert kept == {"follower"}
    assert one(ground, "follower").state == "exited"
    stack.up(changed, late)
    assert {one(ground, name).state for name in late} == {"running"}


def test_dependents_in_a_later_run(ground: Ground, stack: Stack, late: tuple[str, ...]) -> None:
    """What shares with it is made anew; its follower is left alone, wherefore it is stopped."""
    stack.up(with_dependents(ground), late)
    before = {name: late_ids(ground, name) for name in late}
    changed = with_dependents(ground, environment={"NEW": "1"})
    stack.up(changed, ["late"])
    assert one(ground, "follower").state == "running"
    stack.up(changed, ["sidecar", "reader", "follower"])
    kept = {name for name in late if late_ids(ground, name) == before[name]}
    assert kept == {"follower"}


@pytest.mark.usefixtures("late")
def test_a_namespace_of_what_does_not_run(ground: Ground, stack: Stack) -> None:
    """Nothing can share it."""
    names = ["late", "sidecar"]
    project = with_dependents(ground)
    stack.create(project, names)
    with pytest.raises(StepFailed) as raised:
        stack.up(project, ["sidecar"])
    assert raised.value.code == "compose.up_failed"


def test_a_service_that_the_files_do_not_have(ground: Ground, stack: Stack) -> None:
    """Compose refuses to bring it up."""
    with pytest.raises(StepFailed) as raised:
        stack.up(ground.project, ("no-such-service",))
    assert raised.value.code == "compose.up_failed"


def test_variables(ground: Ground, stack: Stack) -> None:
    """Each with its default, and whether compose demands a value."""
    used = {"A": "${A:-1}", "B": "${B}", "C": "${C:-}"}
    text = json.dumps({"services": {"backend": {"environment": used}}})
    found = {variable.name: variable for variable in stack.variables(more(ground, text))}
    assert (found["A"].default, found["A"].required) == ("1", False)
    assert (found["B"].default, found["B"].required) == ("", False)
    assert [found[name].needs_value for name in "ABC"] == [False, True, False]
    unpinned = replace(ground.project, files=ground.project.files[:-1])
    assert "IMAGE_TAG" in {variable.name for variable in stack.variables(unpinned)}


def test_what_does_not_exist(stack: Stack) -> None:
    """No address, no logs, nothing to take down."""
    assert stack.address("0" * 64) is None
    assert stack.logs("0" * 64, 5) == ""
    stack.down("no-such-project")

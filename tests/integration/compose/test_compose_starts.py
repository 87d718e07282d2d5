"""What is made anew when services are brought up, and what is left alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.adapters.compose import ComposeStack
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from tests.integration.compose.bench import HEALTHY, Bench
from tests.lab.engine import Engine
from tests.lab.oci import Pushed
from tests.lab.stack import compose_program

pytestmark = pytest.mark.real


def test_unchanged_services_keep_their_containers(bench: Bench) -> None:
    """Through all that an update changes around them: DESIGN section 4."""
    env_a, env_b = bench.project.directory / "a.env", bench.project.directory / "b.env"
    for path in (env_a, env_b):
        path.write_text("TAG=1\n")
    bench.service("db", volumes=["./data:/data"])
    bench.service("web", image=f"{bench.image}:${{TAG}}", depends_on=["db"])
    project = replace(bench.project, env_files=(env_a,))
    first = bench.up(project)
    assert bench.up(project) == first
    assert bench.up(project, "web", "db") == first, "services named, dependencies left out"
    moved = bench.write(bench.project.directory / "sub/moved.yml", {"services": bench.services})
    project = replace(project, files=(moved,), env_files=(env_b,))
    assert bench.up(project) == first, "compose file and env file under other paths"
    extra = bench.project.directory / "pins.json"
    project = replace(project, files=(moved, extra))
    bench.write(extra, {"services": {"web": {"labels": {"be.koprogo.agent.release": "v1"}}}})
    labelled = bench.up(project)
    assert labelled["web"] != first["web"], "a label that changes recreates"
    assert labelled["db"] == first["db"]


@pytest.mark.parametrize("form", ["{image}:2", "{image}@{digest}", "{image}:1@{digest}"])
def test_an_image_written_in_another_way_recreates_the_container(
    bench: Bench, image: Pushed, form: str
) -> None:
    """Though all name the same image: so the agent writes an image as the stack has it."""
    bench.service("web")
    bench.service("db")
    first = bench.up()
    bench.service("web", image=form.format(image=bench.image, digest=image.digest))
    after = bench.up()
    assert after["web"] != first["web"]
    assert after["db"] == first["db"]


def test_a_recreation_that_was_cut_short_keeps_the_container_s_name(bench: Bench) -> None:
    """Killed between creating and renaming, compose itself would leave `<id>_name` for ever."""
    name = f"{bench.name}-web"
    for tag in ("1", "2"):
        bench.service("web", image=f"{bench.image}:{tag}", container_name=name)
        bench.up()
    running = bench.client.containers.get(name)
    half_made = f"{running.short_id}_{name}"
    # the old one has gone already, and the new one has not got its name
    running.rename(half_made)
    bench.up()
    assert bench.client.containers.get(name).id == running.id
    # the old one is still there, and the new one only created
    copy = bench.client.api.create_container(
        f"{bench.image}:1", name=half_made, labels=dict(running.labels)
    )
    bench.service("web", image=f"{bench.image}:1", container_name=name)
    bench.up()
    names = [one.name for one in bench.client.containers.list(all=True, filters=bench.own)]
    assert names == [name]
    assert bench.client.containers.get(name).id not in {copy["Id"], running.id}


def test_up_leaves_the_operator_s_own_containers_alone(bench: Bench) -> None:
    """A second compose file in the same folder makes containers of the same project."""
    bench.service("web")
    other = bench.project.directory / "monitoring.yml"
    bench.write(other, {"services": {"monitor": bench.services["web"]}})
    bench.stack.up(replace(bench.project, files=(other,)))
    bench.up()
    assert sorted(bench.look()) == ["monitor", "web"]


def test_faults_of_the_start_are_told_apart(bench: Bench) -> None:
    """A container that does not start, one that is not healthy, and an image that is not here."""
    bench.service("web", command=["/nonesuch"], init=False)
    with pytest.raises(StepFailed, match="nonesuch") as broken:
        bench.up()
    assert broken.value.code == "compose.up_failed"
    bench.service("db", healthcheck=HEALTHY | {"test": ["CMD", "false"]})
    bench.service("web", depends_on={"db": {"condition": "service_healthy"}})
    with pytest.raises(StepFailed, match="unhealthy"):
        bench.up()
    bench.service("db", command=["sh", "-c", "exit 3"])
    bench.service("web", depends_on={"db": {"condition": "service_completed_successfully"}})
    with pytest.raises(StepFailed, match="exit 3"):
        bench.up()
    bench.service("web", image=f"{bench.image}:gone")
    with pytest.raises(RetryLater, match="gone") as absent:
        bench.up()
    assert absent.value.code == "image.absent"


def test_what_waits_for_ever_is_ended(lab_engine: Engine, bench: Bench) -> None:
    """A dependency that never becomes healthy does not hold the agent."""
    never = {"test": ["CMD", "false"], "interval": "60s", "start_period": "60s"}
    bench.service("db", healthcheck=never)
    bench.service("web", depends_on={"db": {"condition": "service_healthy"}})
    own = {"PATH": f"{Path(compose_program()).parent}:{os.environ['PATH']}"}
    with pytest.raises(StepFailed, match="did not end within 3 s") as late:
        ComposeStack(lab_engine.host, own, up_seconds=3).up(bench.project)
    assert late.value.code == "compose.up_failed"


def test_no_engine_is_transient(bench: Bench, tmp_path: Path) -> None:
    """A restarting engine is nobody's fault; another machine's is a matter of configuration."""
    bench.service("web")
    path = {"PATH": f"{Path(compose_program()).parent}:{os.environ['PATH']}"}
    away = ComposeStack(f"unix://{tmp_path}/away.sock", path)
    for act in (
        lambda: away.up(bench.project),
        lambda: away.containers(bench.name),
        lambda: away.stop(bench.name, ["web"]),
        lambda: away.down(bench.name),
        lambda: away.address("x"),
    ):
        with pytest.raises(RetryLater) as unreachable:
            act()
        assert unreachable.value.code == "engine.unreachable"
    with pytest.raises(NeedsOperator, match="on this machine"):
        ComposeStack("tcp://10.0.0.1:2375", path).containers(bench.name)

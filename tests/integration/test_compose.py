"""The port `Stack` on a real Docker Compose and a real engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import pytest

from koprogo_agent.adapters.compose import ComposeStack
from koprogo_agent.adapters.probes import HttpProber
from koprogo_agent.domain.gate import Container, Health
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.ports import HttpProbe, Project
from tests.lab import images, tidy
from tests.lab.engine import Engine
from tests.lab.oci import Pushed, push
from tests.lab.processes import wait_until
from tests.lab.registry import Registry
from tests.lab.stack import compose_program

pytestmark = pytest.mark.real

SLEEP = ["sh", "-c", "trap 'exit 0' TERM; echo here; while :; do sleep 0.1; done"]
HEALTHY = {"test": ["CMD", "true"], "interval": "0.2s", "retries": 1}


@pytest.fixture(scope="module")
def image(lab_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """A small image that the engine holds, under a digest and two tags."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        pushed = push(images.web(), registry, "lab/web", ("1", "2"))
        with closing(lab_engine.client()) as client:
            for reference in (":1", ":2", f"@{pushed.digest}"):
                client.images.pull(f"{pushed.repository}{reference}")
            yield pushed
            tidy.after("no-project", registry.address, lab_engine)


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


@pytest.fixture
def bench(lab_engine: Engine, image: Pushed, tmp_path: Path) -> Iterator[Bench]:
    """An empty project; what a test makes of it goes afterwards."""
    folder = tmp_path / "stack"
    folder.mkdir()
    project = Project(tidy.new_name(), folder, (folder / "compose.yml",))
    with closing(lab_engine.client()) as client:
        bench = Bench(project, stack_of(lab_engine), client, image.repository)
        yield bench
        bench.stack.down(project.name)


def stack_of(engine: Engine, **environment: str) -> ComposeStack:
    """The adapter, with the Compose that the development dependencies bring."""
    path = f"{Path(compose_program()).parent}:{os.environ['PATH']}"
    return ComposeStack(engine.host, {"PATH": path, "HOME": "/nonexistent"} | environment, 30)


def unseen() -> None:
    """Nobody watches a one-off."""


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


def test_a_rendered_service_can_be_fed_back(bench: Bench) -> None:
    """The rehearsal's project is made of a rendered model; a `$` must be doubled for it."""
    password = "pa$$$$w${X}'\"\\ é"
    (bench.project.directory / "db.env").write_text("FROM_FILE='a$b'\n")
    bench.service("dep", healthcheck=HEALTHY)
    bench.service(
        "web",
        environment={"PASSWORD": password.replace("${X}", "$${X}")},
        env_file=["db.env"],
        command=["sh", "-c", 'echo "$$PASSWORD"; echo "$$FROM_FILE"'],
        volumes=["./data:/data:ro"],
        healthcheck=HEALTHY,
        depends_on={"dep": {"condition": "service_healthy"}},
        deploy={"resources": {"limits": {"memory": "64M"}}},
    )
    web = bench.stack.render(bench.project)["services"]["web"]
    seen = "pa$$w${X}'\"\\ é"
    assert web["environment"] == {"PASSWORD": seen, "FROM_FILE": "a$b"}
    assert web["command"][-1] == 'echo "$PASSWORD"; echo "$FROM_FILE"'
    assert web["volumes"][0]["source"] == str(bench.project.directory / "data")
    assert web["deploy"]["resources"]["limits"]["memory"] == str(64 << 20)
    assert web["depends_on"]["dep"]["condition"] == "service_healthy"
    assert web["healthcheck"]["test"] == ["CMD", "true"]
    escaped = json.dumps({"services": {"dep": bench.services["dep"], "web": web}})
    bench.project.files[0].write_text(escaped.replace("$", "$$"))
    assert bench.stack.render(bench.project)["services"]["web"] == web
    result = bench.stack.run(bench.project, "web", (), 20, unseen)
    assert result.output == f"{seen}\na$b\n"


def test_variables_are_listed_with_default_and_need(bench: Bench) -> None:
    """Also those that have no value yet, and where compose's own list panics."""
    bench.service("web", environment={"A": "${A:-${B-x}}", "C": "${C:?say}", "D": "$$${D}"})
    listed = bench.stack.variables(bench.project)
    assert [(one.name, one.default, one.required) for one in listed] == [
        ("A", "${B-x}", False),
        ("B", "x", False),
        ("C", "", True),
        ("D", "", False),
    ]
    other = {"services": bench.services, "volumes": {"v": {"external": "${EXT:-false}"}}}
    bench.write(bench.project.files[0], other)
    assert "EXT" in [one.name for one in bench.stack.variables(bench.project)]


def test_faults_of_the_files_are_told_apart(bench: Bench) -> None:
    """Invalid is the release's fault; a missing value or env file is for the operator."""
    bench.service("web", imag="x")
    with pytest.raises(StepFailed, match="imag") as invalid:
        bench.stack.render(bench.project)
    assert invalid.value.code == "compose.invalid"
    bench.service("web", environment={"A": "${NEEDED:?for mail}"})
    for ask in (bench.stack.render, bench.stack.up):
        with pytest.raises(NeedsOperator, match="NEEDED") as missing:
            ask(bench.project)
        assert missing.value.code == "compose.variable_missing"
    bench.service("web", env_file=["none.env"])
    with pytest.raises(NeedsOperator, match=r"none\.env"):
        bench.stack.render(bench.project)
    bench.service("web")
    with pytest.raises(NeedsOperator, match="lost") as lost:
        bench.stack.render(replace(bench.project, env_files=(Path("/lost"),)))
    assert lost.value.code == "compose.env_file_missing"


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


def test_containers_are_seen_as_the_gate_wants_them(bench: Bench) -> None:
    """State, health, exit code and restarts; one-off containers are not the stack's."""
    bench.service("web", healthcheck=HEALTHY, labels={"x": "a$$b"})
    bench.service("once", command=["sh", "-c", "exit 4"])
    bench.service("loop", command=["sh", "-c", "exit 5"], restart="always")
    bench.up()

    def all_is_there_to_see() -> bool:
        seen = bench.look()
        once_ended = seen["once"].state == "exited"
        return seen["web"].health is Health.HEALTHY and seen["loop"].restarts > 0 and once_ended

    bench.wait(all_is_there_to_see, "health, a restart and an end")
    seen = bench.look()
    assert sorted(seen) == ["loop", "once", "web"]
    assert (seen["web"].state, seen["web"].image) == ("running", f"{bench.image}:1")
    assert seen["web"].image_id == bench.client.images.get(f"{bench.image}:1").id
    assert seen["web"].labels["x"] == "a$b"
    assert (seen["once"].state, seen["once"].exit_code) == ("exited", 4)
    assert seen["once"].health is Health.NONE


@pytest.mark.parametrize(
    ("check", "passes"),
    [
        ({"test": ["CMD", "test", "-d", "/proc"]}, True),
        ({"test": "test $$((40 + 2)) = 42"}, True),
        ({"test": ["CMD", "yes"], "timeout": "1s"}, False),
        ({"test": ["CMD", "sleep", "9"], "timeout": "1s"}, False),
        ({"test": ["CMD", "false"]}, False),
        ({"test": ["CMD", "no-such-program"]}, False),
        ({"disable": True}, False),
    ],
    ids=str,
)
def test_a_healthcheck_is_run_before_the_engine_comes_to_it(
    bench: Bench, check: dict[str, Any], passes: object
) -> None:
    """As the engine would run it, and for as long as the engine would let it."""
    bench.service("web", healthcheck={"interval": "1h", "start_period": "0s"} | check)
    bench.up()
    web = bench.look()["web"]
    assert web.health in {Health.STARTING, Health.NONE}
    assert bench.stack.examine(web.id) is passes


def test_stop_start_create_and_discard(bench: Bench) -> None:
    """The fence keeps its containers; a service that a release drops loses them, not its data."""
    bench.service("web", depends_on=["db"], stop_grace_period="30s")
    bench.service("db", volumes=["data:/data"])
    bench.write(bench.project.files[0], {"services": bench.services, "volumes": {"data": {}}})
    first = bench.up()
    web = bench.client.containers.get(first["web"])
    bench.wait(lambda: web.logs() == b"here\n", "a service that hears when it is to end")
    bench.stack.stop(bench.name, ["web", "db", "absent"])
    assert {one.state for one in bench.look().values()} == {"exited"}
    assert bench.look()["web"].exit_code == 0, "ended by itself, within its own time"
    bench.stack.start(bench.name, ["db", "web"])
    bench.stack.start(bench.name, ["db", "web"])
    assert {name: one.id for name, one in bench.look().items()} == first
    assert {one.state for one in bench.look().values()} == {"running"}
    bench.stack.discard(bench.name, ["web", "db"])
    bench.stack.discard(bench.name, ["web", "db"])
    assert bench.look() == {}
    assert bench.client.volumes.get(f"{bench.name}_data")
    bench.stack.create(bench.project, ["web"])
    assert {name: one.state for name, one in bench.look().items()} == {"web": "created"}


def test_a_one_off_tells_how_it_ended_and_is_gone(bench: Bench) -> None:
    """Its exit code and output; neither its dependencies nor itself are left."""
    bench.service("db")
    bench.service("app", depends_on=["db"], restart="always", container_name=f"{bench.name}-app")
    result = bench.stack.run(
        bench.project, "app", ["sh", "-c", "echo out; echo err >&2; exit 7"], 20, unseen
    )
    assert result.exit_code == 7
    assert sorted(result.output.split()) == ["err", "out"]
    assert bench.client.containers.list(all=True, filters=_of(bench)) == []
    with pytest.raises(StepFailed, match="did not end within 1 s") as late:
        bench.stack.run(bench.project, "app", ["sleep", "60"], 1, unseen)
    assert late.value.code == "run.timeout"
    assert bench.client.containers.list(all=True, filters=_of(bench)) == []


def test_a_killed_agent_s_one_off_is_ended_by_the_next(lab_engine: Engine, bench: Bench) -> None:
    """A migration that goes on after kill -9 may not write beside a rollback, or run twice."""
    bench.service("app")
    bench.up()
    for ending in (
        lambda: bench.stack.stop(bench.name, ["app"]),
        lambda: bench.stack.run(bench.project, "app", ["true"], 20, unseen),
        lambda: bench.stack.discard(bench.name, ["app"]),
        lambda: bench.stack.down(bench.name),
    ):
        _kill_an_agent_running_a_one_off(lab_engine, bench)
        ending()
        assert bench.client.containers.list(all=True, filters=_one_off(bench)) == []


def _kill_an_agent_running_a_one_off(engine: Engine, bench: Bench) -> None:
    agent = f"""
from pathlib import Path
from koprogo_agent.adapters.compose import ComposeStack
from koprogo_agent.ports import Project
stack = ComposeStack({engine.host!r})
project = Project({bench.name!r}, Path({str(bench.project.directory)!r}),
    (Path({str(bench.project.files[0])!r}),))
stack.run(project, "app", {SLEEP!r}, 60, lambda: None)
"""
    path = f"{Path(compose_program()).parent}:{os.environ['PATH']}"
    child = subprocess.Popen([sys.executable, "-c", agent], env=os.environ | {"PATH": path})
    filters = _one_off(bench) | {"status": "running"}
    bench.wait(lambda: bool(bench.client.containers.list(filters=filters)), "the one-off")
    child.send_signal(signal.SIGKILL)
    child.wait()


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
    names = [one.name for one in bench.client.containers.list(all=True, filters=_of(bench))]
    assert names == [name]
    assert bench.client.containers.get(name).id not in {copy["Id"], running.id}


def test_a_container_is_reached_at_its_address(bench: Bench) -> None:
    """On a network without a way out, on the host's own, and through another container."""
    serve = {"entrypoint": ["serve"], "command": []}
    bench.service("inner", **serve, networks=["closed"])
    bench.service("host", network_mode="host")
    bench.service("beside", network_mode="service:inner")
    networks = {"closed": {"internal": True}}
    bench.write(bench.project.files[0], {"services": bench.services, "networks": networks})
    ids = bench.up()
    address = bench.stack.address(ids["inner"])
    assert address is not None
    assert address == bench.stack.address(ids["beside"])
    assert bench.stack.address(ids["host"]) == "127.0.0.1"
    prober = HttpProber()
    probe = HttpProbe("inner", f"http://{address}:8080/", status=404)
    bench.wait(lambda: prober.ask(probe) is None, "an answer from inside")
    bench.stack.stop(bench.name, ["inner"])
    assert bench.stack.address(ids["inner"]) is None
    assert bench.stack.address("no-such-container") is None


def test_logs_are_the_end_of_what_was_printed(bench: Bench) -> None:
    """So many lines of it; nothing for a container that is gone."""
    bench.service("web", command=["seq", "1", "50"])
    ids = bench.up()
    bench.wait(lambda: bench.look()["web"].state == "exited", "the end")
    assert bench.stack.logs(ids["web"], 2).split() == ["49", "50"]
    assert bench.stack.logs("no-such-container", 2) == ""


def test_down_leaves_nothing_and_touches_no_neighbour(bench: Bench) -> None:
    """A scratch project goes with its volumes, even where a container will not stop."""
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    bench.service("web", command=stubborn, init=False, volumes=["data:/data", "/anonymous"])
    bench.write(bench.project.files[0], {"services": bench.services, "volumes": {"data": {}}})
    scratch = replace(bench.project, name=f"{bench.name}-scratch")
    bench.up()
    bench.stack.up(scratch)
    bench.stack.down(scratch.name)
    bench.stack.down(scratch.name)
    label = _of(replace(bench, project=scratch))
    assert bench.client.containers.list(all=True, filters=label) == []
    assert bench.client.networks.list(filters=label) == []
    assert bench.client.volumes.list(filters=label) == []
    assert bench.look()["web"].state == "running"


def test_up_leaves_the_operator_s_own_containers_alone(bench: Bench) -> None:
    """A second compose file in the same folder makes containers of the same project."""
    bench.service("web")
    other = bench.project.directory / "monitoring.yml"
    bench.write(other, {"services": {"monitor": bench.services["web"]}})
    bench.stack.up(replace(bench.project, files=(other,)))
    bench.up()
    assert sorted(bench.look()) == ["monitor", "web"]


def test_compose_is_found_as_plugin_as_program_or_not_at_all(
    lab_engine: Engine, tmp_path: Path
) -> None:
    """The plugin is preferred; version 1 is refused, and named."""
    plugins = tmp_path / "config/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(compose_program())
    with_plugin = stack_of(lab_engine, DOCKER_CONFIG=str(plugins.parent))
    assert with_plugin.program == ("docker", "compose")
    compose = tmp_path / "compose.yml"
    compose.write_text("services: {web: {image: x}}")
    project = Project("found", tmp_path, (compose,))
    assert with_plugin.render(project)["services"]["web"]["image"] == "x"
    assert stack_of(lab_engine).program == ("docker-compose",)
    old = tmp_path / "docker-compose"
    old.write_text("#!/bin/sh\necho 1.29.2\n")
    old.chmod(0o755)
    with pytest.raises(NeedsOperator, match=r"docker-compose 1\.29\.2") as refused:
        _ = ComposeStack(lab_engine.host, {"PATH": f"{tmp_path}:/bin"}).program
    assert refused.value.code == "compose.not_found"


def _of(bench: Bench) -> dict[str, Any]:
    return {"label": [f"com.docker.compose.project={bench.name}"]}


def _one_off(bench: Bench) -> dict[str, Any]:
    return {"label": [*_of(bench)["label"], "com.docker.compose.oneoff=True"]}

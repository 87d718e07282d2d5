"""How services and one-off containers end, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.errors import StepFailed
from tests.integration.compose.bench import SLEEP, Bench, unseen
from tests.lab.engine import Engine
from tests.lab.stack import compose_program

pytestmark = pytest.mark.real


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
    assert bench.client.containers.list(all=True, filters=bench.own) == []
    with pytest.raises(StepFailed, match="did not end within 1 s") as late:
        bench.stack.run(bench.project, "app", ["sleep", "60"], 1, unseen)
    assert late.value.code == "run.timeout"
    assert bench.client.containers.list(all=True, filters=bench.own) == []


def test_a_killed_agent_s_one_off_is_ended_by_the_next(lab_engine: Engine, bench: Bench) -> None:
    """A migration that goes on after kill -9 may not write beside a rollback, or run twice.

    While it runs, Traefik leads nobody to it.
    """
    bench.service("app", labels={"traefik.enable": "true"})
    bench.up()
    for ending in (
        lambda: bench.stack.stop(bench.name, ["app"]),
        lambda: bench.stack.run(bench.project, "app", ["true"], 20, unseen),
        lambda: bench.stack.discard(bench.name, ["app"]),
        lambda: bench.stack.down(bench.name),
    ):
        _kill_an_agent_running_a_one_off(lab_engine, bench)
        ending()
        assert bench.client.containers.list(all=True, filters=bench.one_offs) == []


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
    filters = bench.one_offs | {"status": "running"}
    bench.wait(lambda: bool(bench.client.containers.list(filters=filters)), "the one-off")
    (one_off,) = bench.client.containers.list(filters=filters)
    assert one_off.labels["traefik.enable"] == "false"
    child.send_signal(signal.SIGKILL)
    child.wait()


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
    label = replace(bench, project=scratch).own
    assert bench.client.containers.list(all=True, filters=label) == []
    assert bench.client.networks.list(filters=label) == []
    assert bench.client.volumes.list(filters=label) == []
    assert bench.look()["web"].state == "running"

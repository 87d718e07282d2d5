"""What Compose makes of compose files, and what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from koprogo_agent.adapters.compose import ComposeStack
from koprogo_agent.errors import NeedsOperator, StepFailed
from koprogo_agent.ports import Project
from tests.integration.compose.bench import HEALTHY, Bench, stack_of, unseen
from tests.lab.engine import Engine
from tests.lab.stack import compose_program

pytestmark = pytest.mark.real


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

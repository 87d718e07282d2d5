"""The grounds of the contract suite: the simulation, and the lab's real parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.ports import Stack
from tests.contract.ground import Ground, on_the_lab, simulated
from tests.instance import PATIENT_GATE, Instance
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.stack import QUICK

GROUNDS = ["simulation", pytest.param("real", marks=pytest.mark.real)]


@pytest.fixture(scope="package", params=GROUNDS)
def ground(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """An instance with its first release; the real parts are brought up only where asked for."""
    if request.param == "simulation":
        folder: Path = tmp_path_factory.mktemp("simulation")
        yield simulated(folder)
        return
    with Lab(request.getfixturevalue("lab_engine"), settings=QUICK) as lab:
        release = lab.publisher.publish(Kind.GOOD)
        lab.stack.write_env(release.version)
        with Instance.create(lab, gate=PATIENT_GATE).engine() as engine:
            ran = engine.tick()
            assert ran is not None
            assert ran.outcome is Outcome.COMMITTED, ran.operation.state.cause
            yield on_the_lab(lab, engine)


@pytest.fixture
def stack(ground: Ground) -> Stack:
    """The port."""
    return ground.engine.world.stack

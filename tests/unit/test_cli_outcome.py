"""How an operation is shown while it goes on and when it has ended, on the simulated world."""

from __future__ import annotations

import io
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.leaving import Leaving
from koprogo_agent.cli.outcome import Account
from koprogo_agent.cli.progress import LiveProgress, Progress
from koprogo_agent.domain.plan import Action, Direction, Step
from koprogo_agent.errors import Failure
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.leaving import may_leave
from koprogo_agent.update.requests import Requests
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance that runs v1.0.0."""
    made = Instance.new(tmp_path, soak={"duration": 30.0})
    made.install()
    return made


def update(instance: Instance, progress: Progress, leaving: Leaving | None = None) -> Account:
    """Does what `koprogo-agent update` does."""
    stopping = leaving.now if leaving else lambda: False
    world = instance.scene.world(instance.taps)
    engine = Engine(world, instance.settings, instance.journal, progress, stopping)
    ran = Requests(engine).update(None)
    assert ran is not None
    return Account(ran, progress.done, engine.standing.held)


@dataclass
class Impatient(Progress):
    """Somebody who types Ctrl-C during a step."""

    at: Step = Step.STAGE

    def __post_init__(self) -> None:
        self.leaving = Leaving(self)

    def begins(self, action: Action, tag: str) -> None:
        """Types it."""
        super().begins(action, tag)
        if action.step is self.at:
            self.leaving.ask(signal.SIGINT, None)


def on_paper() -> tuple[Progress, io.StringIO]:
    """A progress that prints into a text."""
    paper = io.StringIO()
    return Progress(Console(file=paper, width=200)), paper


def test_a_good_update(instance: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a step with its facts, the time for which users waited, and 0."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    progress, paper = on_paper()
    account = update(instance, progress)

    lines = paper.getvalue().splitlines()
    assert lines[0] == "v1.1.0"
    steps = [line.split()[1] for line in lines[1:]]
    assert steps == [str(one.action) for one in progress.done]
    assert steps.count("soak") == 1
    backup = next(line for line in lines if " backup " in line)
    assert "read back whole" in backup
    assert account.code is Exit.DONE
    met = account.operation.met
    assert met is not None
    assert met.waited == pytest.approx(instance.scene.users.longest, abs=1.5)
    assert met.waited > 0
    account.tell()
    assert "v1.1.0 is installed and healthy" in capsys.readouterr().out
    document = account.document()
    assert document["outcome"] == "committed"
    assert document["previous"] == "v1.0.0"
    assert document["steps"][0]["step"] == "stage"
    assert document["backup"]


def test_a_release_that_the_rehearsal_catches(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1: it failed, and nobody noticed."""
    instance.scene.publisher.publish("1.0.1", backend={"exits": "at start"})
    progress, paper = on_paper()
    account = update(instance, progress)
    assert account.code is Exit.FAILED
    assert "✗ rehearse" in paper.getvalue()
    assert account.operation.met is None
    account.tell()
    told = capsys.readouterr().out
    assert "step rehearse failed, before anything was stopped; v1.0.0 runs on" in told
    assert "koprogo-agent retry v1.0.1" in told


def test_a_release_that_is_taken_back(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 4; the way back is shown as well, and users waited until they were let in again."""
    instance.scene.publisher.publish("1.1.0", schema=True, backend={"exits": "in production"})
    progress, paper = on_paper()
    account = update(instance, progress)
    assert account.code is Exit.ROLLED_BACK
    assert "✓ undo point" in paper.getvalue()
    met = account.operation.met
    assert met is not None
    assert met.waited == pytest.approx(instance.scene.users.longest, abs=1.5)
    account.tell()
    assert "was taken back: v1.0.0 runs, with its data" in capsys.readouterr().out


def test_images_that_are_not_there_yet(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 75: the same command may succeed later."""
    instance.scene.publisher.publish("1.0.1")
    instance.scene.publisher.withdraw("1.0.1")
    progress, paper = on_paper()
    account = update(instance, progress)
    assert account.code is Exit.LATER
    assert "… pull" in paper.getvalue()
    account.tell()
    assert "koprogo-agent why" in capsys.readouterr().out


def test_a_variable_that_only_the_operator_can_give(instance: Instance) -> None:
    """Exit 5, and the document says what is missing."""
    instance.scene.publisher.publish("1.0.1", environment={"MAIL_FROM": "${MAIL_FROM}"})
    progress, _ = on_paper()
    account = update(instance, progress)
    assert account.code is Exit.OPERATOR
    assert "MAIL_FROM" in account.document()["cause"]["message"]


def test_leaving_waits_until_users_are_served(instance: Instance) -> None:
    """Ctrl-C at the fence is heard behind it, and the next `update` goes on from there."""
    instance.scene.publisher.publish("1.1.0", schema=True)
    paper = io.StringIO()
    progress = Impatient(Console(file=paper, width=200), at=Step.POINT)
    account = update(instance, progress, progress.leaving)
    assert "stopping once users are served again" in paper.getvalue()
    assert account.ran.outcome is None
    assert may_leave(progress.last)
    assert [one.service for one in instance.scene.machine.of(PROJECT) if one.serves]

    again, _ = on_paper()
    assert update(instance, again).code is Exit.DONE
    assert instance.installed == "v1.1.0"


def test_leaving_while_a_release_is_watched(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is installed: that is no failure."""
    instance.scene.publisher.publish("1.0.1")
    progress = Impatient(Console(file=io.StringIO()), at=Step.SOAK)
    account = update(instance, progress, progress.leaving)
    assert account.code is Exit.DONE
    account.tell()
    assert "v1.0.1 is installed; you left while it was watched" in capsys.readouterr().out


def test_before_anything_begins_one_leaves_at_once() -> None:
    """There is nothing to be careful with."""
    progress, _ = on_paper()
    with pytest.raises(KeyboardInterrupt):
        Leaving(progress).ask(signal.SIGINT, None)


@pytest.mark.parametrize("step", [Step.HOLD, Step.POINT, Step.MIGRATE, Step.SWITCH, Step.GATE])
def test_nobody_leaves_users_outside(step: Step) -> None:
    """Neither on the way forward nor back."""
    assert not may_leave(Action(step))
    assert not may_leave(Action(step, Direction.UNDO))
    assert may_leave(Action(Step.BACKUP))
    assert may_leave(Action(Step.RELEASE, Direction.UNDO))


def test_the_present_step_is_alive() -> None:
    """On a terminal it has a spinner, its time, bytes and rate; names from outside are harmless."""
    screen = io.StringIO()
    console = Console(file=screen, width=120, force_terminal=True)
    live = LiveProgress(console)
    assert not live.__rich__().renderables
    live.begins(Action(Step.PULL), "v1.0.0")
    live.goes_on("registry/x\x1b[2J", 2_000_000, 8_000_000)
    (row,) = live.__rich__().renderables
    text = str(row)
    assert "pull" in text
    assert "registry/x\\u001b[2J  2.0 MB of 8.0 MB, " in text
    live.begins(Action(Step.BACKUP), "v1.0.0")
    assert "2.0 MB" not in str(live.__rich__().renderables[0])


@pytest.mark.parametrize("terminal", [True, False])
def test_long_words_wrap_below_themselves_on_a_terminal(terminal: bool) -> None:  # noqa: FBT001
    """In a pipe a line stays one line, for whoever searches it."""
    screen = io.StringIO()
    console = Console(file=screen, width=50, force_terminal=terminal, color_system=None)
    progress = Progress(console)
    progress.begins(Action(Step.GATE), "v1.0.0")
    message = "the stack is not healthy: backend has exited 1"
    progress.broke(Action(Step.GATE), Failure("StepFailed", "gate.failed", message))
    _, *told = screen.getvalue().rstrip().split("\n")
    column = told[0].index("the stack")
    if terminal:
        assert len(told) > 1
        assert {line[:column].strip() for line in told[1:]} == {""}
        assert " ".join(line[column:].strip() for line in told) == message
    else:
        assert [line[column:] for line in told] == [message]

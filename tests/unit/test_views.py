"""What is offered, what a verdict says of each rule, and what an update is expected to cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from koprogo_agent.cli.plan import meets
from koprogo_agent.domain.hold import Way
from koprogo_agent.domain.plan import Step
from koprogo_agent.errors import Refused
from koprogo_agent.update.preview import Preview, preview
from koprogo_agent.update.survey import Stand, survey
from koprogo_agent.update.verdict import Holds, judge_here
from tests.simulation.instance import Instance
from tests.simulation.origin import tag_object
from tests.simulation.releases import Traits


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """An instance that runs v1.1.0, updated from v1.0.0 with a new schema."""
    made = Instance.new(tmp_path)
    made.install()
    made.scene.publisher.publish("1.1.0", schema=True)
    made.settle()
    assert made.installed == "v1.1.0"
    return made


def test_a_survey_says_of_every_release_how_it_stands(instance: Instance) -> None:
    """Newest first; what is older than the candidate is not even verified."""
    publisher = instance.scene.publisher
    publisher.publish("1.1.1")
    publisher.publish("1.1.2")
    publisher.publish("1.1.3", key="somebody")
    publisher.publish("2.0.0", manifest={"channel": "beta"})
    found = {one.tag: one for one in survey(instance.engine)}
    assert {tag: one.stand for tag, one in found.items()} == {
        "v2.0.0": Stand.WAITS,
        "v1.1.3": Stand.REFUSED,
        "v1.1.2": Stand.NEXT,
        "v1.1.1": Stand.PASSED_OVER,
        "v1.1.0": Stand.INSTALLED,
        "v1.0.0": Stand.OLDER,
    }
    assert found["v2.0.0"].gate == "channel"
    assert found["v1.1.3"].code == "signature.unknown_key"
    assert found["v1.1.2"].signer == "release-manager"
    assert instance.installed == "v1.1.0"


@pytest.mark.parametrize(
    ("rule", "traits"),
    [
        ("signed", {"key": ""}),
        ("signature", {"key": "somebody"}),
        ("manifest", {"legacy": True}),
        ("format", {"manifest": {"counter": -1}}),
        ("version", {"manifest": {"version": "9.9.9"}}),
        ("product", {"manifest": {"product": "other"}}),
        ("expires", {"manifest": {"expires": "2026-01-05T12:00:01Z"}}),
    ],
)
def test_a_verdict_names_the_rule_that_is_broken(
    instance: Instance,
    rule: str,
    traits: Traits,
) -> None:
    """Alone: what can be looked at behind it holds, and the rest was not reached."""
    instance.scene.publisher.publish("1.2.0", **traits)
    verdict = judge_here(instance.engine, "v1.2.0")
    assert [one.name for one in verdict.findings if one.holds is Holds.NO] == [rule]
    reached = [one.holds for one in verdict.findings if one.name != rule]
    assert sorted(reached, reverse=True) == reached
    assert verdict.refusal is not None
    assert verdict.release is None


def test_a_verdict_on_a_moved_and_on_an_old_tag(instance: Instance) -> None:
    """Neither is remembered as a refusal: somebody only asked."""
    assert judge_here(instance.engine, "v1.1.0").release is not None
    old = judge_here(instance.engine, "v1.0.0")
    broken = [one.name for one in old.findings if one.holds is Holds.NO]
    assert broken == ["floor", "counter"]
    instance.scene.origin.tag("v1.1.0", tag_object("v1.1.0", "0" * 40, "moved\n"))
    moved = judge_here(instance.engine, "v1.1.0").refusal
    assert moved is not None
    assert moved.code == "tag.moved"
    assert instance.engine.memory.refusals() == []
    with pytest.raises(Refused, match="no tag v9"):
        judge_here(instance.engine, "v9.9.9")


def test_a_preview_changes_nothing_and_knows_what_it_will_cost(instance: Instance) -> None:
    """The parts come from what was measured on this machine at the last update."""
    instance.scene.publisher.publish("1.2.0", schema=True)
    ids, images = instance.ids, dict(instance.scene.images.names)
    found = preview(instance.engine, None)
    assert found is not None
    assert found.release.tag == "v1.2.0"
    assert {Step.HOLD, Step.POINT, Step.GATE, Step.RELEASE} <= found.shut_out
    assert Step.BACKUP not in found.shut_out
    start = next(one for one in found.forecast.shares if one.what == "the new version starts")
    assert start.basis == "as measured with v1.1.0"
    assert found.forecast.seconds is not None
    assert found.forecast.seconds > 0
    assert len(found.to_pull) == 2
    assert (instance.ids, dict(instance.scene.images.names)) == (ids, images)
    assert instance.journal.live() is None


def test_a_preview_without_schema_change_and_with_nothing_to_do(instance: Instance) -> None:
    """No fence, nobody shut out; a named release that may not be is refused."""
    assert preview(instance.engine, None) is None
    instance.scene.publisher.publish("1.1.1")
    instance.requests.hold("wait")
    assert preview(instance.engine, None) is None
    instance.requests.resume()
    found = preview(instance.engine, "v1.1.1")
    assert found is not None
    assert found.shut_out == frozenset()
    with pytest.raises(Refused, match="no release v7"):
        preview(instance.engine, "v7.0.0")


@pytest.mark.parametrize(
    ("routed", "free", "schema", "way", "said"),
    [
        (True, 10, False, Way.BESIDE, "no request waits"),
        (True, 0, False, Way.WAIT, "requests wait: about"),
        (True, 10, True, Way.WAIT, "after 45 s people get a page"),
        (False, 10, True, Way.CLOSED, "users are kept out"),
        (False, 10, False, Way.AWAY, "is away while it starts"),
    ],
)
def test_a_preview_says_what_users_then_meet(
    tmp_path: Path, *, routed: bool, free: int, schema: bool, way: Way, said: str
) -> None:
    """The way that it names is the one that is gone, for the reason that it names."""
    instance = Instance.new(tmp_path)
    instance.scene.publisher.routed = routed
    instance.scene.database.free = free
    instance.install()
    first = preview_of(instance, "1.1.0", schema=schema)
    assert first.forecast.before is None
    instance.settle()
    again = preview_of(instance, "1.2.0", schema=schema)
    held = instance.journal.past(1)[0].operation
    assert [first.hold.way, again.hold.way] == [way, way]
    assert held.fact(Step.HOLD, "way") == way
    assert held.fact(Step.HOLD, "why") == again.hold.why != ""
    assert said in meets(again)
    assert held.met is not None
    assert again.forecast.before is not None
    assert again.forecast.before.seconds == held.met.waited + held.met.away
    if way is Way.WAIT:
        assert again.forecast.seconds == pytest.approx(held.met.waited, abs=5)


def preview_of(instance: Instance, version: str, *, schema: bool) -> Preview:
    """What an update to a release that is published now would do."""
    instance.scene.publisher.publish(version, schema=schema)
    found = preview(instance.engine, None)
    assert found is not None
    return found


def test_a_preview_names_the_image_of_the_room_that_is_not_here(instance: Instance) -> None:
    """Without it users would notice what the plan says that they do not."""
    room = instance.settings.hold.image
    instance.scene.images.names.pop(room, None)
    found = preview_of(instance, "1.2.0", schema=True)
    assert any(room.split("@")[0] in one for one in found.notes)


def test_a_preview_learns_that_the_ingress_keeps_its_routes(tmp_path: Path) -> None:
    """Labels alone prove nothing: the first time it says so, and then what was found out."""
    instance = Instance.new(tmp_path)
    instance.scene.rooms.route = False
    instance.install()
    first = preview_of(instance, "1.0.1", schema=False)
    assert any("was not tried here yet" in one for one in first.notes)
    instance.settle()
    again = preview_of(instance, "1.0.2", schema=False)
    assert again.hold.way is Way.AWAY
    assert "does not hand the route" in again.hold.why
    assert not again.notes
    instance.scene.rooms.route = True
    instance.settle()
    assert preview_of(instance, "1.0.3", schema=False).hold.way is Way.BESIDE

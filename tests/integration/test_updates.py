"""The main job on real parts: a signed tag appears, and the stack is brought to it, or back.

One stack goes through all of it, as one in the field does; every test begins on a healthy stack and
leaves one behind.
"""

from __future__ import annotations

import pytest

from koprogo_agent.domain.states import Outcome
from koprogo_agent.update.requests import Requests
from tests.instance import Instance, Seen
from tests.lab.recipes import Kind
from tests.lab.stack import ONE_SHOT
from tests.scenes import bring, installed, writer

pytestmark = pytest.mark.real

UNTOUCHED = ("traefik", "postgres", "minio", ONE_SHOT)


def test_an_update_without_schema_change_touches_only_what_changed(instance: Instance) -> None:
    """Backend and frontend are new; everything else keeps its container; no request fails."""
    release, watched = bring(instance, Kind.GOOD)
    assert watched.outcome is Outcome.COMMITTED
    assert watched.kept(*UNTOUCHED)
    assert not watched.kept("backend")
    assert "point" not in watched.seen.actions
    assert watched.tally.failed == 0
    assert installed(instance) == release.tag


def test_an_update_with_schema_change_keeps_every_row(instance: Instance) -> None:
    """The migration runs on the real data, the database's container stays; requests wait."""
    release, watched = bring(instance, Kind.GOOD_WITH_MIGRATION)
    assert watched.outcome is Outcome.COMMITTED
    assert watched.kept(*UNTOUCHED)
    assert instance.lab.stack.applied() == list(release.migrations)
    assert {"hold", "point", "release"} <= set(watched.seen.actions)
    assert watched.tally.failed == 0
    assert not watched.tally.repeated


@pytest.mark.parametrize(
    "kind",
    [
        Kind.BROKEN_AT_START,
        Kind.BROKEN_AFTER_MIGRATION,
        Kind.MIGRATION_FAILING,
        Kind.MIGRATION_FAILING_ON_DATA,
        Kind.MIGRATION_HANGING,
    ],
)
def test_the_rehearsal_catches_it_and_nobody_notices(instance: Instance, kind: Kind) -> None:
    """Not one request fails, no container changes, the release is quarantined and left alone."""
    was = installed(instance)
    release, watched = bring(instance, kind)
    assert watched.outcome is Outcome.CANCELLED
    assert watched.tally.failed == 0
    assert watched.before == watched.after
    assert installed(instance) == was
    with instance.engine() as engine:
        assert [one.tag for one in engine.memory.quarantined().values()][-1] == release.tag
        assert engine.tick() is None


@pytest.mark.parametrize(
    "kind", [Kind.BROKEN_IN_PRODUCTION, Kind.BROKEN_IN_PRODUCTION_AFTER_MIGRATION]
)
def test_what_breaks_only_in_production_goes_back_as_a_pair(instance: Instance, kind: Kind) -> None:
    """Images and data return together, through the gate; the old version serves on."""
    was, schema = installed(instance), instance.lab.stack.applied()
    release, watched = bring(instance, kind)
    assert watched.outcome is Outcome.ROLLED_BACK
    assert watched.kept(*UNTOUCHED)
    assert instance.lab.stack.applied() == schema
    assert installed(instance) == was
    with instance.engine() as engine:
        assert release.tag in {one.tag for one in engine.memory.quarantined().values()}
        assert engine.drift() == ()


def test_a_release_that_dies_in_the_soak_is_taken_back(instance: Instance) -> None:
    """It was healthy at the gate; half a minute after its start it is not."""
    was = installed(instance)
    patient = instance.changed(soak={"duration": 60, "interval": 1}, rehearsal={"when": "never"})
    _, watched = bring(patient, Kind.DYING)
    assert watched.outcome is Outcome.ROLLED_BACK
    assert "commit" in watched.seen.actions
    assert installed(instance) == was


def test_a_release_that_users_do_not_reach_is_taken_back(instance: Instance) -> None:
    """It answers when it is asked directly, and its ingress leads to another host name."""
    was, publisher = installed(instance), instance.lab.publisher
    elsewhere = {"traefik.http.routers.backend.rule": "Host(`elsewhere.test`)"}
    publisher.compose = {"services": {"backend": {"labels": elsewhere}}}
    release = publisher.publish(Kind.GOOD)
    publisher.compose = {}
    seen = Seen()
    with instance.changed(rehearsal={"when": "never"}).engine(seen) as engine:
        ran = engine.tick()
        assert ran is not None
        assert engine.see_through(ran).outcome is Outcome.ROLLED_BACK
        assert release.tag in {one.tag for one in engine.memory.quarantined().values()}
    assert "answered 404" in seen.failures[0].message
    assert installed(instance) == was
    assert instance.lab.stack.serves()


def test_an_image_that_is_not_there_yet_is_waited_for(instance: Instance) -> None:
    """The tag may be seen before its images are pushed: it is tried again, and then installed."""
    release, watched = bring(instance, Kind.IMAGE_MISSING)
    assert watched.outcome is Outcome.POSTPONED
    assert watched.tally.failed == 0
    with instance.engine() as engine:
        assert engine.tick() is None
        assert engine.standing.pending.reasons[0][:2] == (release.tag, "backoff")
        instance.lab.publisher.supply_images(release)
        ran = Requests(engine).update(None)
    assert ran is not None
    assert ran.outcome is Outcome.COMMITTED
    assert installed(instance) == release.tag


def test_a_change_of_the_ingress_configuration_alone_reaches_it(instance: Instance) -> None:
    """Compose does not look into mounted files; the agent does, and replaces only the ingress."""
    _, watched = bring(instance, Kind.INGRESS_ONLY)
    assert watched.outcome is Outcome.COMMITTED
    assert not watched.kept("traefik")
    assert watched.kept("postgres", "backend", "frontend", "minio")


@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [
        (Kind.NEEDS_VARIABLE, "env.variable_missing", "MAIL_FROM"),
        (Kind.INVALID_COMPOSE, "compose.invalid", "imag"),
    ],
)
def test_bad_compose_input_is_found_while_staging(
    instance: Instance, kind: Kind, code: str, word: str
) -> None:
    """Nothing is pulled, nothing stops, and the message names the culprit."""
    _, watched = bring(instance, kind)
    assert watched.outcome is Outcome.CANCELLED
    assert [one.code for one in watched.seen.failures] == [code]
    assert word in watched.seen.failures[0].message
    assert watched.tally.failed == 0
    assert watched.before == watched.after


def test_rollback_by_hand_stays_back(instance: Instance) -> None:
    """The operator goes back one release; the agent does not bring the left one again."""
    was = installed(instance)
    bring(instance, Kind.GOOD)
    with writer(instance.lab.stack), instance.engine() as engine:
        assert Requests(engine).rollback().outcome is Outcome.COMMITTED
        assert engine.tick() is None
    assert installed(instance) == was


def test_what_no_counter_shows_is_not_thrown_away(instance: Instance) -> None:
    """A large object and a TRUNCATE after the opening; the last of all, for it ends HELD."""
    sql = instance.lab.stack.psql
    sql("CREATE TABLE outbox (id int); INSERT INTO outbox VALUES (1)")
    letter = sql("SELECT lo_from_bytea(0, 'draft')")

    def at(boundary: str, action: str) -> None:
        if (boundary, action) == ("after", "commit"):
            sql(f"SELECT lo_put({letter}, 0, 'FINAL'); TRUNCATE outbox")

    instance.lab.publisher.publish(Kind.DYING_AFTER_MIGRATION)
    seen = Seen(at=at)
    watching = instance.changed(soak={"duration": 30, "interval": 1}, rehearsal={"when": "never"})
    with watching.engine(seen) as engine:
        ran = engine.tick()
        assert ran is not None
        assert engine.see_through(ran).outcome is Outcome.HELD
    assert "undo point" not in seen.actions
    assert sql(f"SELECT convert_from(lo_get({letter}), 'UTF8')") == "FINAL"
    assert sql("SELECT count(*) FROM outbox") == "0"

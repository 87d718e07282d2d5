"""docs/releasing.md, "From unsigned tags to signed releases": each step on real parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from koprogo_agent.domain.armour import Kind as KeyKind
from koprogo_agent.domain.deployment import UNKNOWN
from koprogo_agent.domain.states import Outcome
from tests.desks import Workshop
from tests.instance import Instance
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.offices import workshop_of
from tests.scenes import installed, watch

pytestmark = pytest.mark.real


PEOPLE = {"ann": KeyKind.SSH, "bob": KeyKind.SSH}


@dataclass(frozen=True)
class Life:
    """An association that has not made a trust root yet, and a server that runs its v1.0.0."""

    shop: Workshop
    instance: Instance

    def types(self, verb: str) -> str:
        """What the operator reads."""
        done = self.instance.type(verb)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def life(lab: Lab) -> Iterator[Life]:
    """The tag is annotated and unsigned, as KoproGo's workflow makes it; there is no manifest."""
    first = lab.publisher.publish(Kind.LEGACY_UNSIGNED)
    lab.install(first)
    plain = Instance.create(lab, rehearsal={"when": "never"}, backup={"before_update": False})
    instance = plain.changed(trust={"require_manifest": False})
    with workshop_of(lab, PEOPLE) as shop:
        yield Life(shop, instance)


def test_until_then_the_agent_adopts_and_says_why_it_installs_nothing(life: Life) -> None:
    """Without a trust root it does nothing at all; with one, an unsigned tag is still refused."""
    root, kept = (life.instance.root / "trust" / name for name in ("root.json", "kept"))
    root.rename(kept)
    assert "there is no trust root" in life.types("check")
    kept.rename(root)

    lax = life.instance.changed(trust={"require_manifest": False, "require_freshness": False})
    lax.type("check")
    first = lax.type("status").stdout.splitlines()[0]
    assert "up to date" not in first
    assert "what runs was adopted and is no known release; none is accepted here yet" in first
    assert "tag v1.0.0 is not signed" in first

    life.instance.lab.publisher.publish(Kind.LEGACY_UNSIGNED)
    watched = watch(life.instance)
    assert (watched.ran, watched.restarted) == (None, set())
    assert installed(life.instance) == UNKNOWN
    assert "v1.0.1 (tag.unsigned)" in life.types("status")
    assert "up to date" not in life.types("status")
    assert "tag v1.0.1 is not signed  [tag.unsigned]" in life.types("why")


def test_the_first_signed_release_follows_unsigned_tags(life: Life) -> None:
    """Their versions count as taken, their migrations as run; the server comes from what it has."""
    shop, lab = life.shop, life.instance.lab
    shop.found("--threshold", "2")
    life.instance.give_root(lab.origin.repository.read("blob", "trust:root/1.json"))
    draft = lab.publisher.draft(Kind.GOOD_WITH_MIGRATION)
    ann = shop["ann"]
    ann.git("pull", "--quiet", "--tags", "origin", "main")
    ann.git("fetch", "--quiet")
    assert "1.0.1 is not above 1.0.1, the newest tag" in ann.type("prepare", "1.0.1").stdout
    said = ann.must("prepare", draft.version)
    assert f"{draft.version}, after 1.0.1" in said
    assert "added since v1.0.1" in said
    ann.must("publish", shop.draw_up(draft.version, "ann", "bob"))
    release = lab.publisher.published(draft)

    strict = replace(life, instance=life.instance.changed(trust={"require_manifest": True}))
    watched = watch(strict.instance)
    assert watched.outcome is Outcome.COMMITTED
    assert installed(strict.instance) == release.tag
    assert lab.stack.applied() == list(release.migrations)

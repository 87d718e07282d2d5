"""Repair: how the stack differs from what was applied, and whether the agent puts it right."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from koprogo_agent.domain.deployment import Deployment, can_go_back
from koprogo_agent.domain.drift import (
    Difference,
    differences,
    may_repair,
    not_there,
    older_release,
)
from koprogo_agent.domain.plan import Kind
from koprogo_agent.domain.states import Outcome
from koprogo_agent.settings import Settings
from koprogo_agent.update.asked import services_asked_for
from koprogo_agent.update.health import HealthMonitor
from koprogo_agent.update.journal import Journal
from koprogo_agent.update.planning import order_heal
from koprogo_agent.update.runner import Order, Ran
from koprogo_agent.update.standing import Drift, Held, HeldBy, Standing
from koprogo_agent.update.world import World

log = structlog.get_logger()

MOST_HEALS = 3
"""Heals within `_HOUR`; whatever changes the stack again after them does not give up by itself."""
_HOUR = timedelta(hours=1)
_RECENT = 20
"""Operations of the past that are looked at."""
_CAUSES = (
    "find what changes it: often the old updater (systemctl disable --now koprogo-gitops.service)"
    " or a cron job (crontab -l); then: koprogo-agent resume"
)


class Repair:
    """Reports how the stack differs, and decides whether it is put right."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        journal: Journal,
        standing: Standing,
        health: HealthMonitor,
    ) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._standing = standing
        self._health = health

    def drift(self) -> tuple[str, ...]:
        """How the stack differs from what was applied, in words."""
        installed = self._journal.installed
        return self._words(installed, self._differences()) if installed else ()

    def order(self) -> Order | None:
        """Report what differs; the order that puts it right, or None where it stays."""
        installed = self._journal.installed
        if installed is None or self._standing.held is not None:
            return None
        found = self._differences()
        older = self._older(installed, found)
        drift = self._drift(installed, found, older)
        if self._standing.drifted(drift):
            log.warning("stack.drifted", differences=drift.differences if drift else ())
            body = "\n".join([drift.cause, *drift.differences]).strip() if drift else ""
            self._world.notifier.tell("KoproGo: the stack was changed", body)
        if drift is None or not self._heals(found, older):
            return None
        if self._heals_since(self._world.clock.now() - _HOUR) >= MOST_HEALS:
            self._give_up(drift)
            return None
        return order_heal(installed)

    def noted(self, ran: Ran | None) -> None:
        """Where the stack was put right, what was found is not true any more."""
        if ran is not None and not self.drift():
            self._standing.drifted(None)

    def _differences(self) -> tuple[Difference, ...]:
        containers = self._world.stack.containers(self._settings.stack.project)
        applied, installed = self._standing.applied, self._journal.installed
        found = differences(applied, containers)
        if installed is None:
            return found
        # Gone with a profile that was off when the stack was put right, and is on again.
        absent = installed.pins.keys() - applied.keys() - {one.service for one in containers}
        if not found and not absent:
            return ()
        asked = services_asked_for(self._world, self._settings, installed)
        return tuple(one for one in (*found, *not_there(absent)) if one.service in asked)

    def _words(self, installed: Deployment, found: tuple[Difference, ...]) -> tuple[str, ...]:
        words = tuple(one.words for one in found)
        if self._world.files.laid() not in {None, installed.tag}:
            return (*words, "the files in the stack's folder are not those of the release")
        return words

    def _heals(self, found: tuple[Difference, ...], older: dict[str, str]) -> bool:
        if any(one.container and one.container.state == "paused" for one in found):
            return False  # a person is at work on the stack, and nothing here unpauses it
        match self._settings.policy.drift:
            case "report":
                return False
            case "heal":
                return True
            case "repair":
                return self._is_worth_it(found, older)

    def _is_worth_it(self, found: tuple[Difference, ...], older: dict[str, str]) -> bool:
        """Whether the change takes the stack down, or an older release runs."""
        if not may_repair(found, older) or not self._runs():
            return False
        condition = None if older else self._health.examine()
        return bool(older) or (condition is not None and condition.is_down)

    def _runs(self) -> bool:
        """Whether anything of the stack runs: what was stopped as a whole is left to a person."""
        containers = self._world.stack.containers(self._settings.stack.project)
        return any(one.state in {"running", "restarting"} for one in containers)

    def _older(self, installed: Deployment, found: tuple[Difference, ...]) -> dict[str, str]:
        """Service -> the older release whose image it runs."""
        known = self._known(installed) if any(one.container for one in found) else {}
        image_tag = self._settings.stack.image_tag
        told = {one.service: older_release(one, installed, image_tag, known) for one in found}
        return {service: tag for service, tag in told.items() if tag}

    def _known(self, installed: Deployment) -> dict[str, str]:
        """Image id -> tag of what ran here before the installed release, and does not any more."""
        find = self._world.images.find
        known: dict[str, str] = {}
        for one in self._former():
            for pin in one.pins.values():
                image = find(pin.reference)
                if image is not None:
                    known.setdefault(image.id, one.tag)
        for pin in installed.pins.values():
            image = find(pin.reference)
            known.pop(image.id if image else "", None)
        return known

    def _former(self) -> list[Deployment]:
        """What ran here before, newest first."""
        installed, former = self._journal.installed, [self._journal.previous]
        former += [one.operation.previous for one in self._journal.past(_RECENT)]
        tags = {installed.tag} if installed else set()
        found = []
        for one in former:
            if one is not None and one.tag not in tags:
                tags.add(one.tag)
                found.append(one)
        return found

    def _drift(
        self, installed: Deployment, found: tuple[Difference, ...], older: dict[str, str]
    ) -> Drift | None:
        words = self._words(installed, found)
        if not words:
            return None
        tag = next(iter(older.values()), "")
        before = [one for one in self._former() if one.tag == tag]
        # A release that never ran here is not known to fit to the schema.
        newer_schema = bool(tag) and not (before and can_go_back(before[0], installed))
        return Drift(words, self._world.clock.now(), tag, newer_schema)

    def _heals_since(self, moment: datetime) -> int:
        past = self._journal.past(_RECENT)
        done = (one for one in past if one.outcome is Outcome.COMMITTED)
        heals = [one for one in done if one.operation.kind is Kind.HEAL]
        return len([one for one in heals if one.operation.started >= moment])

    def _give_up(self, drift: Drift) -> None:
        """Agent and old updater would undo each other's work for ever."""
        reason = (
            f"the stack was put right {MOST_HEALS} times within an hour, and something changed it"
            f" again: {drift.cause or drift.differences[0]}"
        )
        now = self._world.clock.now()
        self._standing.hold(Held(HeldBy.AGENT, reason, _CAUSES, now))
        self._world.notifier.tell("KoproGo: the agent needs you", f"{reason}\n{_CAUSES}")

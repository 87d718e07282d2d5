"""From a verified release and what runs here to the order that the runner carries out."""

from __future__ import annotations

from pathlib import Path

from koprogo_agent.domain.deployment import Deployment, can_go_back
from koprogo_agent.domain.plan import Migrates, Step, Terms, heal, restore, rollback, update
from koprogo_agent.domain.trust import VerifiedRelease
from koprogo_agent.errors import Refused
from koprogo_agent.settings import Settings
from koprogo_agent.update.operation import Facts
from koprogo_agent.update.runner import Order
from koprogo_agent.update.world import World


def order_update(
    world: World, settings: Settings, release: VerifiedRelease, installed: Deployment | None
) -> Order:
    """The order that installs a release, or updates to it."""
    manifest = release.manifest
    folder = manifest.migrations.path if manifest else settings.migration.path
    works_with = manifest.migrations.works_with if manifest else ()
    tree = world.source.tree_id(release.commit, folder)
    known = installed is not None and installed.migrations is not None and tree is not None
    schema = not known or (installed is not None and installed.migrations != tree)
    when = settings.rehearsal.when
    terms = Terms(
        installed=installed is not None,
        schema_changes=schema,
        migrates=Migrates(settings.migration.kind),
        backup=settings.backup.before_update,
        rehearsal=when == "always" or (when == "schema" and schema),
        old_works_on_new_schema=installed is not None and str(installed.version) in works_with,
    )
    return Order(update(release, terms), release.tag, release.fingerprint, installed)


def order_rollback(installed: Deployment | None, previous: Deployment | None) -> Order:
    """The order that puts the last good release back.

    Raises:
        Refused: there is none, or it cannot run on the data of the installed one.
    """
    if installed is None or previous is None:
        raise Refused("there is no earlier release to go back to", code="rollback.none")
    if not can_go_back(previous, installed):
        raise Refused(
            f"{previous.tag} cannot run on the database of {installed.tag}, and going back with"
            " the data would lose what was written since",
            code="rollback.schema",
            advice="to accept that loss: koprogo-agent backup list, then"
            " koprogo-agent backup restore FILE",
        )
    return Order(rollback(), previous.tag, previous.fingerprint, installed, target=previous)


def order_restore(backup: Path, installed: Deployment | None, target: Deployment) -> Order:
    """The order that puts a backup back, with the release that it belongs to."""
    facts: dict[Step, Facts] = {Step.RESTORE: {"from": str(backup)}}
    return Order(restore(), target.tag, target.fingerprint, installed, target, facts)


def order_heal(installed: Deployment) -> Order:
    """The order that puts right what differs from what was applied."""
    return Order(heal(), installed.tag, installed.fingerprint, installed, target=installed)

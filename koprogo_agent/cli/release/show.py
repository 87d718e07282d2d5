"""How drafts, trust roots and signatures look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.text import Text

from koprogo_agent.cli import render, words
from koprogo_agent.domain.duration import span
from koprogo_agent.domain.freshness import Freshness, Rollout
from koprogo_agent.release.changes import Changes, Difference
from koprogo_agent.release.checks import Check
from koprogo_agent.release.draft import Draft
from koprogo_agent.release.signing import Tally

GOOD, BAD, OPEN, BLANK = ("✓", "green"), ("✗", "bold red"), ("·", "dim"), (" ", "")
NOTE = ("!", "yellow")
_SHOWN = 12
_WIDTH = 15


def mark(sign: tuple[str, str], what: str, said: str) -> None:
    """Prints a row of a checklist."""
    target = render.console()
    head = Text.assemble("  ", sign, f" {what:<{_WIDTH}} ")
    render.beside(target, head, render.styled(said))


class Checklist:
    """Prints checks as they are made; on a terminal, the present one has a spinner."""

    def __init__(self) -> None:
        self._status = render.console().status("")

    def begins(self, what: str) -> None:
        """Something is looked at, which may take a while."""
        self._status.update(render.styled(what))
        self._status.start()

    def ends(self, check: Check) -> None:
        """It was looked at, or could not be."""
        self._status.stop()
        if check.failure is not None:
            mark(BAD, check.what, check.failure.message)
            if check.failure.advice:
                mark(BLANK, "", f"what to do: {check.failure.advice}")
        elif check.found is None:
            mark(OPEN, check.what, "could not be looked at")
        elif check.advice:
            mark(NOTE, check.what, check.found)
            mark(BLANK, "", f"what to do: {check.advice}")
        else:
            mark(GOOD, check.what, check.found)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows on a terminal that something goes on."""
    with render.console().status(render.styled(what)):
        yield


def release(draft: Draft, new: Changes | None) -> None:
    """Prints what a draft would publish."""
    manifest = draft.manifest
    about = f"channel {manifest.channel}, {manifest.severity}, number {manifest.counter}"
    render.line(f"release {draft.name} of {manifest.product}  ({about})", "bold")
    render.pairs(_release(draft, new))


def _release(draft: Draft, new: Changes | None) -> Iterator[tuple[str, str]]:
    manifest = draft.manifest
    yield "commit", manifest.commit
    yield "since", _since(new)
    for name, image in sorted(manifest.images.items()):
        fresh = new is not None and name not in (*new.images.added, *new.images.changed)
        yield f"image {name}", words.reference(image.reference) + ("  as it was" if fresh else "")
    yield "files", _files(manifest.files, new.files if new else None)
    for verb, paths in _listed(new.files if new else None):
        yield f"  {verb}", ", ".join(paths[:_SHOWN]) + _more(paths)
    yield "comes from", ", ".join(manifest.upgrade_from) or "any version"
    yield "works with", ", ".join(manifest.migrations.works_with)
    for version, why in manifest.never_ran.items():
        yield "leaves behind", f"v{version}, which no instance can have run: {why}"
    yield "expires", words.local(manifest.expires)
    yield "notes", " / ".join(line for line in draft.notes.splitlines() if line)
    yield "trust root", f"{draft.root.version}, sha256 {draft.root.envelope.sha256}"


def _since(new: Changes | None) -> str:
    if new is None:
        return "nobody vouches for the release before it: what changes cannot be told"
    return f"v{new.since}" if new.since else "it is the first release"


def _files(paths: Iterable[str], new: Difference | None) -> str:
    count = len(list(paths))
    if new is not None and new.is_empty:
        return f"{count}, all as they were"
    return str(count)


def _listed(new: Difference | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    if new is not None:
        yield from (("added", new.added), ("changed", new.changed), ("removed", new.removed))


def _more(paths: Sequence[str]) -> str:
    return f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""


def migrations(found: Difference) -> None:
    """Prints which migrations a release adds."""
    if found.added:
        said = ", ".join(found.added[:_SHOWN]) + _more(found.added)
        render.pairs([("migrations", f"{len(found.added)} added: {said}")])


def tallies(found: Iterable[Tally]) -> None:
    """Prints how far the signing has come."""
    for tally in found:
        signed = ", ".join(one.name for one in tally.signers) or "nobody yet"
        role = tally.role
        count = f"{len(tally.signers)} of {role.threshold}"
        said = f"{count} by the {role.name} keys of {tally.root}: {signed}"
        if tally.missing:
            said += f"; still to sign: {tally.missing} of {', '.join(tally.waiting)}"
        mark(OPEN if tally.missing else GOOD, "signed", said)


def next_steps(file: Path, found: Iterable[Tally]) -> None:
    """Prints what somebody types next."""
    if any(tally.missing for tally in found):
        render.line("next:")
        render.line(f"  elsewhere, with the file brought:  koprogo-release cosign {file.name}")
        render.line(f"  in a clone of the product:         koprogo-release sign {file.name}")
    else:
        render.line(f"next: koprogo-release publish {file.name}")


def freshness(content: Freshness) -> None:
    """Prints what a freshness document says."""
    render.line(f"{content.subject}, good until {words.local(content.expires)}", "bold")
    if said := list(of_freshness(content)):
        render.pairs(said)


def of_freshness(content: Freshness) -> Iterator[tuple[str, str]]:
    """What a freshness document says, as names and words."""
    for name, highest in content.channels.items():
        yield f"channel {name}", f"v{highest.version}, number {highest.counter}"
    for version, why in content.held.items():
        yield "held", f"v{version}: {why}"
    for version, why in content.yanked.items():
        yield "yanked", f"v{version}: {why}"
    for version, one in content.rollouts.items():
        yield "rollout", f"v{version}: {of_rollout(one)}"


def of_rollout(rollout: Rollout) -> str:
    """How a release reaches the fleet."""
    within = f" within {span(rollout.duration)}" if rollout.duration else ""
    return f"{rollout.share} % of the instances from {rollout.start:%Y-%m-%d %H:%M} UTC{within}"

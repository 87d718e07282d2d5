"""What a poll brought, release by release: for whoever asks what is offered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from koprogo_agent.domain.choose import is_newer
from koprogo_agent.update.engine import Engine


class Stand(StrEnum):
    """How an offered release stands here."""

    INSTALLED = "installed"
    NEXT = "next"
    WAITS = "waits"
    REFUSED = "refused"
    PASSED_OVER = "passed over"
    OLDER = "older"


@dataclass(frozen=True)
class Surveyed:
    """An offered release.

    Attributes:
        gate: what it waits for, where it waits.
        code: the rule that refuses it, where one does.
        detail: why, for a person.
        signer: who signed the candidate.
    """

    tag: str
    stand: Stand
    gate: str = ""
    code: str = ""
    detail: str = ""
    signer: str = ""


def survey(engine: Engine) -> tuple[Surveyed, ...]:
    """Polls, verifies and chooses; changes nothing but what is remembered of releases."""
    seen = engine.look()
    refused = {(one.tag, one.oid): one for one in engine.memory.refusals()}
    waits = {one.tag: one for one in seen.choice.reasons}
    candidate, installed = seen.choice.candidate, engine.journal.installed
    here = engine.circumstances()
    found = []
    for offer in seen.offers:
        tag = offer.ref.name
        known = refused.get((tag, offer.ref.oid))
        if candidate is not None and tag == candidate.tag:
            signers = ", ".join(signer.name for signer in candidate.signers)
            found.append(Surveyed(tag, Stand.NEXT, signer=signers))
        elif tag in waits:
            found.append(Surveyed(tag, Stand.WAITS, waits[tag].waits, detail=waits[tag].detail))
        elif known is not None:
            found.append(Surveyed(tag, Stand.REFUSED, code=known.code, detail=known.message))
        elif installed is not None and tag == installed.tag:
            found.append(Surveyed(tag, Stand.INSTALLED))
        elif not is_newer(offer.version, here):
            found.append(Surveyed(tag, Stand.OLDER))
        elif candidate is not None and offer.version < candidate.version:
            found.append(Surveyed(tag, Stand.PASSED_OVER, detail=f"{candidate.tag} is newer"))
        else:
            said = "too many newer tags were looked at before it"
            found.append(Surveyed(tag, Stand.PASSED_OVER, detail=said))
    return tuple(found)

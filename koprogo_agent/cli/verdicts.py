"""A verdict, rule by rule, as `koprogo-agent verify` and `koprogo-release verify` show it."""

from __future__ import annotations

from typing import Any

from koprogo_agent.cli import render
from koprogo_agent.update.verdict import Holds, Verdict

_MARKS = {Holds.YES: ("✓", ""), Holds.NO: ("✗", "bold red"), Holds.NOT_REACHED: ("·", "dim")}


def tell(verdict: Verdict, advice: str = "") -> None:
    """Prints every rule, why those do not hold that do not, and what to do about it.

    Args:
        verdict: what became of the rules.
        advice: for refusals that have none of their own.
    """
    render.line(f"{verdict.ref.name}  tag object {verdict.ref.oid}", "bold")
    for one in verdict.findings:
        mark, style = _MARKS[one.holds]
        render.line(f"  {mark} {one.demand}", style)
    for refusal in (one.refusal for one in verdict.findings if one.refusal):
        render.line(f"refused: {refusal.message}  [{refusal.code}]", "bold red")
        if refusal.advice or advice:
            render.note("next:", refusal.advice or advice)


def document(verdict: Verdict) -> dict[str, Any]:
    """The same for programs."""
    refusal = verdict.refusal
    return {
        "tag": verdict.ref.name,
        "oid": verdict.ref.oid,
        "trusted": verdict.release is not None,
        "code": refusal.code if refusal else None,
        "message": refusal.message if refusal else None,
        "rules": [
            {
                "rule": one.name,
                "demand": one.demand,
                "holds": str(one.holds),
                "code": one.refusal.code if one.refusal else None,
                "why": one.refusal.message if one.refusal else None,
            }
            for one in verdict.findings
        ],
        "signers": [
            {"name": one.name, "kind": one.kind, "key": one.key}
            for one in (verdict.release.signers if verdict.release else ())
        ],
    }

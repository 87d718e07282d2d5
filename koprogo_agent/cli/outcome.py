"""How an operation ended: the words, the document, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from koprogo_agent.cli import documents, render
from koprogo_agent.cli.exits import Exit
from koprogo_agent.cli.progress import Done
from koprogo_agent.domain.duration import span
from koprogo_agent.domain.hold import Met
from koprogo_agent.domain.plan import Kind, Step
from koprogo_agent.domain.states import Outcome
from koprogo_agent.errors import Failure, NeedsOperator, Refused
from koprogo_agent.update.operation import Operation
from koprogo_agent.update.runner import Ran
from koprogo_agent.update.standing import Held

_GOES_ON = (
    "the agent goes on from there: by itself where it runs as a service, else: koprogo-agent update"
)


@dataclass(frozen=True)
class Account:
    """What there is to say of an operation that was carried out here and now.

    Attributes:
        ran: how far it came.
        done: its actions.
        held: why the agent changes nothing from now on, or None.
    """

    ran: Ran
    done: Sequence[Done]
    held: Held | None

    @property
    def code(self) -> Exit:
        """What the exit code says."""
        match self.ran.outcome:
            case Outcome.COMMITTED:
                return Exit.DONE
            case Outcome.ROLLED_BACK:
                return Exit.ROLLED_BACK
            case Outcome.HELD:
                return Exit.OPERATOR
            case Outcome.CANCELLED:
                return _of_cause(self.operation.state.cause)
            case None if self.ran.watches:
                return Exit.DONE
            case _:
                return Exit.LATER

    @property
    def operation(self) -> Operation:
        """As the journal has it."""
        return self.ran.operation

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        state = self.operation.state
        return {
            "operation": str(self.operation.kind),
            "tag": self.operation.tag,
            "previous": self.operation.previous.tag if self.operation.previous else None,
            "outcome": str(self.ran.outcome or "unfinished"),
            "exit_code": int(self.code),
            "failed_step": str(state.failed) if state.failed else None,
            "cause": asdict(state.cause) if state.cause else None,
            "waits_for": asdict(self.ran.failure) if self.ran.failure else None,
            "backup": self.operation.fact(Step.BACKUP, "path"),
            "seconds": round(sum(one.seconds for one in self.done), 3),
            **documents.of_met(self.operation.met or Met()),
            "steps": [_step(one) for one in self.done],
        }

    def tell(self) -> None:
        """Prints how it ended, why, and what to type next."""
        said, style = self._said()
        render.line("")
        render.line(said, style)
        cause = self.operation.state.cause
        if self.ran.outcome not in {Outcome.COMMITTED, None} and cause:
            render.note("why:", f"{cause.message}  [{cause.code}]")
        for advice in self._advice():
            render.note("next:", advice)

    def _said(self) -> tuple[str, str]:
        operation, state = self.operation, self.operation.state
        previous = operation.previous.tag if operation.previous else "nothing"
        total = span(sum(one.seconds for one in self.done))
        met = f"; {operation.met}" if operation.met else ""
        match self.ran.outcome:
            case Outcome.COMMITTED:
                return f"{operation.tag} is installed and healthy ({total}{met})", "bold green"
            case Outcome.ROLLED_BACK:
                said = f"{operation.tag} failed at step {state.failed} and was taken back:"
                return f"{said} {previous} runs, with its data ({total}{met})", "bold yellow"
            case Outcome.CANCELLED:
                said = f"{operation.tag} is not installed: step {state.failed} failed, before"
                return f"{said} anything was stopped; {previous} runs on", "bold yellow"
            case Outcome.POSTPONED:
                return f"{operation.tag} is not installed yet; {previous} runs on", "bold yellow"
            case Outcome.HELD:
                return f"{operation.tag} failed at step {state.action}; it needs you", "bold red"
            case None:
                return self._left(), "bold yellow"

    def _left(self) -> str:
        tag, action = self.operation.tag, self.operation.state.action
        if self.ran.watches:
            return f"{tag} is installed; you left while it was watched"
        if self.ran.failure is not None:
            return f"{self.operation.kind} of {tag} waits at step {action}"
        return f"{self.operation.kind} of {tag} was left before step {action}"

    def _advice(self) -> list[str]:
        cause, tag = self.operation.state.cause, self.operation.tag
        match self.ran.outcome:
            case None:
                waits = [self.ran.failure.message] if self.ran.failure else []
                return [*waits, _GOES_ON]
            case Outcome.HELD if self.held:
                return [self.held.advice]
            case Outcome.POSTPONED:
                own = [cause.advice] if cause and cause.advice else []
                return [*own, "the agent tries again by itself; when: koprogo-agent why"]
            case Outcome.CANCELLED | Outcome.ROLLED_BACK if cause:
                own = [cause.advice] if cause.advice else []
                if cause.blames_release:
                    own.append(
                        f"it is not tried again; a newer release will be, or:"
                        f" koprogo-agent retry {tag}"
                    )
                elif self.operation.kind in {Kind.INSTALL, Kind.UPDATE}:
                    own.append("the agent tries again by itself; at once: koprogo-agent update")
                return own
            case _:
                return []


def nothing(installed: str | None) -> dict[str, Any]:
    """The document of an update for which there was nothing to do."""
    return {
        "operation": None,
        "tag": installed,
        "outcome": "nothing_to_do",
        "exit_code": int(Exit.DONE),
    }


def _step(one: Done) -> dict[str, Any]:
    return {
        "step": str(one.action.step),
        "direction": str(one.action.direction),
        "seconds": round(one.seconds, 3),
        "failed": one.failure.code if one.failure else None,
        "facts": {
            name: value for name, value in one.facts.items() if isinstance(value, int | float | str)
        },
    }


def _of_cause(cause: Failure | None) -> Exit:
    match cause.kind if cause else "":
        case NeedsOperator.__name__:
            return Exit.OPERATOR
        case Refused.__name__:
            return Exit.REFUSED
        case _:
            return Exit.FAILED

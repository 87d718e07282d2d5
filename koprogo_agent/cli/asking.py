"""What the first configuration has to ask, at the terminal and in the operator's language."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from koprogo_agent.cli import render
from koprogo_agent.domain.root import Root
from koprogo_agent.errors import NeedsOperator
from koprogo_agent.setup.sample import sample
from koprogo_agent.setup.stacks import Running
from koprogo_agent.setup.words import Language, Question, say

_YES = {"y", "yes", "o", "oui", "j", "ja"}
_NO = {"n", "no", "non", "nee", "nein"}
"""Whatever the language: people answer in their own, and their fingers in English."""


@dataclass(frozen=True)
class Asker:
    """Asks at the terminal, unless everything is to be known beforehand."""

    language: Language
    quiet: bool

    def choose(self, found: Sequence[Running]) -> Running:
        """Which of the stacks that run; the only one, where nothing is to be asked.

        Raises:
            NeedsOperator: nothing is to be asked, and there are several (code `setup.stacks`); or
                the only one is not meant (`setup.declined`).
        """
        if self.quiet and len(found) > 1:
            raise NeedsOperator(
                f"several stacks run here: {', '.join(one.project for one in found)}",
                code="setup.stacks",
                advice="say which one: --project NAME",
            )
        chosen = found[0] if len(found) == 1 else self._which(found)
        if len(found) == 1 and not self.quiet and not self._agrees(chosen):
            raise NeedsOperator(
                f"nothing was written: {chosen.project} is not to be kept current",
                code="setup.declined",
                advice="name the stack that is meant, as docker compose ls shows it:"
                " --project NAME",
            )
        render.line(say(Question.NOTHING_RESTARTS, self.language))
        return chosen

    def addresses(self) -> list[str]:
        """Whom to tell; nobody, where nothing is to be asked."""
        if self.quiet:
            return []
        while True:
            answer = self._ask(say(Question.NOTIFY, self.language)).split()
            wrong = [one for one in answer if not is_address(one)]
            if not wrong:
                return answer
            render.line(say(Question.NO_ADDRESS, self.language, given=" ".join(wrong)))

    def reports(self) -> bool:
        """Whether the association may know; Enter alone is no answer. No, where nobody is asked."""
        if self.quiet:
            return False
        render.line(say(Question.REPORTS, self.language))
        while True:
            answer = self._ask(say(Question.YES_NO_OR_SHOW, self.language)).lower()
            if answer in _YES | _NO:
                return answer in _YES
            if answer == "?":
                render.line(f"{say(Question.REPORT, self.language)} koprogo-agent report show")
                for line in sample().splitlines():
                    render.line(f"  {line}")

    def sha256(self, root: Root) -> str:
        """What the association publishes of a trust root.

        Raises:
            NeedsOperator: nothing is to be asked (code `trust.unknown`).
        """
        if self.quiet:
            raise NeedsOperator(
                "nobody has said which trust root this machine is to believe",
                code="trust.unknown",
                advice="compare it with what the association publishes:"
                f" --trust-sha256 {root.envelope.sha256}",
            )
        render.line(say(Question.TRUST, self.language))
        while True:
            answer = self._ask(say(Question.SHA256, self.language))
            if answer:
                return answer

    def _which(self, found: Sequence[Running]) -> Running:
        render.line(say(Question.WHICH, self.language))
        for one in found:
            render.line(f"  {one.project}  {one.directory}")
        by_name = {one.project: one for one in found} | {"": found[0]}
        while True:
            answer = self._ask(f"[{found[0].project}]")
            if answer in by_name:
                return by_name[answer]

    def _agrees(self, one: Running) -> bool:
        words = say(Question.STACK, self.language, name=one.project, folder=str(one.directory))
        while True:
            answer = self._ask(f"{words} {say(Question.YES_OR_NO, self.language)}").lower()
            if answer in {"", *_YES, *_NO}:
                return answer not in _NO

    def _ask(self, words: str) -> str:
        """An answer without the spaces around it; an empty one where only Enter was typed.

        Raises:
            NeedsOperator: nobody is there to answer (code `setup.no_terminal`).
        """
        suffix = " : " if self.language is Language.FR else ": "
        try:
            answer: str = typer.prompt(words, default="", show_default=False, prompt_suffix=suffix)
        except typer.Abort:
            if sys.stdin.isatty():
                raise
            raise NeedsOperator(
                "there is no terminal to ask at",
                code="setup.no_terminal",
                advice="answer beforehand: --yes, with the options of koprogo-agent config init"
                " --help",
            ) from None
        return answer.strip()


def is_address(given: str) -> bool:
    """Whether something has the form of an Apprise address; an e-mail address alone has not."""
    scheme, colon, rest = given.partition("://")
    return bool(scheme and colon and rest)

"""What the association's programs have in common: how they begin, and how an end is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

from koprogo_agent import __version__
from koprogo_agent.cli.exits import Exit, code_of, tell, tell_fault
from koprogo_agent.errors import AgentError


def program(name: str, about: str, verbs: Iterable[Callable[..., Any]]) -> typer.Typer:
    """A program with these verbs, which can say its version."""
    app = typer.Typer(
        help=about, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    for verb in verbs:
        app.command()(verb)

    def print_version(asked: bool) -> None:
        if asked:
            typer.echo(f"{name} {__version__}")
            raise typer.Exit

    @app.callback()
    def global_options(
        # As a default: an annotation is read where the names of this function are not known.
        _version: bool = typer.Option(
            False, "--version", callback=print_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        pass

    return app


def run(app: typer.Typer, name: str, arguments: Sequence[str]) -> int:
    """Runs the verb that the arguments name and gives the exit code."""
    try:
        app(list(arguments), prog_name=name)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.DONE
    except AgentError as error:
        tell(error, arguments, name)
        return code_of(error)
    except Exception:  # noqa: BLE001 - the last one who can catch it
        tell_fault(name)
        return Exit.FAILED
    return Exit.DONE

"""The stack: its variables, its database, and whether it is healthy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from dotenv import dotenv_values

from koprogo_agent.adapters.postgres.server import Server, find
from koprogo_agent.doctor.finding import Finding, Patient, fault, good, warning
from koprogo_agent.domain.database import DatabaseState, against_a_point, lost_by_a_way_back
from koprogo_agent.domain.gate import Expectation
from koprogo_agent.domain.host import objections
from koprogo_agent.errors import NeedsOperator, RetryLater, StepFailed
from koprogo_agent.update.health import advice
from koprogo_agent.update.job import project
from koprogo_agent.update.looking import Look, outside, take
from koprogo_agent.update.reading import JournalToRead
from koprogo_agent.update.scratch import read_leftovers
from koprogo_agent.update.status import read_status

_MEGA = 1e6
_COPIES = (
    "SELECT datname, pg_database_size(oid) FROM pg_database"
    " WHERE datname ~ '^koprogo_agent_(point|aside)_' ORDER BY datname;"
)


def variables(patient: Patient) -> Iterator[Finding]:
    """The env files are there, and give every variable of the compose files a value."""
    stack, files = patient.settings.stack, patient.world.files
    missing = [path for path in stack.env_files if not path.is_file()]
    for path in missing:
        mend = f"put {path} back, or take it out of stack.env_files in the configuration"
        yield fault("env file", f"{path} is not there", mend)
    laid = [files.stack_path(path) for path in stack.compose_files]
    if missing or not all(path.is_file() for path in laid):
        return
    values = {name for path in stack.env_files for name in dotenv_values(path, interpolate=False)}
    used = patient.world.stack.variables(project(patient.settings, laid, "any"))
    lacking = [
        one.name
        for one in used
        if one.needs_value and one.name not in {*values, stack.image_tag_variable}
    ]
    where = ", ".join(map(str, stack.env_files))
    if lacking:
        names = ", ".join(sorted(lacking))
        yield warning("env file", f"{names} has no value", f"add a line NAME=value to {where}")
    else:
        yield good("env file", f"{len(values)} variables in {where}")


def services(patient: Patient) -> Iterator[Finding]:
    """What is to be closed while the schema changes is there under the name that is configured.

    A name that no service has would close nothing: users would write on while the data goes back.
    """
    stack = patient.settings.stack
    known = _names(patient, stack.project)
    if not known:
        return  # of which the check of the database tells
    proxy = stack.ingress_project or stack.project
    behind = known if proxy == stack.project else _names(patient, proxy)
    for key, names, where, there in (
        ("ingress", stack.ingress, proxy, behind),
        ("writers", stack.writers, stack.project, known),
    ):
        missing = [name for name in names if name not in there]
        if missing:
            yield fault(
                f"stack.{key}",
                f"{where} has no service {', '.join(missing)}",
                f"name the right ones in the configuration: {key} = […] below [stack]; there are:"
                f" {', '.join(sorted(there)) or 'none'}",
            )


def host(patient: Patient) -> Iterator[Finding]:
    """The machine can give what the stack needs: ports, names, networks; nothing is paused."""
    stack, files = patient.settings.stack, patient.world.files
    laid = [files.stack_path(path) for path in stack.compose_files]
    if not all(path.is_file() for path in (*laid, *stack.env_files)):
        return  # of which the check of the variables tells
    try:
        model = patient.world.stack.render(project(patient.settings, laid, "any"))
    except StepFailed as error:
        where = ", ".join(map(str, (*stack.env_files, *stack.overrides)))
        yield fault("compose files", error.message, f"correct it in {where}")
        return
    found = objections(model, stack.project, patient.world.stack.host())
    for one in found:
        yield fault("host", one.words, one.advice)
    if not found:
        yield good("host", "ports, container names and networks are free; no container is paused")


def _names(patient: Patient, project: str) -> set[str]:
    return {one.service for one in patient.world.stack.containers(project)}


def database(patient: Patient) -> Iterator[Finding]:
    """PostgreSQL answers, and its user may make and rename databases."""
    try:
        size = patient.world.database.size(patient.database)
    except RetryLater as error:
        if patient.world.stack.containers(patient.settings.stack.project):
            yield fault("database", error.message, error.advice)
        else:
            yield warning("database", "the stack does not run yet", "koprogo-agent update")
        return
    server = find(patient.host, patient.database)
    yield from _left_over(patient, server)
    yield from _leftovers(patient)
    state = patient.world.database.state(patient.database)
    yield from obstacles(state)
    if state.superuser:
        yield good("database", f"{state.name}, {size / _MEGA:.1f} MB, its user is a superuser")


def obstacles(state: DatabaseState) -> Iterator[Finding]:
    """What keeps updates from being made, and what would be lost if one went back."""
    for error in against_a_point(state):
        found = warning if isinstance(error, RetryLater) else fault
        yield found("database", error.message, error.advice)
    for lost, mend in lost_by_a_way_back(state):
        yield warning("database", lost, mend)


def _left_over(patient: Patient, server: Server) -> Iterator[Finding]:
    """Copies of the database that no journal knows of any more: nobody else would drop them."""
    lines = [line.split("|") for line in server.ask(_COPIES)]
    known = _noted(patient) if lines else ()
    for name, size in lines:
        if name not in known:
            yield warning(
                "database",
                f"{name} ({int(size) / _MEGA:.1f} MB) is left of an update whose journal was lost",
                "it may be the last copy of what was there; once all is well: docker compose"
                f" -p {patient.database.project} exec {patient.database.service}"
                f" dropdb -U {server.access['PGUSER']} {name}",
            )


def _leftovers(patient: Patient) -> Iterator[Finding]:
    """Copies of the database that an update left behind and that cannot be dropped."""
    try:
        with closing(JournalToRead(patient.journal)) as journal:
            found = read_leftovers(journal)
    except NeedsOperator:
        return  # there is none, or it cannot be read, of which another check tells
    for one in found.values():
        yield warning("database", one.failure.message, one.failure.advice)


def _noted(patient: Patient) -> list[str]:
    try:
        with closing(JournalToRead(patient.journal)) as journal:
            return journal.scratch
    except NeedsOperator:
        return []  # there is none, or it cannot be read, of which another check tells


def condition(patient: Patient) -> Iterator[Finding]:
    """Whether the stack is up or down, as the agent last found it, and what it asked."""
    settings = patient.settings
    try:
        with closing(JournalToRead(patient.journal)) as journal:
            status = read_status(journal, settings, patient.now)
    except NeedsOperator:
        return  # there is no journal, or it cannot be read, of which another check tells
    found = status.condition
    if found is None:
        return
    if found.is_down:
        yield fault("condition", status.down, advice(found, settings.stack.project))
    else:
        looked = f"{found.looked:%Y-%m-%d %H:%M} UTC"
        yield good("condition", f"up when last looked at, {looked}; asked: {found.asked}")
    if status.started_by_hand:
        mend = "koprogo-agent resume lets the agent put it right, where policy.drift is not report"
        yield fault("condition", status.started_by_hand, mend)
    if not outside(settings):
        said = "the ingress is never asked: no probe has a url"
        yield warning("probe", said, "add a [[probe]] with url, as users ask, to the configuration")


def health(patient: Patient) -> Iterator[Finding]:
    """Every probe answers as it should."""
    settings = patient.settings
    if not patient.world.stack.containers(settings.stack.project):
        return
    direct = tuple(probe for probe in settings.probe if probe.service is not None)
    for where, look in (
        ("directly", Look(settings.stack.project, Expectation(frozenset()), inside=direct)),
        (
            "as users ask",
            Look(settings.stack.project, Expectation(frozenset()), outside=outside(settings)),
        ),
    ):
        for name, wrong in take(patient.world, look, 0).answers.items():
            what = f"probe {name}"
            if wrong is None:
                yield good(what, f"answers {where} as it should")
            else:
                compose = f"docker compose -p {settings.stack.project}"
                look_at = f"look: {compose} ps -a; {compose} logs --tail 50"
                yield fault(what, f"asked {where}: {wrong}", look_at)

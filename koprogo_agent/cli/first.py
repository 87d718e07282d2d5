"""`koprogo-agent config init`: the first configuration, by what runs here and a few questions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from koprogo_agent import places
from koprogo_agent.adapters.probes import HttpProber
from koprogo_agent.cli import render
from koprogo_agent.cli.asking import Asker, is_address
from koprogo_agent.cli.options import ConfigPath
from koprogo_agent.cli.roots import show
from koprogo_agent.docker_api import DEFAULT_HOST
from koprogo_agent.domain.root import Root
from koprogo_agent.durable import Folder, disk_errors
from koprogo_agent.errors import AgentError, NeedsOperator
from koprogo_agent.settings import Settings, load
from koprogo_agent.settings.sections import Stack
from koprogo_agent.setup import document, probes, roots, stacks
from koprogo_agent.setup.image_tags import try_patterns
from koprogo_agent.setup.words import Language, Question, say
from koprogo_agent.update.releases import offers
from koprogo_agent.wiring import build_world

_SECONDS = 15
"""For which the source is asked for its releases; without a network the defaults do."""


class YesOrNo(StrEnum):
    """An answer that is given beforehand."""

    YES = "yes"
    NO = "no"


Lang = Annotated[Language, typer.Option("--language", help="Of the questions.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing; what must be known is given here.")]
Project = Annotated[str | None, typer.Option(help="Compose project to keep current.")]
Directory = Annotated[
    Path | None, typer.Option(help="Folder of its files, as the repository has them.")
]
ComposeFile = Annotated[
    list[str] | None, typer.Option(help="Compose file, as a path in the repository; in order.")
]
EnvFile = Annotated[list[str] | None, typer.Option(help="Env file with its values.")]
Host = Annotated[str | None, typer.Option(help="Address of the Docker engine.")]
Url = Annotated[str | None, typer.Option(help="Git repository whose tags are the releases.")]
ProxyUrl = Annotated[
    str | None, typer.Option(help="HTTP proxy of this network, as http://host:port.")
]
Ca = Annotated[Path | None, typer.Option(help="The only authorities that may vouch for it.")]
RootFile = Annotated[Path | None, typer.Option(help="The association's root.json.")]
Sha256 = Annotated[str | None, typer.Option(help="What its SHA-256 must be.")]
Reports = Annotated[
    YesOrNo | None, typer.Option(help="Whether the association may know how it stands.")
]
Addresses = Annotated[list[str] | None, typer.Option(help="Apprise address to notify.")]


def init(  # noqa: PLR0913, PLR0917 - one for each question
    config: ConfigPath = None,
    language: Lang = Language.EN,
    yes: Yes = False,
    project: Project = None,
    directory: Directory = None,
    compose_file: ComposeFile = None,
    env_file: EnvFile = None,
    docker_host: Host = None,
    source_url: Url = None,
    source_ca: Ca = None,
    proxy: ProxyUrl = None,
    trust_root: RootFile = None,
    trust_sha256: Sha256 = None,
    notify: Addresses = None,
    reports: Reports = None,
) -> None:
    """Write the first configuration and give this machine its trust root; overwrite neither."""
    file = places.locate(config)
    ask = Asker(language, quiet=yes)
    given = {
        "project": project,
        "directory": directory and str(directory),
        "compose_files": compose_file,
        "env_files": env_file,
        "docker_host": docker_host,
    }
    if not file.exists():
        known = {key: value for key, value in given.items() if value}
        running = stacks.running(_host(known))
        stack = {**_found(ask, known, running), **known}
        source = {"url": source_url, "ca_file": source_ca and str(source_ca)}
        urls = _addresses(notify) or ask.addresses()
        is_told = ask.reports() if reports is None else reports is YesOrNo.YES
        sections: dict[str, dict[str, Any]] = {
            "source": {key: value for key, value in source.items() if value},
            "network": {"proxy": proxy} if proxy else {},
            "stack": stack,
            "notify": {"urls": urls} if urls else {},
            "fleet": {"reports": is_told},
        }
        stack |= _image_tag(ask, sections)
        settings = _try(file, document.write(sections, _probes(ask, stack, running)))
    else:
        settings = load(file)
    pinned = settings.trust.directory / "root.json"
    if not pinned.exists():
        root = _root(trust_root, settings)
        show(root)
        # A file that was brought beforehand is the operator's own word.
        if trust_sha256 or not (yes and trust_root):
            _compare(root, trust_sha256 or ask.sha256(root))
        _write(pinned, root.envelope.raw(), 0o644)
        render.line(f"written: {pinned}")


def _try(file: Path, text: str) -> Settings:
    """Writes the configuration; takes it away again if it cannot be used, so that it is asked anew.

    Raises:
        NeedsOperator: what was answered cannot be used (code `config.invalid`).
    """
    _write(file, text.encode(), 0o640)
    try:
        settings = load(file)
    except NeedsOperator:
        file.unlink()
        raise
    render.line(f"written: {file}")
    return settings


def _host(given: Mapping[str, Any]) -> str:
    return given.get("docker_host") or os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def _found(
    ask: Asker, given: Mapping[str, Any], running: Sequence[stacks.Running]
) -> dict[str, Any]:
    """The stack that runs and is meant, as the configuration describes it."""
    found = [one for one in running if given.get("project") in {None, one.project}]
    if found:
        return stacks.describe(ask.choose(found), running)
    folder = given.get("directory") or str(Stack().directory)
    render.line(say(Question.NO_STACK, ask.language, folder=folder))
    return {}


def _image_tag(ask: Asker, sections: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The pattern of image tags, where the registry has the images under another than usual."""
    if not sections["stack"]:
        return {}  # nothing runs, so there are no compose files here to read
    given: dict[str, Any] = dict(sections)
    given["source"] = {**given["source"], "timeout": _SECONDS}
    try:
        settings = Settings(**given)
        world = build_world(settings)
        versions = [one.version for one in offers(world.source.list_refs().tags)]
        tried = try_patterns(settings, world, versions)
    except (AgentError, ValidationError):
        return {}  # what is wrong with the answers is said next; the rest is the doctor's to say
    if tried is None or tried.found is None or tried.fits:
        return {}
    pattern = f'image_tag = "{tried.found.pattern}"'
    render.line(say(Question.IMAGE_TAG, ask.language, found=tried.found.text, pattern=pattern))
    return {"image_tag": tried.found.pattern}


def _probes(
    ask: Asker, stack: Mapping[str, Any], running: Sequence[stacks.Running]
) -> list[dict[str, Any]]:
    """The probe that asks as users do, where one is found; else the default one alone."""
    (usual,) = Settings.model_fields["probe"].default
    project = stack.get("project")
    routes = next((one.routes for one in running if one.project == project), {})
    doors = stacks.doors_of(stack, running)
    found = probes.propose(usual, routes, doors, HttpProber())
    if found is None:
        if project:
            render.line(say(Question.NO_PROBE, ask.language))
        return []
    render.line(say(Question.PROBE, ask.language, url=found.url or "", host=found.host or ""))
    return [probes.keys(found)]


def _addresses(given: list[str] | None) -> list[str]:
    for one in given or []:
        if not is_address(one):
            raise NeedsOperator(
                f"{one} is no Apprise address",
                code="config.address",
                advice="there is :// in each of them, as in ntfy://topic",
            )
    return given or []


def _root(given: Path | None, settings: Settings) -> Root:
    """The trust root that was brought, or the one that the source has."""
    if given:
        return roots.from_file(given)
    return roots.from_source(settings.source, settings.network.rules)


def _compare(root: Root, published: str) -> None:
    if published.strip().lower() != root.envelope.sha256:
        raise NeedsOperator(
            f"the trust root has the SHA-256 {root.envelope.sha256}, not {published}",
            code="trust.other",
            advice="do not go on; ask the association which one is right",
        )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes a file that is not there yet; whole, or not at all."""
    with disk_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Folder(path.parent, 0o755).write(path.name, content, mode)

"""What compose said when it failed -> what happens next.

Compose has one exit code for every failure, so its words have to do where no other question tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from koprogo_agent.domain.host import (
    ADDRESS_TAKEN,
    NAME_TAKEN,
    NETWORK_LOST,
    NETWORK_USED,
    NO_ADDRESSES,
    NO_DEVICE,
    NO_NETWORK,
    NO_VOLUME,
    PAUSED,
    PORT_TAKEN,
)
from koprogo_agent.errors import (
    DISK_FULL,
    READ_ONLY,
    AgentError,
    NeedsOperator,
    RetryLater,
    StepFailed,
)

_LONGEST = 500
_VARIABLE = re.compile(r"required variable (\w+) is missing a value(?:: ([^\n]*))?")
_ENV_FILE = re.compile(r"(?:env file (\S+) not found|Failed to load (\S+): open )")
_NO_IMAGE = re.compile(r"No such image: (\S+)")
_NO_CHAIN = re.compile(r"iptables.*No chain/target/match by that name", re.DOTALL)
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_NAME = re.compile(r"container name \"/?([^\"]+)\" is already in use")
_EXTERNAL = re.compile(
    r"(network|volume) \"?([\w.-]+)\"? declared as external, but could not be found"
)
_EXTERNAL_VOLUME = re.compile(r"external (network|volume) \"?([\w.-]+)\"? not found")
# compose's log lines, whose warnings repeat pieces of values, and its progress
_NOISE = re.compile(r"time=\"|\s*(?:Container|Network|Volume|service:\S+|Image)\s")


def last_words(printed: bytes) -> str:
    """The end of what compose printed, without its warnings and its progress."""
    lines = printed.decode(errors="replace").splitlines()
    panic = [line for line in lines if line.startswith("panic: ")]
    telling = [line.strip() for line in lines if line.strip() and not _NOISE.match(line)]
    return " ".join(panic[:1] or telling)[-_LONGEST:] or "compose said nothing"


def of_files(printed: bytes, env_files: Iterable[Path] = ()) -> AgentError:
    """Why compose could not read the files of a project.

    Args:
        printed: what compose said.
        env_files: the operator's, in which a value can be given.
    """
    words = last_words(printed)
    if variable := _VARIABLE.search(words):
        wanted = f" ({variable[2].strip()})" if variable[2] else ""
        return NeedsOperator(
            f"the compose files need a value for {variable[1]}{wanted}",
            code="compose.variable_missing",
            advice=f"add a line {variable[1]}=value to"
            f" {' or '.join(map(str, env_files)) or 'the env file'}",
        )
    if file := _ENV_FILE.search(words):
        return _missing_file_of_service(file[1] or file[2])
    return StepFailed(f"compose cannot use the files: {words}", code="compose.invalid")


def of_start(printed: bytes) -> AgentError:
    """Why compose could not bring services up, the files being valid."""
    words = last_words(printed)
    if found := of_machine(words):
        return found
    if image := _NO_IMAGE.search(words):
        return RetryLater(
            f"cannot start without the image {image[1]}, which this machine no longer has",
            code="image.absent",
            advice=f"bring it back: docker pull {image[1]}; or build it again, if you built it",
        )
    if _NO_CHAIN.search(words):
        return RetryLater(
            f"the engine's rules are gone from the firewall: {words}",
            code="engine.firewall",
            advice="a firewall was reloaded; have the engine make them anew:"
            " systemctl restart docker",
        )
    return StepFailed(f"compose cannot start the services: {words}", code="compose.up_failed")


def of_machine(words: str) -> RetryLater | None:
    """Return the fault of the machine that the engine's message describes, or None.

    It is transient even if a person must mend it: a rollback then waits, and resumes by itself.
    """
    if external := _EXTERNAL.search(words) or _EXTERNAL_VOLUME.search(words):
        kind, name = external[1], external[2]
        return RetryLater(
            f"the {kind} {name} is not there: {words}",
            code=NO_NETWORK if kind == "network" else NO_VOLUME,
            advice=f"make it: docker {kind} create {name}",
        )
    if name := _NAME.search(words):
        return RetryLater(
            f"another container has the name {name[1]}: {words}",
            code=NAME_TAKEN,
            advice=f"see whose it is: docker ps -a --filter name={name[1]}; if it is of no use any"
            f" more: docker rm {name[1]}; else: docker rename {name[1]} NEW_NAME",
        )
    for pattern, code, what, advice in _OF_MACHINE:
        if pattern.search(words):
            return RetryLater(f"{what}: {words}", code=code, advice=advice)
    return None


_OF_MACHINE = (
    (
        # The engine means an address of a container by it, the kernel a port.
        re.compile(r"daemon: (?:failed to set up container networking: )?Address already in use"),
        ADDRESS_TAKEN,
        "another container has the fixed address of a service",
        "see which one: docker network inspect NAME; then give it another one: docker restart NAME",
    ),
    (
        re.compile(r"port is already allocated|address already in use|ports are not available"),
        PORT_TAKEN,
        "something else has a port that the stack needs",
        "see what: ss -ltunp; docker ps; then stop it, or give it another port",
    ),
    (
        re.compile(r"cannot start a paused container|is paused"),
        PAUSED,
        "a container is paused, and a person did that",
        "once it may run again: docker unpause CONTAINER",
    ),
    (
        re.compile(
            r"could not find an available, non-overlapping|all predefined address pools have been"
            r"|no available IPv[46] addresses|Pool overlaps with other one"
        ),
        NO_ADDRESSES,
        "the engine has no addresses left for the stack's networks",
        "remove what nothing uses: docker network prune; see the others: docker network ls",
    ),
    (
        re.compile(r"network \S+ .*has active endpoints"),
        NETWORK_USED,
        "another container is in a network that is to be made anew",
        "see which: docker network inspect NETWORK; then: docker network disconnect NETWORK NAME",
    ),
    (
        re.compile(r"network \S+ not found|has incorrect label com\.docker\.compose\.network"),
        NETWORK_LOST,
        "a network of the stack is gone, or is another one",
        "restart the engine: systemctl restart docker; see what is there: docker network ls",
    ),
    (
        re.compile(r"error gathering device information|could not select device driver"),
        NO_DEVICE,
        "this machine lacks a device that a service needs",
        "see what is there: ls -l /dev; for gpus, whether docker info shows a runtime for them",
    ),
    (
        re.compile(r"read-only file system", re.IGNORECASE),
        READ_ONLY,
        "a disk is read-only",
        "see why: dmesg | tail; findmnt -O ro; then mount it for writing again",
    ),
    (
        _NO_SPACE,
        DISK_FULL,
        "the disk is full",
        "make room; to see what takes it: df -h; docker system df",
    ),
)
"""What the engine says -> code, what that means, what to type (moby, libnetwork, Compose)."""


def missing_env_file(path: str) -> NeedsOperator:
    """An env file that the operator must write is not there."""
    return NeedsOperator(
        f"the env file {path} is not there",
        code="compose.env_file_missing",
        advice=f"put {path} back; if it is gone for good, take it out of stack.env_files in the"
        " configuration, and then: systemctl restart koprogo-agent",
    )


def _missing_file_of_service(path: str) -> NeedsOperator:
    """A file that a service of the compose files names as its `env_file` is not there."""
    return NeedsOperator(
        f"the env file {path} is not there, and a service of the compose files reads it",
        code="compose.env_file_missing",
        advice=f"write {path}; which service names it: grep -r env_file, in the stack's folder",
    )


def missing_file(path: str) -> NeedsOperator:
    """A compose file that the operator must write is not there."""
    return NeedsOperator(
        f"the compose file {path} is not there",
        code="compose.file_missing",
        advice=f"put {path} back; if it is gone for good, take it out of stack.overrides in the"
        " configuration, and then: systemctl restart koprogo-agent",
    )


def no_compose(found: list[str]) -> NeedsOperator:
    """No Compose 2 or later is on this machine."""
    seen = f" (found: {', '.join(found)})" if found else ""
    return NeedsOperator(
        f"there is no Docker Compose 2 or later on this machine{seen}",
        code="compose.not_found",
        advice="install it: apt-get install docker-compose-plugin, from Docker's own packages"
        " (https://docs.docker.com/compose/install/linux/)",
    )

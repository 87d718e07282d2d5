"""What compose said when it failed -> what happens next.

Compose has one exit code for every failure, so its words have to do where no other question tells.
"""

from __future__ import annotations

import re

from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater, StepFailed

_LONGEST = 500
_VARIABLE = re.compile(r"required variable (\w+) is missing a value(?:: ([^\n]*))?")
_ENV_FILE = re.compile(r"(?:env file (\S+) not found|Failed to load (\S+): open )")
_NO_IMAGE = re.compile(r"No such image: (\S+)")
_NO_CHAIN = re.compile(r"iptables.*No chain/target/match by that name", re.DOTALL)
_NO_SPACE = "no space left on device"
# compose's log lines, whose warnings repeat pieces of values, and its progress
_NOISE = re.compile(r"time=\"|\s*(?:Container|Network|Volume|service:\S+|Image)\s")


def last_words(printed: bytes) -> str:
    """The end of what compose printed, without its warnings and its progress."""
    lines = printed.decode(errors="replace").splitlines()
    panic = [line for line in lines if line.startswith("panic: ")]
    telling = [line.strip() for line in lines if line.strip() and not _NOISE.match(line)]
    return " ".join(panic[:1] or telling)[-_LONGEST:] or "compose said nothing"


def of_files(printed: bytes) -> AgentError:
    """Why compose could not read the files of a project."""
    words = last_words(printed)
    if variable := _VARIABLE.search(words):
        wanted = f" ({variable[2].strip()})" if variable[2] else ""
        return NeedsOperator(
            f"the compose files need a value for {variable[1]}{wanted}",
            code="compose.variable_missing",
            advice=f"add a line {variable[1]}=value to the env file",
        )
    if file := _ENV_FILE.search(words):
        return missing_env_file(file[1] or file[2])
    return StepFailed(f"compose cannot use the files: {words}", code="compose.invalid")


def of_start(printed: bytes) -> AgentError:
    """Why compose could not bring services up, the files being valid."""
    words = last_words(printed)
    if image := _NO_IMAGE.search(words):
        return RetryLater(
            f"cannot start without the image {image[1]}, which this machine no longer has",
            code="image.absent",
        )
    if _NO_SPACE in words:
        return disk_full(words)
    if _NO_CHAIN.search(words):
        return RetryLater(
            f"the engine's rules are gone from the firewall: {words}",
            code="engine.firewall",
            advice="a firewall was reloaded; restart the engine: systemctl restart docker",
        )
    return StepFailed(f"compose cannot start the services: {words}", code="compose.up_failed")


def missing_env_file(path: str) -> NeedsOperator:
    """An env file that the operator must write is not there."""
    return NeedsOperator(
        f"the env file {path} is not there",
        code="compose.env_file_missing",
        advice=f"write {path}, or take it out of the configuration",
    )


def missing_file(path: str) -> NeedsOperator:
    """A compose file that the operator must write is not there."""
    return NeedsOperator(
        f"the compose file {path} is not there",
        code="compose.file_missing",
        advice=f"write {path}, or take it out of stack.overrides in the configuration",
    )


def disk_full(words: str) -> NeedsOperator:
    """There is no room left."""
    return NeedsOperator(
        f"the disk is full: {words}",
        code="disk.full",
        advice="make room; `docker system df` shows what docker uses",
    )


def no_compose(found: list[str]) -> NeedsOperator:
    """No Compose 2 or later is on this machine."""
    seen = f" (found: {', '.join(found)})" if found else ""
    return NeedsOperator(
        f"there is no Docker Compose 2 or later on this machine{seen}",
        code="compose.not_found",
        advice="install it: https://docs.docker.com/compose/install/linux/",
    )

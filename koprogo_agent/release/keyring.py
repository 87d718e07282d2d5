"""Keys: public ones from files and from GPG, and which of them can sign on this machine.

A private key is never read. SSH keys sign through the agent, GPG keys through GPG.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from koprogo_agent import process
from koprogo_agent.domain.armour import Kind
from koprogo_agent.domain.keys import NAME, Key, ssh_fingerprint
from koprogo_agent.errors import AgentError, NeedsOperator, Refused, RetryLater

_SECONDS = 30.0
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{24})?")
_NO_AGENT = 2
"""How `ssh-add` exits where it finds no agent."""
_FINGERPRINT_FIELD, _PLACE_FIELD = 9, 14
"""Of a line of `gpg --with-colons` (GnuPG, doc/DETAILS)."""


def read_public(name: str, given: str) -> Key:
    """A public key from what somebody gives for it.

    Args:
        name: what the trust root shall call it.
        given: the path of a `.pub` file, or the fingerprint of a GPG key.

    Raises:
        NeedsOperator: it is neither, or GPG has no such key (codes `key.name`, `key.file`,
            `key.malformed`).
    """
    if not NAME.fullmatch(name):
        raise NeedsOperator(
            f"{name[:80]!r} is no name for a key: letters, digits and ._@- are",
            code="key.name",
        )
    fingerprint = given.replace(" ", "").upper()
    if _FINGERPRINT.fullmatch(fingerprint):
        return _export(name, fingerprint)
    path = Path(given).expanduser()
    try:
        # the comment may be anything, and is left out
        public = " ".join(path.read_text().split()[:2])
        return Key(name, Kind.SSH, ssh_fingerprint(public), public)
    except (OSError, UnicodeDecodeError) as error:
        raise NeedsOperator(
            f"cannot read the public key of {name}, {given}: {error}",
            code="key.file",
            advice="give the path of a .pub file, or the fingerprint of a GPG key",
        ) from error
    except Refused as error:
        raise NeedsOperator(
            f"{given} holds no SSH public key that may sign (ed25519, ecdsa, rsa or sk-)",
            code=error.code,
            advice="give the .pub file that ssh-keygen made, never the private key",
        ) from error


def at_hand(keys: Sequence[Key]) -> tuple[Key, ...]:
    """Those of the keys that can sign here, in their order."""
    ssh = _in_agent() if any(key.kind is Kind.SSH for key in keys) else ()
    gpg = _in_gpg() if any(key.kind is Kind.GPG for key in keys) else ()
    there = {*(ssh or ()), *gpg}
    return tuple(key for key in keys if key.fingerprint in there)


def choose(keys: Sequence[Key], role: str, name: str | None) -> Key:
    """The key to sign with: the one that is named, or the only one of them at hand.

    Args:
        keys: the keys of a role.
        role: what messages call them: `release keys of trust root 1`.
        name: the name in the trust root, or None.

    Raises:
        NeedsOperator: codes `key.role`, `key.absent`, `key.no_agent`, `key.ambiguous`.
    """
    if name is not None:
        named = [key for key in keys if key.name == name]
        if not named:
            raise NeedsOperator(
                f"{name} is not one of the {role}",
                code="key.role",
                advice=f"these are: {_names(keys)}",
            )
        keys = named
    found = at_hand(keys)
    if len(found) > 1:
        raise NeedsOperator(
            f"several of the {role} are at hand: {_names(found)}",
            code="key.ambiguous",
            advice=f"say which one signs: --key {found[0].name}",
        )
    if not found:
        raise absent(keys, role)
    return found[0]


def absent(keys: Sequence[Key], role: str) -> NeedsOperator:
    """That none of the keys can sign here, and what to do about it."""
    ssh = [key for key in keys if key.kind is Kind.SSH]
    if ssh and _in_agent() is None:
        return NeedsOperator(
            f"no SSH agent is running here, so none of the {role} can sign",
            code="key.no_agent",
            advice='eval "$(ssh-agent)"; ssh-add FILE   (the file of your private key)',
        )
    listed = ", ".join(f"{key.name} ({key.kind} {key.fingerprint})" for key in keys)
    ways = [f"ssh-add FILE   ({ssh[0].name}'s private key)"] if ssh else []
    gpg = [key for key in keys if key.kind is Kind.GPG]
    ways += [f"gpg --import FILE   ({gpg[0].name}'s secret key)"] if gpg else []
    return NeedsOperator(
        f"none of the {role} is at hand: {listed}", code="key.absent", advice=", or ".join(ways)
    )


def environment() -> dict[str, str]:
    """The environment of GPG and of SSH's tools: the user's own, for their agents and dialogues."""
    found = {**os.environ, "LC_ALL": "C"}
    with suppress(OSError):
        # where GPG asks for the passphrase; it cannot find out by itself in a session of its own
        found.setdefault("GPG_TTY", os.ttyname(0))
    return found


def run(argv: Sequence[str], stdin: bytes = b"", timeout: float = _SECONDS) -> process.Completed:
    """Runs a tool for keys, as the user would.

    Raises:
        RetryLater: it did not end in time (code `key.tool`).
    """
    try:
        return process.run(argv, env=environment(), timeout=timeout, stdin=stdin)
    except process.Overrun as error:
        raise RetryLater(f"no signature was made: {error}", code="key.tool") from error


def _export(name: str, fingerprint: str) -> Key:
    listed = run(["gpg", "--batch", "--with-colons", "--list-keys", fingerprint])
    # the first one is the primary key's, also where somebody gives that of a subkey
    prints = _fields(listed.stdout, "fpr", _FINGERPRINT_FIELD)
    done = run(["gpg", "--batch", "--export-options", "export-minimal", "--export", fingerprint])
    if not prints or not done.stdout:
        raise NeedsOperator(
            f"GPG has no public key {fingerprint} for {name}",
            code="key.file",
            advice=f"gpg --recv-keys {fingerprint}, or gpg --import FILE",
        )
    return Key(name, Kind.GPG, prints[0], base64.b64encode(done.stdout).decode())


def _in_agent() -> frozenset[str] | None:
    """Fingerprints of the SSH agent's keys; None where no agent runs."""
    done = run(["ssh-add", "-L"])
    if done.returncode == _NO_AGENT:
        return None
    found = set()
    for line in done.stdout.decode(errors="replace").splitlines():
        try:
            found.add(ssh_fingerprint(" ".join(line.split()[:2])))
        except Refused:
            continue  # certificates, DSA: nothing that could be in a trust root
    return frozenset(found)


def _in_gpg() -> frozenset[str]:
    """Fingerprints of the primary keys under which GPG can sign here."""
    try:
        done = run(["gpg", "--batch", "--list-secret-keys", "--with-colons"])
    except AgentError:
        return frozenset()  # without GPG none of its keys is at hand
    found = set()
    for block in re.split(rb"\n(?=sec:)", done.stdout):
        # `#` stands for a secret that is not here, as where only subkeys were brought along
        places = [at for kind in ("sec", "ssb") for at in _fields(block, kind, _PLACE_FIELD)]
        if any(place != "#" for place in places):
            found.update(_fields(block, "fpr", _FINGERPRINT_FIELD)[:1])
    return frozenset(found)


def _fields(printed: bytes, kind: str, number: int) -> list[str]:
    """One field of all lines of a kind that GPG printed."""
    lines = (line.split(":") for line in printed.decode(errors="replace").splitlines())
    return [fields[number] for fields in lines if fields[0] == kind and len(fields) > number]


def _names(keys: Sequence[Key]) -> str:
    return ", ".join(key.name for key in keys) or "none"

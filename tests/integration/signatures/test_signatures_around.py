"""What surrounds the agent does not change what a signature is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from koprogo_agent.errors import RetryLater
from tests.integration.signatures.hands import PAYLOAD, gpg, refusal, said, signer, ssh
from tests.lab.keys import Keys

pytestmark = pytest.mark.real


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "nonsense"])
def test_the_time_zone_of_the_machine_does_not_matter(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """The same instants are good and bad."""
    monkeypatch.setenv("TZ", zone)
    statement, listed = said(keys.expired.sign(PAYLOAD)), gpg(keys.expired)
    end = datetime(2020, 1, 31, tzinfo=UTC)
    assert signer(statement, listed, at=end - timedelta(seconds=1))
    assert refusal(statement, listed, at=end).code == "signature.expired"
    assert signer(said(keys.ssh.sign(PAYLOAD)), ssh(keys.ssh))


def test_a_hostile_environment_does_not_matter(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Other tools on the PATH, other keyrings, configuration and languages."""
    for name in ("ssh-keygen", "gpgv"):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 0\n")
        tool.chmod(0o755)
    for name in (".gnupg", ".ssh"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / ".gnupg/trustedkeys.gpg").write_bytes(keys.other_gpg.public)
    (tmp_path / ".gnupg/gpgv.conf").write_text("no-such-option\n")
    (tmp_path / ".ssh/config").write_text("NoSuchOption yes\n")
    listed = (ssh(keys.ssh), gpg(keys.gpg))
    mine = said(keys.ssh.sign(PAYLOAD)), said(keys.gpg.sign(PAYLOAD))
    theirs = said(keys.other_ssh.sign(PAYLOAD)), said(keys.other_gpg.sign(PAYLOAD))
    for name, value in {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "GNUPGHOME": str(tmp_path / ".gnupg"),
        "LC_ALL": "fr_BE.UTF-8",
        "LANGUAGE": "fr",
        "SSH_AUTH_SOCK": "/nonexistent",
        "LD_PRELOAD": "/nonexistent.so",
    }.items():
        monkeypatch.setenv(name, value)
    assert [signer(one, *listed).kind for one in mine] == ["ssh", "gpg"]
    assert {refusal(one, *listed).code for one in theirs} == {"signature.unknown_key"}
    assert not (tmp_path / "ran").exists()


def test_a_tool_that_does_not_end_in_time_refuses_nothing(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine tries again; what is refused stays refused."""
    monkeypatch.setattr("koprogo_agent.adapters.signatures.SECONDS", 0.0)
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        with pytest.raises(RetryLater) as caught:
            signer(said(key.sign(PAYLOAD)), listed)
        assert caught.value.code == "signature.tool"


def test_nothing_is_left_behind(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither of a good signature nor of a bad one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for key, listed in ((keys.ssh, ssh(keys.ssh)), (keys.gpg, gpg(keys.gpg))):
        statement = said(key.sign(PAYLOAD))
        assert signer(statement, listed)
        assert refusal(statement)
    assert list(tmp_path.iterdir()) == []

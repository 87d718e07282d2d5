"""What surrounds the git adapter has no say in what it does, and what it is given is no command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from koprogo_agent.adapters.git import Git
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.errors import NeedsOperator, Refused
from koprogo_agent.settings.sections import Source
from tests.integration.git.bench import Bench, failure
from tests.lab.ca import Authority
from tests.lab.front import WrongCertificate

pytestmark = pytest.mark.real


def test_nothing_of_the_environment_reaches_git(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable, a user's configuration or a PATH of the caller's could change what git does."""
    ref = bench.tag("v1.0.0", bench.commit())
    config = tmp_path / "home"
    config.mkdir()
    (config / ".gitconfig").write_text('[url "https://127.0.0.1:1/"]\n\tinsteadOf = https://\n')
    (config / "git").write_text("#!/bin/sh\nexit 66\n")
    (config / "git").chmod(0o755)
    monkeypatch.setenv("HOME", str(config))
    monkeypatch.setenv("PATH", f"{config}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/elsewhere")
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    git = bench.git()
    assert git.list_refs().tags == (ref,)
    assert git.fetch(ref)
    bench.origin.front.fail(WrongCertificate())
    assert failure(git).code == "source.certificate"


def test_the_users_own_configuration_file_is_not_read(bench: Bench) -> None:
    """HOME is the agent's folder; what lies there is still no configuration."""
    (bench.state / ".gitconfig").write_text("[http]\n\tsslVerify = false\n")
    bench.origin.front.fail(WrongCertificate())
    assert failure(bench.git()).code == "source.certificate"


def test_an_authority_file_that_is_missing_needs_the_operator(bench: Bench, tmp_path: Path) -> None:
    """It lies on this machine, and no waiting brings it."""
    error = failure(bench.git(ca_file=tmp_path / "absent.pem"))
    assert isinstance(error, NeedsOperator)
    assert error.code == "source.settings"


def test_the_authority_of_the_operator_is_the_only_one(bench: Bench, tmp_path: Path) -> None:
    """A private source is vouched for by its own authority, not by all the world's."""
    other = Authority.create(tmp_path / "other", "other")
    assert failure(bench.git(ca_file=other.file)).code == "source.certificate"
    assert failure(bench.git(ca_file=None)).code == "source.certificate"


def test_only_the_named_protocols_are_used(bench: Bench, tmp_path: Path) -> None:
    """Also a redirect cannot lead git to a local path."""
    bench.tag("v1.0.0", bench.commit())
    local = f"file://{bench.origin.repository.path}"
    assert bench.git(url=local, allow_protocols=("file",)).list_refs().tags
    settings = Source.model_construct(
        url=local, ca_file=None, allow_protocols=("https",), timeout=20.0, max_bytes=1 << 20
    )
    error = failure(Git(settings, tmp_path))
    assert (error.code, isinstance(error, NeedsOperator)) == ("source.settings", True)


@pytest.mark.parametrize("url", ["--upload-pack=touch /tmp/x", "-u", "ext::sh -c id"])
def test_an_address_is_never_an_option_or_a_program(tmp_path: Path, url: str) -> None:
    """Even one that got past the settings."""
    settings = Source.model_construct(
        url=url, ca_file=None, allow_protocols=("https",), timeout=20.0, max_bytes=1 << 20
    )
    assert failure(Git(settings, tmp_path))


@pytest.mark.parametrize("name", ["--force", "v1.0.0:refs/heads/main", "*", "v1.0.0\nv2", "main"])
def test_a_name_that_is_no_release_is_never_fetched(bench: Bench, name: str) -> None:
    """It would become part of a refspec."""
    with pytest.raises(Refused) as caught:
        bench.git().fetch(TagRef(name, "c" * 40))
    assert caught.value.code == "version.grammar"
    assert not bench.mirror.exists()


@pytest.mark.parametrize("oid", ["", "c" * 39, "c" * 64, "HEAD", "--batch"])
def test_an_id_that_is_none_of_a_sha1_repository_is_refused(bench: Bench, oid: str) -> None:
    """It would become part of a command."""
    git = bench.git()
    with pytest.raises(Refused) as caught:
        git.fetch(TagRef("v1.0.0", oid))
    assert caught.value.code == "source.object_format"
    with pytest.raises(Refused):
        git.read_file(oid, "compose.yml")

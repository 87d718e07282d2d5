"""Words from outside that would be options, programs, settings or a way past the rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from koprogo_agent.cli.exits import Exit
from koprogo_agent.domain.states import Outcome
from tests.attacks.cases import REFUSED
from tests.attacks.field import Field, hostile_path
from tests.lab.forgeries import Forgery
from tests.lab.front import Act, Front, WrongCertificate
from tests.lab.hostile import leads_to
from tests.lab.recipes import Kind
from tests.lab.repository import Repository
from tests.scenes import watch

pytestmark = pytest.mark.real

OWN = ["core.bare=true", "core.filemode=true", "core.repositoryformatversion=0"]
"""All that the mirror's configuration may say."""


# --- addresses


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("--upload-pack=touch {mark}", "not the address of a git repository"),
        ("-oProxyCommand=touch${{IFS}}{mark}", "not the address of a git repository"),
        ("ext::sh -c touch% {mark}", "not the address of a git repository"),
        ("ext::touch%20{mark}", "allow_protocols does not name"),
        ("fd::7", "allow_protocols does not name"),
        ("https://koprogo:s3cret@forge.example/x.git", "must not hold a name, password or token"),
        ("http://forge.example/x.git", "uses http, which allow_protocols does not name"),
        ("/srv/koprogo.git", "uses file, which allow_protocols does not name"),
    ],
    ids=["an option", "ssh's option", "ext", "ext in one word", "fd", "secret", "http", "path"],
)
def test_an_address_that_is_an_option_a_program_or_a_secret_is_refused(
    field: Field, tmp_path: Path, url: str, words: str
) -> None:
    """By the settings, wherever it is written; nothing is run, and the secret is not repeated."""
    mark = tmp_path / "mark"
    address = url.format(mark=mark)
    said = field.types("check", environment={"KOPROGO_AGENT_SOURCE__URL": address})
    assert said.returncode == Exit.USAGE
    assert words in said.stderr
    assert "s3cret" not in said.stderr
    assert not mark.exists()
    field.watches_idly()


@pytest.fixture
def plain(field: Field) -> Iterator[Front]:
    """The same repository, over a connection that anybody can change on the way."""
    front = Front(field.lab.origin._relay)  # noqa: SLF001 - the lab's own
    front.start()
    yield front
    front.stop()


def test_a_source_cannot_lead_to_a_protocol_that_the_operator_did_not_name(
    field: Field, plain: Front
) -> None:
    """A redirect from https to http: whoever is on the way would see and choose what is told."""
    with field.failing(field.lab.origin.front, Act(leads_to(f"http://{plain.address}"))):
        field.cannot_poll("source.unreachable", 'Protocol "http" not supported or disabled')
    assert plain.requests == []


# --- names and paths


@pytest.mark.parametrize(
    "forgery",
    [Forgery.OPTION_PATH, Forgery.OPTION_IMAGE, Forgery.TAGGED_IMAGE],
    ids=lambda one: one.name.lower(),
)
def test_a_path_or_an_image_that_begins_like_an_option_is_refused(
    field: Field, forgery: Forgery
) -> None:
    """In a manifest that is signed as it should be."""
    field.try_out(forgery, *REFUSED[forgery])


def test_a_ref_that_begins_like_an_option_is_no_option(field: Field, tmp_path: Path) -> None:
    """Listed by the source, and typed by whoever copied it from there."""
    mark = tmp_path / "mark"
    name = f"--upload-pack=touch${{IFS}}{mark}"
    commit = field.lab.publisher.releases[0].commit
    repository = field.lab.origin.repository
    packed = repository.path / "packed-refs"
    packed.write_text(f"{commit} refs/tags/{name}\n")
    try:
        field.watches_idly()
        said = field.types("verify", "--", name)
        assert said.returncode == Exit.REFUSED
        assert "does not begin with v" in said.stdout
    finally:
        packed.unlink()
    assert field.letters.empty() == []
    assert not mark.exists()


@pytest.mark.parametrize("name", ["-trust", "--all", "trust:refs/heads/main", "../trust"])
def test_a_trust_branch_that_is_no_branch_s_name_is_refused(field: Field, name: str) -> None:
    """It becomes part of what git is asked."""
    said = field.types("check", environment={"KOPROGO_AGENT_SOURCE__TRUST_BRANCH": name})
    assert said.returncode == Exit.USAGE
    assert "KOPROGO_AGENT_SOURCE__TRUST_BRANCH" in said.stderr


# --- the environment


def test_a_hostile_environment_changes_nothing(field: Field, tmp_path: Path) -> None:
    """Variables that git heeds, programs of the same names first on the PATH, a user's files."""
    release = field.lab.publisher.publish(Kind.GOOD)
    programs = ("git", "gpgv", "ssh-keygen", "prlimit", "ssh", "setpriv", "curl", "gpg")
    path = hostile_path(tmp_path, *programs)
    (tmp_path / ".gitconfig").write_text(
        '[url "https://127.0.0.1:1/"]\n\tinsteadOf = https://\n'
        f"[core]\n\tsshCommand = touch {tmp_path}/ran-config\n[http]\n\tsslVerify = false\n"
    )
    touch = f"touch {tmp_path}/ran-variable"
    hostile = {
        "PATH": path,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": touch,
        "GIT_CONFIG_PARAMETERS": f"'core.sshCommand'='{touch}'",
        "GIT_DIR": "/elsewhere",
        "GIT_OBJECT_DIRECTORY": "/elsewhere",
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_SSH_COMMAND": touch,
        "GIT_ASKPASS": str(tmp_path / "git"),
        "GIT_PROXY_COMMAND": touch,
        "GIT_EXTERNAL_DIFF": touch,
        "GIT_SSL_NO_VERIFY": "1",
        "GIT_ALLOW_PROTOCOL": "ext:file:http:https",
        "SSL_CERT_FILE": "/nonexistent",
        "https_proxy": "http://127.0.0.1:1/",
        "ALL_PROXY": "http://127.0.0.1:1/",
        "GNUPGHOME": str(tmp_path),
        "SSH_AUTH_SOCK": str(tmp_path / "agent"),
    }
    said = field.types("verify", release.tag, environment=hostile)
    assert said.returncode == Exit.DONE, said.stdout + said.stderr
    with field.failing(field.lab.origin.front, WrongCertificate()):
        said = field.types("check", environment=hostile)
    assert (said.returncode, "certificate" in said.stderr) == (Exit.LATER, True)
    assert sorted(path.name for path in tmp_path.glob("ran-*")) == []
    field.forger.withdraw(release)


# --- the configuration of a repository


def test_what_a_release_brings_for_git_is_never_heeded(field: Field, tmp_path: Path) -> None:
    """Attributes with filters, modules with programs, hooks, a folder that looks like a mirror."""
    mark, publisher = tmp_path / "mark", field.lab.publisher
    repository = field.lab.origin.repository
    draft = publisher.draft()
    hostile = {
        ".gitattributes": b"* filter=evil diff=evil merge=evil export-subst\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = "ext::touch {mark}"\n'.encode(),
        ".gitconfig": f"[core]\n\tfsmonitor = touch {mark}\n".encode(),
        "hooks/post-checkout": f"#!/bin/sh\ntouch {mark}\n".encode(),
        "config": f"[core]\n\tsshCommand = touch {mark}\n".encode(),
        "HEAD": b"ref: refs/heads/main\n",
    }
    tree = repository.tree({**draft.tree_files, **hostile})
    forged = field.forger.with_tree(draft, tree)
    assert watch(field.instance).outcome is Outcome.COMMITTED
    assert field.installed == forged.tag
    mirror = Repository(field.state / "mirror.git")
    assert sorted(mirror.git("config", "--local", "--list").split()) == OWN
    assert not (mirror.path / "hooks").exists()
    assert not mark.exists()
    laid = {str(p.relative_to(field.instance.tree)) for p in field.instance.tree.rglob("*")}
    assert not laid.intersection(hostile)

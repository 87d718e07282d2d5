"""Settings: read whole, and every fault told at once, in words for the person who wrote it."""

from __future__ import annotations

import subprocess
import sys
from datetime import time
from pathlib import Path

import pytest

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.settings import Settings, load
from koprogo_agent.settings.sections import Source


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty configuration file."""
    path = tmp_path / "config.toml"
    path.touch()
    return path


def faults_of(file: Path, text: str | bytes) -> str:
    """What loading this content says."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(NeedsOperator) as raised:
        load(file)
    assert raised.value.code == "config.invalid"
    assert str(file) in raised.value.message
    return raised.value.message


def test_an_empty_file_gives_the_defaults_of_a_koprogo_stack(file: Path) -> None:
    """A self-hoster with KoproGo's own layout writes nothing."""
    settings = load(file)

    assert settings == Settings()
    assert settings.source.interval == 180
    assert settings.trust.require_manifest
    assert settings.backup.daily_at == time(3, 30)
    assert [probe.path for probe in settings.probe] == ["/api/v1/health"]


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the keys that it names; the others of the section stay as in the file."""
    file.write_text("[gate]\nsamples = 5\ndeadline = 90\n")
    monkeypatch.setenv("KOPROGO_AGENT_GATE__DEADLINE", "240")
    monkeypatch.setenv("KOPROGO_AGENT_STACK__WRITERS", '["api", "worker"]')

    settings = load(file)

    assert (settings.gate.samples, settings.gate.deadline) == (5, 240)
    assert settings.stack.writers == ("api", "worker")


def test_the_environment_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no `--config` is given."""
    file.write_text("[soak]\nduration = 0\n")
    monkeypatch.setenv("KOPROGO_AGENT_CONFIG", str(file))

    assert load().soak.duration == 0


def test_every_fault_is_told_at_once(file: Path) -> None:
    """A person mends the file once, not once a fault."""
    message = faults_of(
        file,
        """
        [source]
        interval = "soon"
        [stack]
        compose_files = ["../elsewhere.yml"]
        [backup]
        daily_at = "25:00"
        [policy]
        windows = ["Mon-Fry 22:00-06:00"]
        [[probe]]
        name = "api"
        service = "backend"
        [[probe]]
        name = "Nr 2"
        """,
    )

    assert message.splitlines()[0].endswith("has 6 faults")
    assert "source.interval: 'soon' is not a number" in message
    assert "stack.compose_files (number 1): '../elsewhere.yml' is not a path inside" in message
    assert "backup.daily_at: '25:00' is not a time of day" in message
    assert "policy.windows (number 1): 'Fry' is not a day" in message
    assert "probe (number 1): service and port go together" in message
    assert "probe (number 2).name: 'Nr 2' is not in the right form" in message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[source]\nulr = 'x'", "source.ulr: there is no such key; did you mean url?"),
        ("[sorce]\nurl = 'x'", "sorce: there is no such key; did you mean source?"),
        ("[[probe]]\nname = 'a'\nprot = 1", "did you mean port?"),
        ("[policy]\ndeadline = 3", "policy.deadline: there is no such key; it belongs to [gate]"),
        ("[soak]\nzzz = 3", "keys here are duration, interval"),
        ("_env_file = '/x'", "_env_file: there is no such key"),
    ],
)
def test_a_misspelt_key_gets_the_nearest_right_one(file: Path, text: str, hint: str) -> None:
    """And one in the wrong place gets the right place."""
    assert hint in faults_of(file, text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("gate = 3", "gate: 3 is not a section"),
        ("[gate]\nsamples = 2.5", "gate.samples: 2.5 is not a whole number"),
        ("[gate]\nsamples = 0", "gate.samples: 0 must be at least 1"),
        ("[gate]\ninterval = inf", "gate.interval: inf"),
        ("[gate]\ndeadline = 5", "gate: deadline is too short for samples x interval"),
        ("[gate]\nmax_deadline = 20", "gate: max_deadline must not be shorter than deadline"),
        ("[stack]\nwriters = 'backend'", "stack.writers: 'backend' is not a list"),
        ("[stack]\nwriters = []", "stack.writers: must have at least 1"),
        ("[stack]\nenv_files = ['.env']", "'.env' is not an absolute path"),
        ("[migration]\nkind = 'cmd'", "'cmd' is not one of 'start', 'command' or 'service'"),
        ("[migration]\nkind = 'command'", 'command must be given with kind = "command"'),
        ("[policy]\nautomatic = 'maybe'", "policy.automatic: 'maybe' is not true or false"),
        ("[policy]\npoll_stale_after = 60", "poll_stale_after must be longer than"),
        ("[source]\ninterval = -1", "source.interval: -1 must be"),
        ("[source]\nurl = 'http://h/r.git'", "source.url: uses http, which allow_protocols"),
        ("[source]\nurl = '--upload-pack=x'", "source.url: not the address of a git repository"),
        ("[[probe]]\nname = 'a'", "probe (number 1): nothing to ask"),
        ("[[probe]]\nport = 1", "probe (number 1).name: is missing"),
        ("[[probe]]\nname='a'\nurl='http://h'\n" * 2, "two probes have the same name"),
        ("[notify]\nurls = 3", "notify.urls: is not a list"),
    ],
)
def test_each_kind_of_fault_says_what_is_right(file: Path, text: str, hint: str) -> None:
    """Never in the words of a library."""
    assert hint in faults_of(file, text)


def test_a_fault_of_syntax_has_its_line(file: Path) -> None:
    """TOML's own words are good enough, with the line."""
    assert "at line 2" in faults_of(file, "[gate]\nsamples = = 3\n")
    assert "line 2 is not UTF-8" in faults_of(file, b"[gate]\n# caf\xe9\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, and a folder in its place."""
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(NeedsOperator, match=f"cannot read the configuration {path}") as raised:
            load(path)
        assert "--config" in raised.value.advice


def test_a_file_that_anyone_may_write_is_refused(file: Path) -> None:
    """The agent acts as root on what this file says."""
    file.chmod(0o666)

    assert "everybody on this machine may write" in faults_of(file, "")


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("GATE__SAMPLS", "1", "KOPROGO_AGENT_GATE__SAMPLS: there is no such key; did you mean"),
        ("GATE__SAMPLES", "many", "KOPROGO_AGENT_GATE__SAMPLES: 'many' is not a whole number"),
        ("SOURCE_URL", "x", "did you mean KOPROGO_AGENT_SOURCE__URL?"),
        ("STACK__WRITERS", "backend", "lists and tables are given there as JSON"),
    ],
)
def test_a_fault_in_the_environment_names_the_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    """Otherwise one would look for it in the file."""
    monkeypatch.setenv(f"KOPROGO_AGENT_{variable}", value)

    assert hint in faults_of(file, "")


def test_no_secret_is_shown(file: Path) -> None:
    """Neither in a fault, nor in what the settings print of themselves."""
    message = faults_of(
        file,
        """
        [source]
        url = "https://bot:CANARY1@example.org/r.git"
        [notify]
        urls = ["mailto://a:CANARY2@example.org", 3]
        [[probe]]
        name = "x"
        url = "https://a:CANARY3@example.org/"
        """,
    )
    assert "must not hold a name, password or token" in message
    assert "CANARY" not in message

    file.write_text('[notify]\nurls = ["mailto://a:CANARY4@example.org"]\n')
    settings = load(file)
    assert settings.secrets == ("mailto://a:CANARY4@example.org",)
    assert "CANARY" not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://example.org/r.git", "https"),
        ("ssh://git@example.org/r.git", "ssh"),
        ("git@example.org:org/r.git", "ssh"),
        ("/srv/git/r.git", "file"),
        ("file:///srv/git/r.git", "file"),
    ],
)
def test_the_ways_to_write_an_address_of_git(url: str, protocol: str) -> None:
    """Each is accepted under its protocol, and refused under another."""
    assert Source.model_validate({"url": url, "allow_protocols": [protocol]}).url == url
    with pytest.raises(ValueError, match="does not name"):
        Source.model_validate({"url": url, "allow_protocols": ["git"]})


def test_they_cannot_be_changed(file: Path) -> None:
    """What was checked is what is used."""
    with pytest.raises(ValueError, match="frozen"):
        load(file).gate.samples = 1  # type: ignore[misc]  # the point of the test


def test_reading_them_brings_neither_the_command_line_nor_adapters(file: Path) -> None:
    """The idle daemon pays for every import."""
    heavy = ("docker", "git", "httpx", "rich", "typer", "apprise", "structlog")
    program = (
        "import sys; from pathlib import Path; from koprogo_agent.settings import load;"
        f"load(Path({str(file)!r})); print([name for name in {heavy} if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert printed.stdout.decode().strip() == "[]"

"""What whoever hosts the server sets, and what is said of what cannot be used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.fleet.settings import PREFIX, load
from tests.fleet.servers import Fleet

SECRET = "a secret that the provider has made"
RIGHT = {"ISSUER": "https://sso.koprogo.com/realms/staff", "CLIENT": "fleet", "SECRET": SECRET}


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """The environment says this of OpenID Connect."""
    for name, value in values.items():
        monkeypatch.setenv(f"{PREFIX}OIDC_{name}", value)


def test_a_provider_is_named_by_three_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or by none; the button says something in any case."""
    assert load().openid is None
    given(monkeypatch, **RIGHT)
    openid = load().openid
    assert openid is not None
    assert (openid.issuer, openid.name, openid.label) == (
        RIGHT["ISSUER"],
        "fleet",
        "OpenID Connect",
    )
    assert openid.secret.get_secret_value() == SECRET
    assert SECRET not in repr(load()) + repr(openid)


@pytest.mark.parametrize(
    "half", [("ISSUER",), ("CLIENT",), ("SECRET",), ("ISSUER", "CLIENT"), ("CLIENT", "SECRET")]
)
def test_half_a_provider_is_none(monkeypatch: pytest.MonkeyPatch, half: tuple[str, ...]) -> None:
    """What lacks is named, and nothing that was given is shown."""
    given(monkeypatch, **{name: RIGHT[name] for name in half})
    with pytest.raises(NeedsOperator) as told:
        load()
    assert told.value.code == "config.invalid"
    for name in RIGHT:
        assert (f"{PREFIX}OIDC_{name}" in told.value.message) == (name not in half)
    assert SECRET not in told.value.message


def test_a_button_alone_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is a fault, too."""
    given(monkeypatch, LABEL="KoproGo SSO")
    with pytest.raises(NeedsOperator, match=r"KOPROGO_FLEET_OIDC_ISSUER and .* as well"):
        load()


@pytest.mark.parametrize(
    "issuer",
    [
        "http://sso.koprogo.com",
        "http://127.0.0.1.evil.example.org",
        "http://localhost@evil.example.org",
        "sso.koprogo.com",
        "https://",
        "https://sso.koprogo.com?x",
        "ftp://sso.koprogo.com",
        "https://user:word@sso.koprogo.com",
    ],
)
def test_a_provider_has_tls(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    """Unless it is on this very machine."""
    given(monkeypatch, **RIGHT | {"ISSUER": issuer})
    with pytest.raises(NeedsOperator, match="KOPROGO_FLEET_OIDC_ISSUER: it must be an https://"):
        load()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:1/realms/staff"])
def test_one_on_this_machine_may_have_none(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Nobody can listen there."""
    given(monkeypatch, **RIGHT | {"ISSUER": f"http://{host}"})
    assert load().openid is not None


def test_a_word_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cookies are sealed with it: it must not be guessed. It is not repeated either."""
    given(monkeypatch, **RIGHT | {"SECRET": "hunter2"})
    with pytest.raises(NeedsOperator, match="16 characters") as told:
        load()
    assert "hunter2" not in told.value.message


def test_systemd_may_hand_the_secret_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a file, named like the variable; its last line may end."""
    given(monkeypatch, ISSUER=RIGHT["ISSUER"], CLIENT="fleet")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "koprogo_fleet_oidc_secret").write_text(SECRET + "\n")
    openid = load().openid
    assert openid is not None
    assert openid.secret.get_secret_value() == SECRET


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_what_it_hands_over_must_be_readable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """Where it is not, that is said."""
    place = tmp_path / "credentials"
    if content is None:
        place.write_text("not a folder")
    else:
        place.mkdir()
        (place / "koprogo_fleet_oidc_secret").write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place))
    with pytest.raises(NeedsOperator, match="CREDENTIALS_DIRECTORY"):
        load()


def test_the_server_does_not_start_on_half_of_it(tmp_path: Path) -> None:
    """It says what to type, without a traceback."""
    fleet = Fleet(f"sqlite:///{tmp_path}/fleet.db", tmp_path, {"OIDC_CLIENT": "fleet"})
    with pytest.raises(subprocess.CalledProcessError) as ended:
        fleet.type("serve")
    assert ended.value.returncode == 2
    told = " ".join(ended.value.stderr.split())
    assert "KOPROGO_FLEET_OIDC_ISSUER and KOPROGO_FLEET_OIDC_SECRET" in told
    assert "Traceback" not in told

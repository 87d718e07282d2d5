"""The lab's own proof: what other tests stand on does as it says, and goes without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import pytest
from docker.errors import APIError
from docker.models.containers import Container

from tests.lab import Kind, Lab
from tests.lab.client import Client
from tests.lab.forgeries import BAD_NAMES, BAD_REFS, Forger, Forgery
from tests.lab.front import Endless, Refuse, Silent, Slow, WrongCertificate
from tests.lab.ingress import Ingress
from tests.lab.processes import LabError, wait_until
from tests.lab.registry import Credentials
from tests.lab.releases import Release
from tests.lab.stack import QUICK, Stack
from tests.lab.tidy import ROOTS

pytestmark = pytest.mark.real
REPOSITORY_ROOT = Path(__file__).parents[2]
SCRATCH = "scratch"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab with the first release installed by hand."""
    with Lab(settings=QUICK) as lab:
        lab.install(lab.publisher.publish())
        yield lab


def test_users_are_served_at_three_hundred_requests_a_second(lab: Lab) -> None:
    """The sample stack takes the load that the promises are made for, and loses no row.

    Once in three tries: what else the machine does meanwhile is no fault of the stack's.
    """
    assert any(_takes_three_hundred(lab) for _ in range(3))


def test_an_image_is_pulled_by_the_digest_of_its_index(lab: Lab) -> None:
    """The digest that a manifest names is the one that the engine records."""
    image = lab.publisher.publish().images["backend"]
    with closing(lab.engine.client()) as client:
        pulled = client.images.pull(f"{image.repository}@{image.digest}")
    assert f"{image.repository}@{image.digest}" in pulled.attrs["RepoDigests"]


def test_the_registry_refuses_and_lacks_images_when_told_to(lab: Lab) -> None:
    """Each refusal reaches the engine; an image can be supplied later."""
    missing = lab.publisher.publish(Kind.IMAGE_MISSING)
    name = f"{missing.images['backend'].repository}@{missing.images['backend'].digest}"
    with closing(lab.engine.client()) as client:
        for status in (401, 429, 503):
            lab.registry.front.fail(Refuse(status, retry_after="1", where="/manifests/"))
            with pytest.raises(APIError):
                client.images.pull(name)
        lab.registry.front.heal()
        with pytest.raises(APIError, match=r"not found|manifest unknown"):
            client.images.pull(name)
        lab.publisher.supply_images(missing)
        assert client.images.pull(name)


def test_a_private_registry_wants_its_password(lab: Lab) -> None:
    """With TLS and a password, only those who know it pull."""
    credentials = Credentials("koprogo", "hunter2")
    with Lab(lab.engine, credentials=credentials) as private:
        image = private.publisher.publish().images["frontend"]
        name = f"{image.repository}@{image.digest}"
        with closing(lab.engine.client()) as client:
            with pytest.raises(APIError, match=r"no basic auth credentials|unauthorized"):
                client.images.pull(name)
            login = {"username": credentials.user, "password": credentials.password}
            assert client.images.pull(name, auth_config=login)


def test_the_origin_serves_and_fails_when_told_to(lab: Lab) -> None:
    """Every fault reaches git as what it is, and traffic is counted."""
    before = lab.origin.front.traffic()
    assert "refs/tags/v1.0.0" in _ls_remote(lab)
    poll = lab.origin.front.traffic() - before
    assert poll.requests == 2
    assert 1_000 < poll.bytes < 20_000
    for fault, said in (
        (Refuse(500), "error: 500"),
        (Refuse(429, retry_after="7"), "error: 429"),
        (WrongCertificate(), "certificate"),
    ):
        lab.origin.front.fail(fault)
        with pytest.raises(LabError, match=said):
            _ls_remote(lab)
    for endless in (Endless(), Silent(), Slow(20)):
        lab.origin.front.fail(endless)
        with pytest.raises(subprocess.TimeoutExpired):
            _ls_remote(lab, seconds=1)
    lab.origin.front.stop()
    with pytest.raises(LabError, match="connect"):
        _ls_remote(lab)
    lab.origin.front.start()
    lab.origin.front.fail(Refuse(503, times=1))
    with pytest.raises(LabError, match="error: 503"):
        _ls_remote(lab)
    assert "refs/tags/v1.0.0" in _ls_remote(lab)


def test_good_tags_verify_and_edited_ones_do_not(lab: Lab, tmp_path: Path) -> None:
    """Both kinds of key sign as git does; each forgery can be written."""
    allowed = tmp_path / "allowed"
    allowed.write_text(f"release {lab.keys.ssh.public}\n")
    good = lab.publisher.publish()
    by_gpg = lab.publisher.publish(signer=lab.keys.gpg)
    forger = Forger(lab.publisher, lab.keys)
    forged = {forgery: forger.forge(forgery) for forgery in Forgery}
    for name in BAD_NAMES:
        assert forger.bad_name(name).tag == name
    for ref in BAD_REFS:
        assert forger.bad_ref(ref).ref == ref
    assert forger.move(good).object != good.tag_object
    forger.restore(good)
    ssh = ("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag")
    git = lab.origin.repository.git
    git(*ssh, good.tag_object)
    for forgery in (Forgery.UNSIGNED, Forgery.WRONG_SSH_KEY, Forgery.EDITED_MESSAGE):
        with pytest.raises(LabError):
            git(*ssh, forged[forgery].object)
    signed = git("cat-file", "tag", by_gpg.tag_object)
    assert "-----BEGIN PGP SIGNATURE-----" in signed


def test_the_old_backend_refuses_a_newer_database(lab: Lab) -> None:
    """After a migration the old image cannot come back alone: that is why a pair goes back."""
    first, changed = lab.publisher.releases[0], lab.publisher.publish(Kind.GOOD_WITH_MIGRATION)
    lab.install(changed)
    assert tuple(lab.stack.applied()) == changed.migrations
    added = set(changed.migrations) - set(first.migrations)
    with pytest.raises(LabError):
        lab.install(first)
    assert any(f"VersionMissing({version})" in lab.stack.logs("backend") for version in added)
    lab.install(changed)


@pytest.mark.parametrize(
    ("kind", "empty", "filled"),
    [
        (Kind.GOOD, "", ""),
        (Kind.BROKEN_AT_START, "corrupt", "corrupt"),
        (Kind.BROKEN_AFTER_MIGRATION, "column", "column"),
        (Kind.BROKEN_IN_PRODUCTION, "", "a document is of a kind"),
        (Kind.MIGRATION_FAILING, "no_such_table", "no_such_table"),
        (Kind.NEEDS_VARIABLE, "MAIL_FROM", "MAIL_FROM"),
    ],
)
def test_a_broken_release_breaks_as_it_says(lab: Lab, kind: Kind, empty: str, filled: str) -> None:
    """With an empty bucket (as in a rehearsal) and with documents in it (as in production)."""
    release = lab.publisher.publish(kind)
    for bucket, complaint in (("scratch", empty), ("koprogo-documents", filled)):
        said = _run_backend(lab, release, S3_BUCKET=bucket, SEED_DOCUMENTS="false")
        assert complaint in said
        assert ("fatal" in said) == bool(complaint)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"S3_SECRET_KEY": "wrong"}, "Failed to verify bucket `koprogo-documents`: HTTP 403"),
        ({"S3_ENDPOINT": "http://minio:1"}, "Failed to reach bucket `koprogo-documents`"),
        ({"S3_ENDPOINT": "http://minio.invalid:9000"}, "Failed to reach bucket"),
    ],
)
def test_the_backend_exits_without_its_bucket(lab: Lab, change: dict[str, str], said: str) -> None:
    """It migrates first, and then says why it cannot serve."""
    printed = _run_backend(lab, lab.publisher.releases[0], **change)
    assert "2 migrations applied" in printed
    assert f"fatal: {said}" in printed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("success = FALSE", "Dirty(20250101000000)"),
        ("checksum = '\\x00'", "VersionMismatch(20250101000000)"),
        ("version = 1", "VersionMissing(1)"),
    ],
)
def test_the_backend_refuses_a_database_as_sqlx_does(lab: Lab, change: str, said: str) -> None:
    """A migration that failed half-way, that has another text, or that is not embedded."""
    release = lab.publisher.releases[0]
    with _scratch_database(lab):
        assert "fatal" not in _run_container(lab, release, {})
        where = "WHERE version = 20250101000000"
        lab.stack.psql(f"UPDATE _sqlx_migrations SET {change} {where}", SCRATCH)  # noqa: S608
        assert f"fatal: {said}" in _run_container(lab, release, {})


def test_users_reach_the_stack_by_host_name_through_traefik(lab: Lab) -> None:
    """API and pages have a name each, another one has no route, and a stopped backend has none."""
    stack = lab.stack
    health = "/api/v1/health"
    assert _status(stack, stack.api_domain, health) == HTTPStatus.OK
    assert _status(stack, stack.app_domain, "/version.txt") == HTTPStatus.OK
    assert _status(stack, stack.app_domain, health) == HTTPStatus.NOT_FOUND
    assert _status(stack, "127.0.0.1", health) == HTTPStatus.NOT_FOUND
    with closing(lab.engine.client()) as client:
        container = client.containers.get(f"{lab.name}-backend")
        container.stop()
        try:
            _wait_for_status(stack, health, HTTPStatus.NOT_FOUND)
            assert _status(stack, stack.app_domain, "/version.txt") == HTTPStatus.OK
        finally:
            container.start()
    _wait_for_status(stack, health, HTTPStatus.OK)


@pytest.mark.parametrize("ingress", [Ingress.HAPROXY, Ingress.NGINX, Ingress.CADDY])
def test_other_proxies_serve_the_same_stack(lab: Lab, ingress: Ingress) -> None:
    """API and pages, also after both have been made anew with other addresses."""
    with Lab(lab.engine, settings=QUICK, ingress=ingress) as other:
        tree = other.install(other.publisher.publish())
        other.stack.compose(tree, "stop", "backend", "frontend")
        other.install(other.publisher.publish())
        stack = other.stack
        for path in ("/api/v1/health", "/version.txt"):
            _wait_for_status(stack, path, HTTPStatus.OK)


def test_the_database_has_the_settings_of_koprogo(lab: Lab) -> None:
    """Few connections, and statistics of statements."""
    asked = ("max_connections", "superuser_reserved_connections", "shared_preload_libraries")
    found = [lab.stack.psql(f"SHOW {name}") for name in asked]
    assert found == ["15", "3", "pg_stat_statements"]
    lab.stack.psql("CREATE EXTENSION pg_stat_statements")
    assert int(lab.stack.psql("SELECT count(*) FROM pg_stat_statements")) > 0
    lab.stack.psql("DROP EXTENSION pg_stat_statements")


def test_nothing_is_left_behind(lab: Lab) -> None:
    """A lab that is ended by SIGTERM tidies up; after one that was killed, the next does."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.lab"],
            cwd=REPOSITORY_ROOT,
            env={**os.environ, "DOCKER_HOST": lab.engine.host},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        name = child.stdout.readline().split()[0]
        _wait_for_stack(lab, name)
        child.send_signal(number)
        child.wait(60)
        child.stdout.close()
        if number == signal.SIGKILL:
            with Lab(lab.engine):
                pass
        assert not [left for left in _names(lab) if left.startswith(name)]
        assert not (ROOTS / name).exists()


def _takes_three_hundred(lab: Lab) -> bool:
    with Client(lab.stack, rate=300) as client:
        time.sleep(3)
    tally = client.tally()
    assert not client.lost(lab.stack)
    assert not client.unacknowledged(lab.stack)
    assert not tally.repeated
    return tally.requests >= 850 and tally.failed == 0


def _wait_for_stack(lab: Lab, name: str) -> None:
    wait_until(lambda: f"{name}-postgres" in _names(lab), 60, f"{name}'s stack")


def _ls_remote(lab: Lab, seconds: float = 20) -> str:
    done = subprocess.run(
        ["git", "-c", f"http.sslCAInfo={lab.origin.ca_file}", "ls-remote", lab.origin.url],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise LabError(done.stderr)
    return done.stdout


def _status(stack: Stack, host: str, path: str) -> int:
    """The status of an answer through the ingress; 0 if there is none."""
    connection = HTTPConnection(f"127.0.0.1:{stack.http_port}", timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _wait_for_status(stack: Stack, path: str, status: int) -> None:
    def answers() -> bool:
        return _status(stack, stack.api_domain, path) == status

    wait_until(answers, 30, f"{path} to answer {status}")


def _run_backend(lab: Lab, release: Release, **changes: str) -> str:
    """Run a backend against a scratch database until it serves or exits; what it printed."""
    with _scratch_database(lab):
        return _run_container(lab, release, changes)


@contextmanager
def _scratch_database(lab: Lab) -> Iterator[None]:
    lab.stack.psql(f"CREATE DATABASE {SCRATCH}")
    try:
        yield
    finally:
        lab.stack.psql(f"DROP DATABASE {SCRATCH} WITH (FORCE)")


def _run_container(lab: Lab, release: Release, changes: Mapping[str, str]) -> str:
    image = release.images["backend"]
    environment = {
        "DATABASE_URL": f"postgresql://koprogo:correct-horse-battery@postgres/{SCRATCH}",
        "S3_ENDPOINT": "http://minio:9000",
        "S3_REGION": "eu-west-0",
        "S3_BUCKET": "koprogo-documents",
        "S3_ACCESS_KEY": "koprogo",
        "S3_SECRET_KEY": "battery-staple-correct",
        **changes,
    }
    with closing(lab.engine.client()) as client:
        client.images.pull(f"{image.repository}@{image.digest}")
        container = client.containers.run(
            f"{image.repository}@{image.digest}",
            name=f"{lab.name}-scratch",
            network=f"{lab.name}_koprogo-network",
            environment=environment,
            detach=True,
        )
        try:
            wait_until(lambda: _settled(container), 60, "the backend to serve or exit")
            return b"".join(container.logs(stream=True, follow=False)).decode()
        finally:
            container.remove(force=True, v=True)


def _settled(container: Container) -> bool:
    container.reload()
    if container.status == "exited":
        return True
    probe = "wget -q -O /dev/null http://127.0.0.1:8080/api/v1/health"
    try:
        return bool(container.exec_run(probe).exit_code == 0)
    except APIError:
        return False  # it exited just now


def _names(lab: Lab) -> list[str]:
    with closing(lab.engine.client()) as client:
        containers = [each.name for each in client.containers.list(all=True, ignore_removed=True)]
        networks = [each.name for each in client.networks.list()]
        volumes = [each.name for each in client.volumes.list()]
    return [name or "" for name in (*containers, *networks, *volumes)]

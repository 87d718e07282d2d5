"""The port `Images` on a real engine and a registry that fails when told to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import docker
import pytest

from koprogo_agent.adapters.images import RegistryImages, faults
from koprogo_agent.adapters.images.reference import registry as registry_of
from koprogo_agent.adapters.images.reference import split
from koprogo_agent.errors import AgentError, NeedsOperator, RetryLater
from koprogo_agent.ports import PullProgress
from tests.lab import images, tidy
from tests.lab.ca import Authority
from tests.lab.engine import Engine
from tests.lab.front import Fault, Refuse, Silent, Slow
from tests.lab.oci import Image, Pushed, Settings, Tree, push
from tests.lab.registry import Credentials, Registry

pytestmark = pytest.mark.real

SIZE = 400_000


@dataclass
class Shop:
    """A registry, images in it that no engine holds yet, and the adapter."""

    registry: Registry
    images: RegistryImages
    client: docker.DockerClient
    numbers: Iterator[int]

    def new(self, *tags: str) -> Pushed:
        """An image that was never pulled."""
        tree = Tree()
        tree.write("/ballast", os.urandom(SIZE))
        image = Image((tree.layer(),), Settings(command=("none",)))
        return push(image, self.registry, f"lab/fresh{next(self.numbers)}", tags)


@pytest.fixture(scope="module")
def shop(lab_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A registry without TLS, on the loopback."""
    with (
        Registry(tmp_path_factory.mktemp("registry")) as registry,
        closing(lab_engine.client()) as client,
    ):
        adapter = RegistryImages(lab_engine.host, stall_seconds=2)
        yield Shop(registry, adapter, client, count())
        tidy.after("no-project", registry.address, lab_engine)


def _digest(pushed: Pushed) -> str:
    return f"{pushed.repository}@{pushed.digest}"


def _nobody(_: PullProgress) -> None:
    """Nobody listens."""


def test_a_pull_by_digest_counts_its_bytes(shop: Shop) -> None:
    """Progress rises to the whole of the layers; the image is known by its digest."""
    pushed, seen = shop.new(), list[PullProgress]()
    assert shop.images.find(_digest(pushed)) is None
    pulled = shop.images.pull(_digest(pushed), seen.append)
    assert _digest(pushed) in pulled.digests
    assert pulled.size >= SIZE
    assert shop.images.find(_digest(pushed)) == pulled
    assert shop.images.find(pulled.id) == pulled
    assert [one.received for one in seen] == sorted(one.received for one in seen)
    assert seen[-1].received == seen[-1].total >= SIZE
    assert shop.images.pull(_digest(pushed), _nobody) == pulled, "again, with nothing to fetch"


def test_a_pull_by_tag_brings_that_tag_only(shop: Shop) -> None:
    """Without a tag it is `latest`, never all of them."""
    pushed = shop.new("1", "latest", "other")
    tagged = shop.images.pull(f"{pushed.repository}:1", _nobody)
    shop.images.pull(pushed.repository, _nobody)
    assert {one.partition("@")[0] for one in tagged.digests} == {pushed.repository}
    again = shop.images.find(f"{pushed.repository}:1")
    assert again is not None
    assert again.id == tagged.id
    assert shop.images.find(f"{pushed.repository}:other") is None
    both = shop.images.pull(f"{pushed.repository}:1@{pushed.digest}", _nobody)
    assert _digest(pushed) in both.digests, "the digest wins over the tag"


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Refuse(429, retry_after="7"), RetryLater, "registry.rate_limited"),
        (Refuse(401), NeedsOperator, "registry.unauthorized"),
        (Refuse(403), NeedsOperator, "registry.unauthorized"),
        (Refuse(404), RetryLater, "registry.image_missing"),
        (Refuse(500), RetryLater, "registry.unreachable"),
        (Refuse(503), RetryLater, "registry.unreachable"),
        (Silent(), RetryLater, "registry.unreachable"),
    ],
)
def test_a_refusing_registry_is_understood(
    shop: Shop, fault: Fault, kind: type[AgentError], code: str
) -> None:
    """Each fault has its own next step; afterwards the same pull succeeds."""
    pushed = shop.new()
    shop.registry.front.fail(fault)
    try:
        with pytest.raises(kind) as refused:
            shop.images.pull(_digest(pushed), _nobody)
    finally:
        shop.registry.front.heal()
    assert refused.value.code == code
    assert shop.images.pull(_digest(pushed), _nobody)


def test_a_registry_that_limits_says_for_how_long(shop: Shop) -> None:
    """The engine does not pass on `Retry-After`, so the registry is asked."""
    pushed = shop.new()
    shop.registry.front.fail(Refuse(429, retry_after="7"))
    try:
        with pytest.raises(RetryLater) as limited:
            shop.images.pull(_digest(pushed), _nobody)
    finally:
        shop.registry.front.heal()
    assert limited.value.after == 7


def test_a_slow_pull_goes_on(shop: Shop) -> None:
    """Time runs out only while nothing comes."""
    pushed, seen = shop.new(), list[PullProgress]()
    shop.registry.front.fail(Slow(SIZE // 4))
    try:
        shop.images.pull(_digest(pushed), seen.append)
    finally:
        shop.registry.front.heal()
    assert len(seen) > 3


def test_what_is_not_there_may_come(shop: Shop, tmp_path: Path) -> None:
    """A tag, a digest or a repository that is not published yet; and no registry at all."""
    pushed = shop.new("1")
    address = shop.registry.address
    for reference in (f"{pushed.repository}:2", f"{address}/lab/none:1", f"{address}/none:404"):
        with pytest.raises(RetryLater, match=reference) as missing:
            shop.images.pull(reference, _nobody)
        assert missing.value.code == "registry.image_missing"
    with pytest.raises(RetryLater) as nobody:
        shop.images.pull("127.0.0.1:1/lab/web:1", _nobody)
    assert nobody.value.code == "registry.unreachable"
    away = RegistryImages(f"unix://{tmp_path}/away.sock")
    asks: tuple[Callable[[], object], ...] = (
        lambda: away.pull("x", _nobody),
        lambda: away.find("x"),
        lambda: away.remove("x"),
    )
    for ask in asks:
        with pytest.raises(RetryLater) as unreachable:
            ask()
        assert unreachable.value.code == "engine.unreachable"


def test_a_used_image_is_not_removed(shop: Shop, lab_engine: Engine) -> None:
    """A container that runs no more counts too: it may be what a rollback starts again."""
    pushed = push(images.web(), shop.registry, "lab/used", ("1",))
    shop.images.pull(_digest(pushed), _nobody)
    container = shop.client.containers.create(_digest(pushed), name=tidy.new_name())
    try:
        shop.images.remove(_digest(pushed))
        assert shop.images.find(_digest(pushed)) is not None
    finally:
        container.remove(force=True)
    shop.images.remove(_digest(pushed))
    assert shop.images.find(_digest(pushed)) is None
    shop.images.remove(_digest(pushed))
    assert lab_engine.answers()


def test_only_the_agent_s_name_of_an_image_goes(shop: Shop) -> None:
    """An operator's own tag on the same image stays, and with it the image."""
    pushed = shop.new("1")
    shop.images.pull(_digest(pushed), _nobody)
    own = f"{shop.registry.address}/operator/own:1"
    shop.client.images.get(_digest(pushed)).tag(own)
    shop.images.remove(_digest(pushed))
    assert shop.images.find(own) is not None


def test_a_private_registry_wants_a_password(
    lab_engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without it the operator is told to log in; with it the pull works, and it shows nowhere."""
    authority = Authority.create(tmp_path / "ca", "lab")
    credentials = Credentials("koprogo", "hunter2-canary")
    config = tmp_path / "docker"
    config.mkdir()
    caplog.set_level("DEBUG")
    tls = (authority.server(), authority.server())
    with Registry(tmp_path / "registry", tls=tls, credentials=credentials) as registry:
        pushed = push(images.web(), registry, "lab/private", ("1",))
        adapter = RegistryImages(lab_engine.host, docker_config=config)
        wrong = {"auths": {registry.address: {"username": "koprogo", "password": "wrong"}}}
        for content in ({}, wrong):
            (config / "config.json").write_text(json.dumps(content))
            with pytest.raises(NeedsOperator) as refused:
                adapter.pull(_digest(pushed), _nobody)
            assert refused.value.code == "registry.unauthorized"
            assert refused.value.advice == f"docker login {registry.address}"
        credentials.write_docker_config(config, registry.address)
        assert adapter.pull(_digest(pushed), _nobody)
        (config / "config.json").write_text('{"credsStore": "no-such-helper"}')
        with (
            pytest.warns(UserWarning, match="no-such-helper"),
            pytest.raises(NeedsOperator, match="credentials"),
        ):
            adapter.pull(_digest(pushed), _nobody)
        tidy.after("no-project", registry.address, lab_engine)
    assert "hunter2-canary" not in caplog.text + str(refused.value)


@pytest.mark.parametrize(
    ("reference", "parts", "registry"),
    [
        ("nginx", ("nginx", "latest"), "docker.io"),
        ("library/nginx:1", ("library/nginx", "1"), "docker.io"),
        ("localhost/x", ("localhost/x", "latest"), "localhost"),
        ("ghcr.io/k/api:v1", ("ghcr.io/k/api", "v1"), "ghcr.io"),
        ("127.0.0.1:5000/k/api", ("127.0.0.1:5000/k/api", "latest"), "127.0.0.1:5000"),
        ("h:1/a:t@sha256:00", ("h:1/a", "sha256:00"), "h:1"),
    ],
)
def test_references_are_taken_apart(reference: str, parts: tuple[str, str], registry: str) -> None:
    """A port is no tag, and a digest wins over a tag."""
    assert split(reference) == parts
    assert registry_of(reference) == registry


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("write /var/lib/docker/tmp/x: no space left on device", "disk.full"),
        ("toomanyrequests: You have reached your pull rate limit", "registry.rate_limited"),
        ("error parsing HTTP 429 response body: invalid character", "registry.rate_limited"),
        ("pull access denied for x, repository does not exist", "registry.unauthorized"),
        ("Get https://h/v2/: unauthorized: authentication required", "registry.unauthorized"),
        ("manifest for 127.0.0.1:1/a:429-denied not found", "registry.image_missing"),
        ("no matching manifest for linux/arm64 in the list", "registry.image_missing"),
        ("Get https://h/v2/: net/http: TLS handshake timeout", "registry.unreachable"),
        ("x509: certificate signed by unknown authority", "registry.unreachable"),
    ],
)
def test_the_words_of_other_engines_are_known(words: str, code: str) -> None:
    """What this lab's engine and registry cannot be made to say."""
    assert faults.of_pull("127.0.0.1:1/a:429-denied", words).code == code

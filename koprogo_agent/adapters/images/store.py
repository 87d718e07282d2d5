"""Images of the engine and the registries behind it: the port `Images`, on the docker SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from koprogo_agent import docker_api
from koprogo_agent.adapters.images import faults
from koprogo_agent.adapters.images.layers import Layers, Limits
from koprogo_agent.adapters.images.reference import split
from koprogo_agent.domain.proxy import DIRECT, ProxyRules
from koprogo_agent.errors import Refused, RetryLater
from koprogo_agent.ports import LocalImage, PullProgress

if TYPE_CHECKING:
    from docker import APIClient

_STALL_SECONDS = 120.0
_LEAST_PACE = 10_000.0
"""A hundred megabytes would take three hours, in which nothing else is done; slower is no pull."""
_MOST_BYTES = 4 * 1024**3
"""Many times an image of KoproGo, and less than what the smallest of its machines has of disk."""


class RegistryImages:
    """Images, as the engine of this machine holds and pulls them.

    Credentials are those of the docker configuration (`docker login`, credential helpers), read
    anew for each pull; the SDK hands them to the engine, and they are never logged.

    Args:
        host: the engine's address, `unix://…`.
        rules: which proxy a registry is asked through when the engine does not say why a pull
            failed; the engine itself has settings of its own.
        docker_config: the folder with docker's `config.json`, or None for the user's own
            (`DOCKER_CONFIG`, `~/.docker`).
        stall_seconds: how long a pull may go on without a sign of progress.
        least_pace: bytes a second that a registry must send on average over such a time.
        most_bytes: most that one image may bring.
    """

    def __init__(
        self,
        host: str = docker_api.DEFAULT_HOST,
        rules: ProxyRules = DIRECT,
        docker_config: Path | None = None,
        stall_seconds: float = _STALL_SECONDS,
        least_pace: float = _LEAST_PACE,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._host = host
        self._rules = rules
        self._docker_config = docker_config
        self._limits = Limits(stall_seconds, least_pace, most_bytes)

    def find(self, reference: str) -> LocalImage | None:
        """The local image for a reference (tag, digest or id), without asking a registry."""
        told = docker_api.read(self._host, f"/images/{reference}/json")
        if told is None:
            return None
        return LocalImage(told["Id"], tuple(told.get("RepoDigests") or ()), told["Size"])

    def pull(self, reference: str, progress: Callable[[PullProgress], None]) -> LocalImage:
        """Pulls by tag or digest.

        Raises:
            RetryLater: `registry.rate_limited`, `registry.image_missing`, `registry.limit`, or
                `registry.unreachable`, which is also a pull that stands still, or nearly so.
            NeedsOperator: `registry.unauthorized`, `disk.full`.
            Refused: the engine gave another image than the digest names (`image.wrong_digest`).
        """
        from docker.errors import APIError, DockerException  # noqa: PLC0415 - not for an idle daemon
        from requests import RequestException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        repository, version = split(reference)
        layers = Layers(reference, self._limits)
        with docker_api.client(self._host, self._limits.silence) as api:
            try:
                for event in self._events(api, repository, version):
                    if "error" in event:
                        raise faults.of_pull(reference, event["error"], self._rules)
                    if layers.take(event):
                        progress(layers.progress)
            except APIError as error:
                words = error.explanation or str(error)
                raise faults.of_pull(reference, words, self._rules) from error
            except (RequestException, HTTPError, TimeoutError) as error:
                docker_api.check(self._host)
                raise faults.stalled(reference, self._limits.silence) from error
            except DockerException as error:
                raise faults.unreadable_credentials(error) from error
        return self._pulled(reference)

    def published(self, reference: str) -> bool:
        """Ask the registry for the manifest, by way of the engine, with docker's credentials.

        Raises:
            RetryLater: `registry.rate_limited`, `registry.unreachable`.
            NeedsOperator: `registry.unauthorized`.
        """
        from docker.errors import APIError, DockerException  # noqa: PLC0415 - not for an idle daemon

        with docker_api.client(self._host) as api:
            self._reload_credentials(api)
            inspect: Any = api.inspect_distribution  # the SDK has no types for it
            try:
                inspect(reference)
            except APIError as error:
                fault = faults.of_pull(reference, error.explanation or str(error), self._rules)
                if fault.code != faults.MISSING:
                    raise fault from error
                return False
            except DockerException as error:
                raise faults.unreadable_credentials(error) from error
        return True

    def root(self) -> Path:
        """The folder in which the engine keeps images and volumes."""
        return Path(docker_api.read(self._host, "/info")["DockerRootDir"])

    def remove(self, reference: str) -> None:
        """Removes an image unless a container uses it, running or not; absent is success."""
        from docker.errors import APIError  # noqa: PLC0415 - what an idle daemon does not need

        found = self.find(reference)
        if found is None or self._is_used(found):
            return
        with docker_api.client(self._host) as api:
            try:
                api.remove_image(reference)
            except APIError as error:
                # gone meanwhile, or in use since: both are as they should be
                if error.status_code not in {404, 409}:
                    raise

    def _events(self, api: APIClient, repository: str, version: str) -> Iterable[Mapping[str, Any]]:
        self._reload_credentials(api)
        _limit_silence(api, self._limits.silence)
        events: Iterable[Mapping[str, Any]] = api.pull(
            repository, tag=version, stream=True, decode=True
        )
        return events

    def _reload_credentials(self, api: APIClient) -> None:
        if self._docker_config is not None:
            api.reload_config(dockercfg_path=str(self._docker_config / "config.json"))

    def _pulled(self, reference: str) -> LocalImage:
        found = self.find(reference)
        if found is None:
            # an engine that is restarted in the middle ends the stream without a word
            raise RetryLater(f"the pull of {reference} broke off", code="registry.unreachable")
        _, at, digest = reference.partition("@")
        if at and not any(one.endswith(f"@{digest}") for one in found.digests):
            raise Refused(
                f"the engine holds another image than {reference}", code="image.wrong_digest"
            )
        return found

    def _is_used(self, image: LocalImage) -> bool:
        filters = json.dumps({"ancestor": [image.id]})
        return bool(docker_api.read(self._host, "/containers/json", all="1", filters=filters))


def _limit_silence(api: APIClient, seconds: float) -> None:
    """Has the client give up on an answer that stands still; the SDK waits for ever for a pull."""
    send = api.send

    def limited(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as requests declares it
        return send(*args, **{**kwargs, "timeout": kwargs.get("timeout") or seconds})

    api.send = limited  # type: ignore[method-assign]

"""Waiting rooms: proxies that take a service's routes while its containers are exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Room:
    """A waiting room as it is now.

    Attributes:
        service: whose routes it takes.
        run: names this run of its container; another one means that it has restarted since.
        answers: whether it runs and answers.
        closed: whether it holds requests instead of passing them on.
        held: requests that wait in it now.
        passing: requests that it has passed on and that are not answered yet.
        longest: seconds of the longest wait of a request that it has let through.
        late: requests that waited for as long as they may, and were told to come back.
    """

    service: str
    run: str
    answers: bool
    closed: bool = False
    held: int = 0
    passing: int = 0
    longest: float = 0.0
    late: int = 0


class Rooms(Protocol):
    """The waiting rooms of a project, one a service."""

    def put_up(self, project_name: str, service: str, container: str, limit: float) -> None:
        """Starts a room that passes requests on to a container; one that is there is kept.

        A room for a container that does not run starts with its door closed.

        Args:
            project_name: the compose project.
            service: whose routes it takes.
            container: the container whose labels and networks it takes, and to which it leads.
            limit: seconds for which it holds a request at most; then it answers 503 with a page.

        Raises:
            RetryLater: the image is not here (`image.absent`), or it does not start
                (`room.failed`).
        """

    def put_up_again(self, project_name: str, service: str, container: str, limit: float) -> None:
        """Starts a room that has fallen in mid-hold; arguments and errors as `put_up`.

        It goes on as it was; one that is gone altogether starts with its door closed, whether its
        container runs or not.
        """

    def seen(self, project_name: str) -> tuple[Room, ...]:
        """The rooms that exist, whether they answer or not."""

    def has_route(self, project_name: str, service: str, ingress: Sequence[str]) -> bool:
        """Whether the ingress (its containers) leads requests for the service to its room."""

    def close(self, project_name: str, service: str) -> None:
        """Holds new requests from now on.

        Raises:
            RetryLater: the room does not answer (code `room.silent`).
        """

    def open(self, project_name: str, service: str, container: str) -> None:
        """Passes requests on to a container, those first that wait.

        Raises:
            RetryLater: the room does not answer (`room.silent`), or the container has no address
                that the room could lead to, as while it does not run (`room.no_address`).
        """

    def step_aside(self, project_name: str, service: str) -> None:
        """Becomes unhealthy, so that the ingress takes its routes back; still passes requests on.

        Raises as `close`.
        """

    def remove(self, project_name: str, service: str) -> None:
        """Removes a room; absent already is success."""
